#include "trusted/graph/onnx_inline.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

#include "trusted/graph/names.h"
#include "trusted/graph/onnx_reader.h"

namespace anchorhold::graph {
namespace {

constexpr int kNestingMax = 32;  // calls and branches within one another

// Operators on graphs and sequences, which are not run.
struct Refusal {
  std::string_view op;
  const char* why;
};
constexpr const char* kLoop =
    "loops are not supported, since their number of steps may depend on the examples; export the "
    "model with the loop unrolled, or use LSTM, GRU or RNN";
constexpr const char* kSequence =
    "sequences and optional values are not supported, only tensors; export the model without "
    "lists, with Concat and Split for example";
constexpr Refusal kRefusals[] = {
    {"Loop", kLoop},
    {"Scan", kLoop},
    {"SequenceAt", kSequence},
    {"SequenceConstruct", kSequence},
    {"SequenceEmpty", kSequence},
    {"SequenceErase", kSequence},
    {"SequenceInsert", kSequence},
    {"SequenceLength", kSequence},
    {"SequenceMap", kSequence},
    {"SplitToSequence", kSequence},
    {"ConcatFromSequence", kSequence},
    {"Optional", kSequence},
    {"OptionalGetElement", kSequence},
    {"OptionalHasElement", kSequence},
};

const Refusal* FindRefusal(const std::string& op) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.op == op) return &refusal;
  }
  return nullptr;
}

// The defaults of a function's attributes, field 11 since IR version 9, which the schema that this
// is built with does not know. The reader has walked these bytes.
Status ReadDefaults(const onnx::FunctionProto& function,
                    std::vector<onnx::AttributeProto>& defaults) {
  constexpr std::uint32_t kTag = (11U << 3) | 2U;
  const std::string& unknown = function.unknown_fields();
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(unknown.data()),
                                            static_cast<int>(unknown.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    std::uint64_t number = 0;
    std::uint32_t number32 = 0;
    std::string bytes;
    std::uint32_t length = 0;
    const std::uint32_t wire = tag & 7U;
    const bool ok =
        wire == 0   ? in.ReadVarint64(&number)
        : wire == 1 ? in.ReadLittleEndian64(&number)
        : wire == 5 ? in.ReadLittleEndian32(&number32)
        : wire == 2 ? in.ReadVarint32(&length) && in.ReadString(&bytes, static_cast<int>(length))
                    : false;
    if (!ok) return InvalidInput("a function is damaged");
    if (tag != kTag) continue;
    if (!defaults.emplace_back().ParseFromString(bytes)) {
      return InvalidInput("a function's attribute is damaged");
    }
  }
  return Ok();
}

// What a tensor written in a branch stands for. Its numbers are not trained.
Result<Imported> ConstantOf(GraphBuilder& builder, const onnx::TensorProto& tensor) {
  AH_ASSIGN_OR_RETURN(TensorLiteral literal, ReadTensor(tensor));
  Imported value;
  const ElementType element = literal.element;
  if (IsReal(element) && literal.shape == Shape{0}) {
    value.empty = true;
    value.unavailable = "reads " + Quoted(tensor.name()) + ", which is empty";
  } else if (!IsReal(element) && literal.shape.size() <= 1 &&
             literal.integers.size() <= kIntegersMax) {
    value.integers = Integers{literal.shape.empty(), {}, element};
    for (const std::int64_t i : literal.integers) value.integers->values.push_back({i, false});
  } else {
    Shape shape = literal.shape;
    value.tensor = builder.AddConstant(std::move(shape), std::move(literal).Share(), element);
  }
  return value;
}

// Whether the first branch is taken.
Result<bool> Condition(NodeContext& node) {
  const Result<std::int64_t> known = node.ConstantInteger(0);
  if (known.ok()) return *known != 0;
  if (known.error().code() == ErrorCode::kPrivacyRefused) return known.error();
  const Result<ValueId> tensor = node.Tensor(0);
  if (tensor.ok() && node.Type(*tensor).has_examples()) {
    return PrivacyRefused("the condition, of " + FormatType(node.Type(*tensor)) +
                          ", depends on the examples, and decides for all of them together; "
                          "compute both sides and choose with Where");
  }
  return Unsupported(
      "the condition is not known when the model is read; export the model with the "
      "branch that is meant, or compute both sides and choose with Where");
}

}  // namespace

