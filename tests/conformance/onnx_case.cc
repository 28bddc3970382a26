#include "tests/conformance/onnx_case.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "trusted/graph/interpreter.h"
#include "trusted/graph/onnx_reader.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;

Result<std::string> ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound(path.string() + " cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

struct NamedTensor {
  std::string name;
  graph::TensorLiteral literal;
};

// What the model declares: a value's name and element type.
struct Declared {
  std::string name;
  std::int32_t element = 0;
};

// A sequence or an optional is another message: it is then no tensor, or one of no element type.
// NumPy has no bfloat16, so the files of such values hold its bits as uint16.
Result<NamedTensor> ReadTensorFile(const fs::path& path, const Declared& declared) {
  AH_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  onnx::TensorProto tensor;
  if (!tensor.ParseFromString(bytes)) return InvalidInput(path.string() + " is no tensor");
  if (declared.element == onnx::TensorProto::BFLOAT16 &&
      tensor.data_type() == onnx::TensorProto::UINT16) {
    tensor.set_data_type(onnx::TensorProto::BFLOAT16);
  }
  const Result<graph::TensorLiteral> literal = graph::ReadTensor(tensor);
  if (!literal.ok()) return literal.error().At(path.filename().string());
  return NamedTensor{tensor.name(), *literal};
}

Result<std::vector<NamedTensor>> ReadTensorFiles(const fs::path& folder, const std::string& stem,
                                                 const std::vector<Declared>& declared) {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0;; ++i) {
    const fs::path path = folder / (stem + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return tensors;
    if (i == declared.size()) return InvalidInput("the model has no " + path.stem().string());
    AH_ASSIGN_OR_RETURN(NamedTensor tensor, ReadTensorFile(path, declared[i]));
    tensors.push_back(std::move(tensor));
  }
}

std::vector<Declared> DeclaredIn(
    const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values,
    const std::set<std::string>& but) {
  std::vector<Declared> declared;
  for (const auto& value : values) {
    if (but.count(value.name()) != 0) continue;
    declared.push_back({value.name(), value.type().tensor_type().elem_type()});
  }
  return declared;
}

// The model's bytes, and the inputs that must be given: those without an initializer.
struct Case {
  std::string onnx;
  std::vector<Declared> inputs;
  std::vector<Declared> outputs;
};

// Some cases of single operators say opset 1, before the oldest that is accepted. Their operators
// have not changed between the two, so they are run in the accepted one.
Result<Case> ReadCase(const fs::path& path) {
  AH_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  AH_ASSIGN_OR_RETURN(const auto model, graph::ReadOnnx(AsBytes(bytes)));
  Case result{bytes, {}, {}};
  for (auto& entry : *model->mutable_opset_import()) {
    if (!entry.domain().empty() || entry.version() != 1) continue;
    entry.set_version(graph::kOpsetMin);
    result.onnx = model->SerializeAsString();
  }
  std::set<std::string> initializers;
  for (const auto& tensor : model->graph().initializer()) initializers.insert(tensor.name());
  result.inputs = DeclaredIn(model->graph().input(), initializers);
  result.outputs = DeclaredIn(model->graph().output(), {});
  return result;
}

graph::Tensor<float> AsTensor(graph::TensorLiteral literal) {
  return {literal.element, std::move(literal.shape), std::move(literal.reals),
          std::move(literal.integers)};
}

bool Near(double got, double expected, const Tolerance& tolerance) {
  if (std::isnan(expected)) return std::isnan(got);
  if (got == expected) return true;  // infinities among them
  return std::abs(got - expected) <= tolerance.absolute + tolerance.relative * std::abs(expected);
}

std::string TypeText(graph::ElementType element, const graph::Shape& shape) {
  return std::string(graph::ElementName(element)) + " " + graph::FormatShape(shape);
}

Status Compare(const graph::Tensor<float>& got, const graph::TensorLiteral& expected,
               const Tolerance& tolerance) {
  if (got.element != expected.element || got.shape != expected.shape) {
    return InvalidInput("is " + TypeText(got.element, got.shape) + ", expected " +
                        TypeText(expected.element, expected.shape));
  }
  std::size_t wrong = 0;
  std::ostringstream first;
  const bool real = graph::IsReal(expected.element);
  const std::size_t count = real ? expected.reals.size() : expected.integers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const bool equal = real ? Near(got.reals[i], expected.reals[i], tolerance)
                            : got.integers[i] == expected.integers[i];
    if (equal || ++wrong > 1) continue;
    first << "number " << i << " is ";
    if (real) {
      first << got.reals[i] << ", expected " << expected.reals[i];
    } else {
      first << got.integers[i] << ", expected " << expected.integers[i];
    }
  }
  if (wrong == 0) return Ok();
  return InvalidInput(first.str() + " (" + std::to_string(wrong) + " of " + std::to_string(count) +
                      " numbers differ)");
}

