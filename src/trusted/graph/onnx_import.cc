// ImportOnnx and CheckOnnx: from bytes to a Model, node by node.
#include <set>
#include <utility>

#include "shared/base/limits.h"
#include "trusted/graph/initialise.h"
#include "trusted/graph/model.h"
#include "trusted/graph/names.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/onnx_inline.h"
#include "trusted/graph/onnx_reader.h"
#include "trusted/graph/operators.h"

namespace anchorhold::graph {
namespace {

constexpr std::size_t kValueNameBytesMax = 512;

class Importer final : private BodyImporter {
 public:
  explicit Importer(const ImportOptions& options) : inliner_(state_, *this) {
    state_.options = &options;
  }
  // Fills `report` as far as it comes.
  Result<Model> Run(ByteSpan bytes, CheckReport& report);

 private:
  Status AddInitializers(const onnx::GraphProto& graph);
  Status AddInputs(const onnx::GraphProto& graph);
  Status AddInput(const onnx::ValueInfoProto& input);
  Status AddMissingWeight(const onnx::ValueInfoProto& input);
  Result<ValueType> InputType(const onnx::ValueInfoProto& input);
  Status AddNode(const onnx::NodeProto& node, NodeVerdict& verdict);
  Status Apply(const onnx::NodeProto& node, std::vector<Imported>& outputs);
  Status ImportNode(const onnx::NodeProto& node, std::size_t place) override;
  Status Define(const std::string& name, Imported value) override;
  Status NameOutputs(const onnx::NodeProto& node, std::vector<Imported> outputs);
  Result<ValueId> OutputTensor(const std::string& name);
  Status CheckExampleOutput(const std::string& where, const Imported& value) const;
  Result<std::vector<ValueId>> FindOutputs(const onnx::GraphProto& graph);
  Result<std::vector<Parameter>> SettleParameters(ValueId first_output);
  std::vector<RunningStatistic> TrackedStatistics() const;