Status Inliner::Open(const onnx::ModelProto& model) {
  nodes_left_ -= std::min(nodes_left_, static_cast<std::size_t>(model.graph().node_size()));
  for (const onnx::FunctionProto& proto : model.functions()) {
    const Status status = AddFunction(proto);
    if (!status.ok()) return status.error().At("function " + Quoted(proto.name()));
  }
  return Ok();
}

Status Inliner::AddFunction(const onnx::FunctionProto& proto) {
  if (IsDefaultDomain(proto.domain())) {
    return Unsupported("it is in the domain of ONNX's own operators; give it another domain");
  }
  Function function{&proto};
  bool imports = false;
  for (const onnx::OperatorSetIdProto& entry : proto.opset_import()) {
    imports = imports || IsDefaultDomain(entry.domain());
  }
  if (imports) {
    AH_ASSIGN_OR_RETURN(function.opset, DefaultOpset(proto.opset_import()));
  }
  AH_RETURN_IF_ERROR(ReadDefaults(proto, function.defaults));
  if (!functions_.emplace(std::pair(proto.domain(), proto.name()), std::move(function)).second) {
    return InvalidInput("it is defined twice");
  }
  return Ok();
}

bool Inliner::Takes(const onnx::NodeProto& node) const {
  if (!IsDefaultDomain(node.domain())) {
    return functions_.count({node.domain(), node.op_type()}) != 0;
  }
  return node.op_type() == "If" || FindRefusal(node.op_type()) != nullptr;
}

Result<std::vector<Imported>> Inliner::Run(const onnx::NodeProto& node) {
  if (IsDefaultDomain(node.domain())) {
    const Refusal* refusal = FindRefusal(node.op_type());
    if (refusal != nullptr) return Unsupported(refusal->why);
  }
  if (depth_ >= kNestingMax) {
    return LimitExceeded("functions and branches are nested deeper than " +
                         std::to_string(kNestingMax));
  }
  const auto found = functions_.find({node.domain(), node.op_type()});
  ++depth_;
  Result<std::vector<Imported>> outputs =
      found == functions_.end() ? Branch(node) : Call(found->second, node);
  --depth_;
  return outputs;
}

Status Inliner::ChargeBytes(std::size_t bytes) {
  if (bytes > bytes_left_) {
    return LimitExceeded(
        "the calls of functions are too large together; call them less often, or "
        "keep large constants outside them");
  }
  bytes_left_ -= bytes;
  return Ok();
}

Status Inliner::Charge(const onnx::NodeProto& node) {
  if (nodes_left_ == 0) {
    return LimitExceeded("the model has more than " + std::to_string(limits::kGraphNodesMax) +
                         " nodes, those of functions counted at each call");
  }
  --nodes_left_;
  return call_depth_ == 0 ? Ok() : ChargeBytes(node.ByteSizeLong());
}

Status Inliner::ImportNodes(const Nodes& nodes) {
  std::size_t place = 0;
  for (const onnx::NodeProto& node : nodes) {
    AH_RETURN_IF_ERROR(Charge(node));
    AH_RETURN_IF_ERROR(importer_.ImportNode(node, place++));
  }
  return Ok();
}

Result<Imported> Inliner::Find(const std::string& name) const {
  const auto found = state_.names.find(name);
  if (found != state_.names.end()) return found->second;
  return InvalidInput(Quoted(name) + " is no value that is known here");
}

Result<FunctionAttributes> Inliner::BindAttributes(const Function& function,
                                                   const onnx::NodeProto& node) {
  const Names& declared = function.proto->attribute();
  FunctionAttributes bound;
  for (const onnx::AttributeProto& attribute : function.defaults) {
    bound[attribute.name()] = &attribute;
  }
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (bound.count(attribute.name()) == 0 &&
        std::find(declared.begin(), declared.end(), attribute.name()) == declared.end()) {
      return InvalidInput("the function has no attribute " + Quoted(attribute.name()));
    }
    AH_ASSIGN_OR_RETURN(const onnx::AttributeProto* given,
                        ResolveAttribute(state_.function_attributes, attribute));
    if (given != nullptr) bound[attribute.name()] = given;
  }
  return bound;
}