struct DataSet {
  std::map<std::string, NamedTensor> inputs;
  std::vector<NamedTensor> outputs;
};

Result<DataSet> ReadDataSet(const fs::path& folder, const Case& model) {
  DataSet data;
  AH_ASSIGN_OR_RETURN(std::vector<NamedTensor> inputs,
                      ReadTensorFiles(folder, "input_", model.inputs));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = inputs[i].name;
    const bool known = std::any_of(model.inputs.begin(), model.inputs.end(),
                                   [&](const Declared& input) { return input.name == name; });
    data.inputs.emplace(known ? name : model.inputs[i].name, std::move(inputs[i]));
  }
  AH_ASSIGN_OR_RETURN(data.outputs, ReadTensorFiles(folder, "output_", model.outputs));
  if (data.outputs.empty()) return InvalidInput("has no expected output");
  return data;
}

Status RunDataSet(const Case& model_case, const fs::path& folder, const Tolerance& tolerance) {
  AH_ASSIGN_OR_RETURN(const DataSet data, ReadDataSet(folder, model_case));
  graph::ImportOptions options;
  options.examples = false;
  for (const auto& [name, tensor] : data.inputs) {
    graph::TensorLiteral copy = tensor.literal;
    options.inputs[name] = {copy.element, copy.shape, std::move(copy).Share()};
  }
  AH_ASSIGN_OR_RETURN(const graph::Model model,
                      graph::ImportOnnx(AsBytes(model_case.onnx), options));
  graph::Bindings<float> bindings;
  for (const graph::Port& port : model.inputs()) {
    const auto found = data.inputs.find(port.name);
    if (found == data.inputs.end()) return InvalidInput("has no input for " + port.name);
    bindings.inputs.push_back(AsTensor(found->second.literal));
  }
  bindings.parameters = graph::ParameterValues<float>(model);
  AH_ASSIGN_OR_RETURN(const std::vector<graph::Tensor<float>> outputs,
                      graph::Interpret<float>(model.graph(), bindings, model.graph().outputs()));
  for (std::size_t i = 0; i < data.outputs.size(); ++i) {
    const Status equal = Compare(outputs[i], data.outputs[i].literal, tolerance);
    if (!equal.ok()) return equal.error().At("output " + model.outputs()[i].name);
  }
  return Ok();
}

}  // namespace

std::vector<std::string> FindCases(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (fs::exists(entry.path() / "model.onnx")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status RunCase(const std::string& folder, const Tolerance& tolerance) {
  AH_ASSIGN_OR_RETURN(const Case model, ReadCase(fs::path(folder) / "model.onnx"));
  int sets = 0;
  for (;; ++sets) {
    const std::string set = "test_data_set_" + std::to_string(sets);
    const fs::path path = fs::path(folder) / set;
    if (!fs::exists(path)) break;
    const Status status = RunDataSet(model, path, tolerance);
    if (!status.ok()) return sets == 0 ? status.error() : status.error().At(set);
  }
  if (sets == 0) return InvalidInput("has no test_data_set_0");
  return Ok();
}

}  // namespace anchorhold::testing
