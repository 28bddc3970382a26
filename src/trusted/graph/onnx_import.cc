// ImportOnnx and CheckOnnx: from bytes to a Model, node by node.
#include <set>
#include <utility>

#include "shared/base/limits.h"
#include "trusted/graph/model.h"
#include "trusted/graph/names.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/onnx_reader.h"
#include "trusted/graph/operators.h"

namespace anchorhold::graph {
namespace {

constexpr std::size_t kValueNameBytesMax = 512;

class Importer {
 public:
  // Fills `report` as far as it comes.
  Result<Model> Run(ByteSpan bytes, CheckReport& report);

 private:
  Status AddInitializers(const onnx::GraphProto& graph);
  Status AddInput(const onnx::GraphProto& graph);
  Status AddNode(const onnx::NodeProto& node, NodeVerdict& verdict);
  Status Apply(const onnx::NodeProto& node, Imported& output);
  Status Define(const std::string& name, Imported value);
  Status NameOutputs(const onnx::NodeProto& node, Imported output);
  Result<std::vector<ValueId>> FindOutputs(const onnx::GraphProto& graph);
  Result<std::vector<Parameter>> SettleParameters(ValueId first_output);

  ImportState state_;
  Port input_;
  std::vector<Port> outputs_;
};

Status CheckName(const std::string& name) {
  if (name.empty()) return InvalidInput("a value without a name");
  if (name.size() > kValueNameBytesMax) {
    return LimitExceeded("the name " + Quoted(name) + " has more than " +
                         std::to_string(kValueNameBytesMax) + " bytes");
  }
  // Parameters' names become names in a weights file, where this one has a meaning of its own.
  if (name == "__metadata__") {
    return InvalidInput("a value may not be called \"__metadata__\"; rename it");
  }
  for (const char c : name) {
    if (c < 0x20 || c == 0x7f) {
      return InvalidInput("the name " + Quoted(name) + " is not printable ASCII; rename it");
    }
  }
  return Ok();
}

Status Importer::Define(const std::string& name, Imported value) {
  AH_RETURN_IF_ERROR(CheckName(name));
  if (!state_.names.emplace(name, std::move(value)).second) {
    return InvalidInput("the name " + Quoted(name) + " is given to two values");
  }
  return Ok();
}

Status Importer::AddInitializers(const onnx::GraphProto& graph) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    AH_ASSIGN_OR_RETURN(TensorLiteral literal, ReadTensor(tensor));
    Imported value;
    if (literal.is_float) {
      value.initializer = static_cast<int>(state_.initializers.size());
      Initializer initializer;
      initializer.name = tensor.name();
      initializer.shape = literal.shape;
      initializer.data = std::make_shared<const std::vector<float>>(std::move(literal.floats));
      state_.initializers.push_back(std::move(initializer));
    } else if (literal.shape.size() > 1 || literal.integers.size() > kIntegersMax) {
      value.unavailable = "reads " + Quoted(tensor.name()) + ", integers that are no short list";
    } else {
      value.integers.emplace();
      value.integers->scalar = literal.shape.empty();
      for (const std::int64_t i : literal.integers) value.integers->values.push_back({i, false});
    }
    AH_RETURN_IF_ERROR(Define(tensor.name(), std::move(value)));
  }
  return Ok();
}

// The type of the model's input from its declaration: axis 0 is the example axis whatever its size.
Result<ValueType> InputType(const onnx::ValueInfoProto& input, std::int64_t& declared_batch) {
  const std::string where = "the model's input " + Quoted(input.name());
  if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape()) {
    return InvalidInput(where + " declares no tensor shape");
  }
  const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
  if (tensor.elem_type() != onnx::TensorProto::FLOAT) {
    return Unsupported(where + " has ONNX element type " + std::to_string(tensor.elem_type()) +
                       "; float32 is supported");
  }
  if (tensor.shape().dim_size() == 0) return InvalidInput(where + " has no batch axis");
  ValueType type;
  type.example_axis = 0;
  for (const onnx::TensorShapeProto::Dimension& dim : tensor.shape().dim()) {
    if (type.shape.empty()) {
      declared_batch = dim.has_dim_value() && dim.dim_value() > 0 ? dim.dim_value() : 0;
      type.shape.push_back(1);
      continue;
    }
    if (!dim.has_dim_value()) {
      return Unsupported("axis " + std::to_string(type.shape.size()) + " of " + where +
                         " has no fixed size; only the batch axis may vary");
    }
    type.shape.push_back(dim.dim_value());
  }
  const Result<std::size_t> count = CheckedElementCount(type.shape);
  if (!count.ok()) return count.error().At(where);
  return type;
}