// What the call gives, in the order of the function's inputs.
Result<std::vector<Imported>> Inliner::BindInputs(const Function& function,
                                                  const onnx::NodeProto& node) {
  const int count = function.proto->input_size();
  if (node.input_size() > count) {
    return InvalidInput("gives " + std::to_string(node.input_size()) + " inputs to a function of " +
                        std::to_string(count));
  }
  std::vector<Imported> inputs(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    Imported& input = inputs[static_cast<std::size_t>(i)];
    if (i >= node.input_size() || node.input(i).empty()) {
      input.absent = true;
      continue;
    }
    AH_ASSIGN_OR_RETURN(input, Find(node.input(i)));
    if (input.integers.has_value()) {
      AH_RETURN_IF_ERROR(ChargeBytes(input.integers->values.size() * sizeof(SymbolicInteger)));
    }
  }
  return inputs;
}

Result<std::vector<Imported>> Inliner::RunBody(const onnx::FunctionProto& function,
                                               std::vector<Imported> inputs, std::size_t outputs) {
  for (int i = 0; i < function.input_size(); ++i) {
    AH_RETURN_IF_ERROR(
        importer_.Define(function.input(i), std::move(inputs[static_cast<std::size_t>(i)])));
  }
  AH_RETURN_IF_ERROR(ImportNodes(function.node()));
  std::vector<Imported> values;
  for (const std::string& name : function.output()) {
    if (values.size() == outputs) break;
    AH_ASSIGN_OR_RETURN(Imported value, Find(name));
    values.push_back(std::move(value));
  }
  return values;
}

Result<std::vector<Imported>> Inliner::Call(Function& function, const onnx::NodeProto& node) {
  if (function.running) return InvalidInput("the function calls itself");
  // What the call gives counts once more, as what is bound to it does.
  AH_RETURN_IF_ERROR(
      ChargeBytes(sizeof(Imported) * static_cast<std::size_t>(function.proto->input_size())));
  AH_ASSIGN_OR_RETURN(const FunctionAttributes attributes, BindAttributes(function, node));
  AH_ASSIGN_OR_RETURN(std::vector<Imported> inputs, BindInputs(function, node));
  std::map<std::string, Imported, std::less<>> outer_names;
  std::swap(state_.names, outer_names);
  const FunctionAttributes* outer_attributes = state_.function_attributes;
  const int outer_opset = state_.opset;
  state_.function_attributes = &attributes;
  state_.opset = function.opset;
  function.running = true;
  ++call_depth_;
  Result<std::vector<Imported>> outputs =
      RunBody(*function.proto, std::move(inputs), static_cast<std::size_t>(node.output_size()));
  --call_depth_;
  function.running = false;
  state_.opset = outer_opset;
  state_.function_attributes = outer_attributes;
  std::swap(state_.names, outer_names);
  return outputs;
}

Status Inliner::AddConstants(const onnx::GraphProto& graph) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    AH_ASSIGN_OR_RETURN(Imported value, ConstantOf(state_.builder, tensor));
    AH_RETURN_IF_ERROR(importer_.Define(tensor.name(), std::move(value)));
  }
  return Ok();
}

// The branch's own names end with it; Define has made sure that they hide none around it.
Result<std::vector<Imported>> Inliner::RunBranch(const onnx::GraphProto& graph,
                                                 std::size_t outputs) {
  AH_RETURN_IF_ERROR(AddConstants(graph));
  AH_RETURN_IF_ERROR(ImportNodes(graph.node()));
  std::vector<Imported> values;
  for (const onnx::ValueInfoProto& output : graph.output()) {
    if (values.size() == outputs) break;
    AH_ASSIGN_OR_RETURN(Imported value, Find(output.name()));
    values.push_back(std::move(value));
  }
  for (const onnx::TensorProto& tensor : graph.initializer()) state_.names.erase(tensor.name());
  for (const onnx::NodeProto& node : graph.node()) {
    for (const std::string& name : node.output()) state_.names.erase(name);
  }
  return values;
}

Result<std::vector<Imported>> Inliner::Branch(const onnx::NodeProto& node) {
  NodeContext context(state_, node);
  AH_RETURN_IF_ERROR(context.Open());
  if (node.input_size() != 1) return InvalidInput("If takes one input, its condition");
  AH_ASSIGN_OR_RETURN(const bool first, Condition(context));
  const onnx::AttributeProto* branch = context.Attribute(first ? "then_branch" : "else_branch");
  context.IgnoreAttribute(first ? "else_branch" : "then_branch");
  AH_RETURN_IF_ERROR(context.Close());
  if (branch == nullptr || !branch->has_g() || branch->g().input_size() != 0) {
    return InvalidInput("the branch that is taken is no graph without inputs");
  }
  return RunBranch(branch->g(), static_cast<std::size_t>(node.output_size()));
}

}  // namespace anchorhold::graph