  ImportState state_;
  Inliner inliner_;
  std::vector<Port> inputs_;
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

Status CheckNumbersAreUsed(const ImportOptions& options, const onnx::GraphProto& graph) {
  std::set<std::string_view> names;
  for (const onnx::TensorProto& tensor : graph.initializer()) names.insert(tensor.name());
  for (const auto& [name, numbers] : options.numbers) {
    if (names.count(name) == 0) {
      return InvalidInput("numbers are given for " + Quoted(name) +
                          ", which is no initializer of the model");
    }
  }
  return Ok();
}

Status Importer::AddInitializers(const onnx::GraphProto& graph) {
  AH_RETURN_IF_ERROR(CheckNumbersAreUsed(*state_.options, graph));
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    AH_ASSIGN_OR_RETURN(TensorLiteral literal, ReadTensor(tensor));
    const auto other = state_.options->numbers.find(tensor.name());
    if (other != state_.options->numbers.end()) {
      if (!IsReal(literal.element) || other->second.size() != literal.reals.size()) {
        return InvalidInput("the numbers given for " + Quoted(tensor.name()) +
                            " do not have its shape, " + FormatShape(literal.shape));
      }
      literal.reals = other->second;
    }
    Imported value;
    const bool empty = literal.shape == Shape{0};
    if (IsReal(literal.element) && !empty) {
      value.initializer = static_cast<int>(state_.initializers.size());
      Initializer initializer;
      initializer.name = tensor.name();
      initializer.shape = literal.shape;
      initializer.element = literal.element;
      initializer.data = std::move(literal).Share();
      state_.initializers.push_back(std::move(initializer));
    } else if (IsReal(literal.element)) {
      value.empty = true;
      value.unavailable = "reads " + Quoted(tensor.name()) + ", which is empty";
    } else if (literal.shape.size() <= 1 && literal.integers.size() <= kIntegersMax) {
      value.integers = Integers{literal.shape.empty(), {}, literal.element};
      for (const std::int64_t i : literal.integers) value.integers->values.push_back({i, false});
    } else {
      const ElementType element = literal.element;
      Shape shape = literal.shape;
      value.tensor =
          state_.builder.AddConstant(std::move(shape), std::move(literal).Share(), element);
    }
    AH_RETURN_IF_ERROR(Define(tensor.name(), std::move(value)));
  }
  return Ok();
}

std::string Where(const onnx::ValueInfoProto& input) {
  return "the model's input " + Quoted(input.name());
}

bool IsSymbolic(const onnx::TensorShapeProto::Dimension& dim) {
  return !dim.has_dim_value() || dim.dim_value() <= 0;
}

// The type of an input from its declaration. With examples, axis 0 is the example axis whatever its
// size.
Result<ValueType> Importer::InputType(const onnx::ValueInfoProto& input) {
  const ImportOptions& options = *state_.options;
  if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape()) {
    return InvalidInput(Where(input) + " declares no tensor shape");
  }
  const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
  const Result<ElementType> element = ElementOf(tensor.elem_type());
  if (!element.ok()) return element.error().At(Where(input));
  ValueType type{{}, kNoExampleAxis, *element};
  if (options.examples) {
    if (tensor.shape().dim_size() == 0) return InvalidInput(Where(input) + " has no batch axis");
    type.example_axis = 0;
  }
  for (const onnx::TensorShapeProto::Dimension& dim : tensor.shape().dim()) {
    const auto size = options.sizes.find(dim.dim_param());
    if (options.examples && type.shape.empty()) {
      const std::int64_t batch = IsSymbolic(dim) ? 0 : dim.dim_value();
      if (inputs_.empty()) state_.declared_batch = batch;
      if (batch != state_.declared_batch) {
        return Unsupported(Where(input) + " declares another batch size than the first input; " +
                           "give all inputs the same first axis");
      }
      type.shape.push_back(1);
    } else if (!IsSymbolic(dim)) {
      type.shape.push_back(dim.dim_value());
    } else if (!dim.dim_param().empty() && size != options.sizes.end()) {
      type.shape.push_back(size->second);
    } else {
      return Unsupported("axis " + std::to_string(type.shape.size()) + " of " + Where(input) +
                         (dim.dim_param().empty() ? "" : ", " + Quoted(dim.dim_param()) + ",") +
                         " has no fixed size; only the batch axis may vary: export the model with "
                         "a fixed size, or give one (--dim NAME=SIZE)");
    }
  }
  const Result<std::size_t> count = CheckedElementCount(type.shape);
  if (!count.ok()) return count.error().At(Where(input));
  return type;
}

// The shape of one example: the example axis is left out, unless an example has several rows there.
Port PortOf(const std::string& name, const ValueType& type) {
  Port port{name, type.shape, type.element};
  if (type.has_examples() && type.multiplicity() == 1) {
    port.shape.erase(port.shape.begin() + type.example_axis);
  }
  return port;
}

Status Importer::AddInput(const onnx::ValueInfoProto& input) {
  Imported value;
  ValueType type;
  const auto known = state_.options->inputs.find(input.name());
  if (known == state_.options->inputs.end()) {
    AH_ASSIGN_OR_RETURN(type, InputType(input));
  } else {
    type = ValueType{known->second.shape, kNoExampleAxis, known->second.element};
    value.known = &known->second;
    if (type.shape == Shape{0} && !type.is_real()) {  // an empty list of axes, say
      value.integers = Integers{false, {}, type.element};
      return Define(input.name(), std::move(value));
    }
    const Result<std::size_t> count = CheckedElementCount(type.shape);
    if (!count.ok()) return count.error().At(Where(input));
  }
  Port port = PortOf(input.name(), type);
  value.tensor = state_.builder.AddInput(std::move(type), inputs_.size());
  inputs_.push_back(std::move(port));
  return Define(input.name(), std::move(value));
}

// A weight that the file names but does not carry, as exporters write it when told to leave the
// parameters out: a real input of fixed sizes beside inputs with a batch axis.
Status Importer::AddMissingWeight(const onnx::ValueInfoProto& input) {
  Initializer initializer;
  initializer.name = input.name();
  initializer.missing = true;
  for (const auto& dim : input.type().tensor_type().shape().dim()) {
    initializer.shape.push_back(dim.dim_value());
  }
  const Result<std::size_t> count = CheckedElementCount(initializer.shape);
  if (!count.ok()) return count.error().At(Where(input));
  AH_ASSIGN_OR_RETURN(const ValueId id,
                      state_.builder.AddReals(initializer.shape, std::vector<float>(*count)));
  initializer.data = *state_.builder.constant(id);
  Imported value;
  value.initializer = static_cast<int>(state_.initializers.size());
  state_.initializers.push_back(std::move(initializer));
  return Define(input.name(), std::move(value));
}

Status Importer::AddInputs(const onnx::GraphProto& graph) {
  std::vector<const onnx::ValueInfoProto*> inputs;
  bool symbolic_batch = false;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (state_.names.count(input.name()) != 0) continue;  // an initializer's declaration
    const auto& shape = input.type().tensor_type().shape();
    symbolic_batch = symbolic_batch || (shape.dim_size() > 0 && IsSymbolic(shape.dim(0)));
    inputs.push_back(&input);
  }
  for (const onnx::ValueInfoProto* input : inputs) {
    const auto& tensor = input->type().tensor_type();
    bool weight = state_.options->examples && symbolic_batch &&
                  tensor.elem_type() == onnx::TensorProto::FLOAT && tensor.shape().dim_size() > 0;
    for (const auto& dim : tensor.shape().dim()) weight = weight && !IsSymbolic(dim);
    AH_RETURN_IF_ERROR(weight ? AddMissingWeight(*input) : AddInput(*input));
  }
  if (inputs_.empty() && state_.options->examples) return InvalidInput("the model has no input");
  state_.input_count = inputs_.size();
  return Ok();
}