// The shape of one example: the example axis is left out, unless an example has several rows there.
Port PortOf(const std::string& name, const ValueType& type) {
  Port port{name, type.shape};
  if (type.multiplicity() == 1) port.shape.erase(port.shape.begin() + type.example_axis);
  return port;
}

Status Importer::AddInput(const onnx::GraphProto& graph) {
  const onnx::ValueInfoProto* input = nullptr;
  for (const onnx::ValueInfoProto& candidate : graph.input()) {
    if (state_.names.count(candidate.name()) != 0) continue;  // an initializer's declaration
    if (input != nullptr) {
      return Unsupported("the model has several inputs, " + Quoted(input->name()) + " and " +
                         Quoted(candidate.name()) + "; one is supported");
    }
    input = &candidate;
  }
  if (input == nullptr) return InvalidInput("the model has no input");
  AH_ASSIGN_OR_RETURN(ValueType type, InputType(*input, state_.declared_batch));
  input_ = PortOf(input->name(), type);
  Imported value;
  value.tensor = state_.builder.AddInput(std::move(type));
  return Define(input->name(), std::move(value));
}

Status Importer::NameOutputs(const onnx::NodeProto& node, Imported output) {
  if (node.output_size() == 0 || node.output(0).empty()) {
    return InvalidInput("has no output");
  }
  AH_RETURN_IF_ERROR(Define(node.output(0), std::move(output)));
  for (int i = 1; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    Imported other;
    other.unavailable = "reads " + Quoted(node.output(i)) + ", output " + std::to_string(i) +
                        " of a " + node.op_type() + ", which is not supported";
    AH_RETURN_IF_ERROR(Define(node.output(i), std::move(other)));
  }
  return Ok();
}

Status Importer::Apply(const onnx::NodeProto& node, Imported& output) {
  if (!node.domain().empty() && node.domain() != "ai.onnx") {
    return Unsupported("operators of domain " + Quoted(node.domain()) + " are not supported");
  }
  const OperatorDefinition* definition = FindOperator(node.op_type(), state_.opset);
  if (definition == nullptr) {
    return Unsupported("this operator is not supported; rewrite the model without it");
  }
  if (node.input_size() < definition->inputs_min || node.input_size() > definition->inputs_max) {
    return InvalidInput("has " + std::to_string(node.input_size()) +
                        " inputs; the operator takes " + std::to_string(definition->inputs_min) +
                        " to " + std::to_string(definition->inputs_max));
  }
  NodeContext context(state_, node);
  AH_RETURN_IF_ERROR(context.Open());
  AH_RETURN_IF_ERROR(definition->rule(context));
  AH_RETURN_IF_ERROR(context.Close());
  output = context.output();
  return Ok();
}

void Describe(const Imported& output, const GraphBuilder& builder, NodeVerdict& verdict) {
  verdict.verdict = "constant";
  if (output.integers.has_value()) {
    verdict.output = output.integers->scalar
                         ? "scalar int64"
                         : std::to_string(output.integers->values.size()) + " int64";
    return;
  }
  const ValueType& type = builder.type(output.tensor);
  verdict.output = FormatType(type);
  if (type.has_examples()) verdict.verdict = "per example";
}

Status Importer::AddNode(const onnx::NodeProto& node, NodeVerdict& verdict) {
  Imported output;
  Status status = Apply(node, output);
  if (status.ok()) {
    Describe(output, state_.builder, verdict);
    status = NameOutputs(node, std::move(output));
  }
  if (status.ok()) return Ok();
  const std::string name = node.name().empty() ? verdict.node : Quoted(node.name());
  return status.error().At("node " + name + " (" + verdict.op + ", opset " +
                           std::to_string(state_.opset) + ")");
}

Result<std::vector<ValueId>> Importer::FindOutputs(const onnx::GraphProto& graph) {
  std::vector<ValueId> ids;
  for (const onnx::ValueInfoProto& output : graph.output()) {
    const std::string where = "the model's output " + Quoted(output.name());
    const auto found = state_.names.find(output.name());
    if (found == state_.names.end()) return InvalidInput(where + " is no value of the graph");
    const Imported& value = found->second;
    if (!value.unavailable.empty()) return Unsupported(where + " " + value.unavailable);
    if (value.tensor == kNoValue || !state_.builder.type(value.tensor).has_examples()) {
      return PrivacyRefused(where +
                            " does not depend on each example by itself: it has no example "
                            "axis; give the model an output for each example");
    }
    const ValueType& type = state_.builder.type(value.tensor);
    if (type.example_axis != 0) {
      return Unsupported(where + " of " + FormatType(type) +
                         " has the examples along a later axis; transpose it to the front");
    }
    ids.push_back(value.tensor);
    outputs_.push_back(PortOf(output.name(), type));
  }
  if (ids.empty()) return InvalidInput("the model has no output");
  return ids;
}

// The initializers that the first output, the prediction, depends on are the parameters, in the
// file's order. The others stay as they are.
Result<std::vector<Parameter>> Importer::SettleParameters(ValueId first_output) {
  const std::vector<bool> used =
      state_.builder.graph().Ancestors(std::span<const ValueId>(&first_output, 1));
  std::vector<Parameter> parameters;
  for (const Initializer& initializer : state_.initializers) {
    if (initializer.parameter == kNoValue) continue;
    if (!used[static_cast<std::size_t>(initializer.parameter)]) {
      state_.builder.FreezeParameter(initializer.parameter, initializer.data);
      continue;
    }
    if (initializer.read_as_constant) {
      return Unsupported(
          "initializer " + Quoted(initializer.name) +
          " is used both as a weight and as a constant of the model; store it twice");
    }
    state_.builder.RenumberParameter(initializer.parameter, parameters.size());
    parameters.push_back({initializer.name, initializer.shape, *initializer.data});
  }
  return parameters;
}

Result<Model> Importer::Run(ByteSpan bytes, CheckReport& report) {
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<onnx::ModelProto> model, ReadOnnx(bytes));
  AH_ASSIGN_OR_RETURN(state_.opset, DefaultOpset(*model));
  const onnx::GraphProto& graph = model->graph();
  AH_RETURN_IF_ERROR(AddInitializers(graph));
  AH_RETURN_IF_ERROR(AddInput(graph));
  for (const onnx::NodeProto& node : graph.node()) {
    NodeVerdict verdict;
    verdict.node =
        node.name().empty() ? "#" + std::to_string(report.nodes.size()) : Printable(node.name());
    verdict.op = Printable(node.op_type());
    const Status status = AddNode(node, verdict);
    if (!status.ok()) {
      verdict.accepted = false;
      verdict.verdict = status.error().message();
    }
    report.nodes.push_back(std::move(verdict));
    AH_RETURN_IF_ERROR(status);
  }
  AH_ASSIGN_OR_RETURN(std::vector<ValueId> outputs, FindOutputs(graph));
  AH_ASSIGN_OR_RETURN(std::vector<Parameter> parameters, SettleParameters(outputs[0]));
  return Model(std::move(state_.builder).Finish(std::move(outputs)), std::move(parameters),
               std::move(input_), std::move(outputs_));
}

}  // namespace

Result<Model> ImportOnnx(ByteSpan onnx) {
  CheckReport report;
  return Importer().Run(onnx, report);
}

CheckReport CheckOnnx(ByteSpan onnx) {
  CheckReport report;
  const Result<Model> model = Importer().Run(onnx, report);
  if (!model.ok()) report.status = model.error();
  return report;
}

}  // namespace anchorhold::graph