// Whether a rule set the output, or a function or branch passes on what it was given.
bool IsThere(const Imported& value) {
  return value.tensor != kNoValue || value.integers.has_value() || value.initializer >= 0 ||
         value.absent || !value.unavailable.empty();
}

Status Importer::NameOutputs(const onnx::NodeProto& node, std::vector<Imported> outputs) {
  if (node.output_size() == 0 || outputs.empty()) return InvalidInput("has no output");
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    const auto at = static_cast<std::size_t>(i);
    Imported value = at < outputs.size() ? std::move(outputs[at]) : Imported{};
    if (!IsThere(value)) {
      value.unavailable = "reads " + Quoted(node.output(i)) + ", output " + std::to_string(i) +
                          " of a " + node.op_type() + ", which is not supported";
    }
    AH_RETURN_IF_ERROR(Define(node.output(i), std::move(value)));
  }
  return Ok();
}

Status Importer::Apply(const onnx::NodeProto& node, std::vector<Imported>& outputs) {
  if (inliner_.Takes(node)) {
    AH_ASSIGN_OR_RETURN(outputs, inliner_.Run(node));
    return Ok();
  }
  const bool training = node.domain() == kTrainingDomain;
  if (!IsDefaultDomain(node.domain()) && !training) {
    return Unsupported("operators of domain " + Quoted(node.domain()) + " are not supported");
  }
  const OperatorDefinition* definition =
      training ? FindTrainingOperator(node.op_type()) : FindOperator(node.op_type(), state_.opset);
  if (definition == nullptr) {
    return Unsupported(
        "this operator is not supported in this opset; rewrite the model without it");
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
  outputs = context.outputs();
  return Ok();
}

void Describe(const Imported& output, const GraphBuilder& builder, NodeVerdict& verdict) {
  verdict.verdict = "constant";
  if (output.tensor == kNoValue && !output.integers.has_value()) return;
  if (output.integers.has_value()) {
    const std::string size =
        output.integers->scalar ? "scalar" : std::to_string(output.integers->values.size());
    verdict.output = size + " " + ElementName(output.integers->element);
    return;
  }
  const ValueType& type = builder.type(output.tensor);
  verdict.output = FormatType(type);
  if (type.has_examples()) verdict.verdict = "per example";
}

Status Importer::AddNode(const onnx::NodeProto& node, NodeVerdict& verdict) {
  std::vector<Imported> outputs;
  Status status = Apply(node, outputs);
  if (status.ok()) {
    if (!outputs.empty()) Describe(outputs[0], state_.builder, verdict);
    status = NameOutputs(node, std::move(outputs));
  }
  if (status.ok()) return Ok();
  const std::string name = node.name().empty() ? verdict.node : Quoted(node.name());
  return status.error().At("node " + name + " (" + verdict.op + ", opset " +
                           std::to_string(state_.opset) + ")");
}

// A node of a function or of a branch.
Status Importer::ImportNode(const onnx::NodeProto& node, std::size_t place) {
  NodeVerdict verdict;
  verdict.node = "#" + std::to_string(place);
  verdict.op = Printable(node.op_type());
  return AddNode(node, verdict);
}

Status Importer::CheckExampleOutput(const std::string& where, const Imported& value) const {
  if (value.tensor == kNoValue || !state_.builder.type(value.tensor).has_examples()) {
    return PrivacyRefused(where +
                          " does not depend on each example by itself: it has no example "
                          "axis; give the model an output for each example");
  }
  const ValueType& type = state_.builder.type(value.tensor);
  if (type.example_axis == 0 && type.outer == 1) return Ok();
  if (type.example_axis == 0) {
    return Unsupported(where + " of " + FormatType(type) +
                       " has the rows of an example apart from each other; give each example its "
                       "rows together with Reshape and Transpose");
  }
  return Unsupported(where + " of " + FormatType(type) +
                     " has the examples along a later axis; transpose it to the front");
}

// An output of the model as a value of the graph, whatever the file made of it.
Result<ValueId> Importer::OutputTensor(const std::string& name) {
  onnx::NodeProto reader;
  reader.add_input(name);
  NodeContext context(state_, reader);
  AH_RETURN_IF_ERROR(context.Open());
  return context.Tensor(0);
}

Result<std::vector<ValueId>> Importer::FindOutputs(const onnx::GraphProto& graph) {
  std::vector<ValueId> ids;
  for (const onnx::ValueInfoProto& output : graph.output()) {
    const std::string where = "the model's output " + Quoted(output.name());
    const auto found = state_.names.find(output.name());
    if (found == state_.names.end()) return InvalidInput(where + " is no value of the graph");
    const Imported& value = found->second;
    if (!value.unavailable.empty()) return Unsupported(where + " " + value.unavailable);
    if (state_.options->examples) AH_RETURN_IF_ERROR(CheckExampleOutput(where, value));
    AH_ASSIGN_OR_RETURN(const ValueId id, OutputTensor(output.name()));
    ids.push_back(id);
    outputs_.push_back(PortOf(output.name(), state_.builder.type(id)));
  }
  if (ids.empty()) return InvalidInput("the model has no output");
  return ids;
}

// The initializers that the first output, the prediction, depends on are the parameters, in the
// file's order. The others stay as they are, and so does a scalar that a rule has read.
Result<std::vector<Parameter>> Importer::SettleParameters(ValueId first_output) {
  const std::vector<bool> used =
      state_.builder.graph().Ancestors(std::span<const ValueId>(&first_output, 1));
  std::vector<Parameter> parameters;
  for (const Initializer& initializer : state_.initializers) {
    if (initializer.missing && initializer.read_as_constant) {
      return Unsupported("the file has no numbers for " + Quoted(initializer.name) +
                         ", which the model uses as a constant; export it with its weights");
    }
    if (initializer.parameter == kNoValue) continue;
    // PyTorch's exporter stores a number such as 2 once, for a Pow and for a product.
    const bool number = initializer.read_as_constant && initializer.shape.empty();
    if (number || !used[static_cast<std::size_t>(initializer.parameter)]) {
      state_.builder.FreezeParameter(initializer.parameter, initializer.data);
      continue;
    }
    if (initializer.read_as_constant) {
      return Unsupported(
          "initializer " + Quoted(initializer.name) +
          " is used both as a weight and as a constant of the model; store it twice");
    }
    state_.builder.RenumberParameter(initializer.parameter, parameters.size());
    parameters.push_back(
        {initializer.name, initializer.shape, *initializer.data.reals, !initializer.missing});
  }
  return parameters;
}

// With inputs after the model's own, in the order in which nodes named them.
std::vector<RunningStatistic> Importer::TrackedStatistics() const {
  std::vector<RunningStatistic> statistics;
  for (const TrackedStatistic& tracked : state_.statistics) {
    const Initializer& initializer =
        state_.initializers[static_cast<std::size_t>(tracked.initializer)];
    statistics.push_back(
        {initializer.name, initializer.shape, *initializer.data.reals, tracked.updated});
  }
  return statistics;
}

Result<Model> Importer::Run(ByteSpan bytes, CheckReport& report) {
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<onnx::ModelProto> model, ReadOnnx(bytes));
  AH_ASSIGN_OR_RETURN(state_.opset, DefaultOpset(*model));
  AH_RETURN_IF_ERROR(inliner_.Open(*model));
  const onnx::GraphProto& graph = model->graph();
  AH_RETURN_IF_ERROR(AddInitializers(graph));
  AH_RETURN_IF_ERROR(AddInputs(graph));
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
  std::vector<RunningStatistic> statistics = TrackedStatistics();
  std::shared_ptr<const Graph> finished = std::move(state_.builder).Finish(std::move(outputs));
  AH_RETURN_IF_ERROR(InitialiseParameters(*finished, kInitialSeed, parameters));
  Model result(std::move(finished), std::move(parameters), std::move(inputs_), std::move(outputs_));
  result.SetStatistics(std::move(statistics));
  return result;
}

}  // namespace

Result<Model> ImportOnnx(ByteSpan onnx, const ImportOptions& options) {
  CheckReport report;
  return Importer(options).Run(onnx, report);
}

CheckReport CheckOnnx(ByteSpan onnx, const ImportOptions& options) {
  CheckReport report;
  const Result<Model> model = Importer(options).Run(onnx, report);
  if (!model.ok()) report.status = model.error();
  return report;
}

Result<std::vector<DeclaredInput>> DeclaredInputs(ByteSpan onnx) {
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<onnx::ModelProto> model, ReadOnnx(onnx));
  std::set<std::string> initializers;
  for (const auto& tensor : model->graph().initializer()) initializers.insert(tensor.name());
  std::vector<DeclaredInput> declared;
  for (const onnx::ValueInfoProto& input : model->graph().input()) {
    if (initializers.count(input.name()) != 0) continue;
    DeclaredInput out;
    out.name = input.name();
    const Result<ElementType> element = ElementOf(input.type().tensor_type().elem_type());
    if (!element.ok()) return element.error().At(Where(input));
    out.element = *element;
    for (const auto& dim : input.type().tensor_type().shape().dim()) {
      out.shape.push_back(IsSymbolic(dim) ? -1 : dim.dim_value());
      out.names.push_back(IsSymbolic(dim) ? dim.dim_param() : "");
    }
    declared.push_back(std::move(out));
  }
  return declared;
}

}  // namespace anchorhold::graph
