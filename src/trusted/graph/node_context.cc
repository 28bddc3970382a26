#include "trusted/graph/node_context.h"

#include "trusted/graph/names.h"

namespace anchorhold::graph {
namespace {

constexpr const char* kBatchSize =
    "the batch's size is used as a number, so a result would depend on how many examples there "
    "are; use the batch's size in shapes only";

Error WrongAttribute(std::string_view name, const char* type) {
  return InvalidInput("attribute " + Quoted(std::string(name)) + " is not " + type);
}

}  // namespace

Status NodeContext::Open() {
  for (const onnx::AttributeProto& attribute : node_.attribute()) {
    AH_ASSIGN_OR_RETURN(const onnx::AttributeProto* meant,
                        ResolveAttribute(state_.function_attributes, attribute));
    if (meant == nullptr) continue;
    if (!attributes_.emplace(attribute.name(), meant).second) {
      return InvalidInput("attribute " + Quoted(attribute.name()) + " is given twice");
    }
  }
  for (const std::string& name : node_.input()) {
    if (name.empty()) continue;
    const auto found = state_.names.find(name);
    if (found == state_.names.end()) {
      return InvalidInput("reads " + Quoted(name) +
                          ", which is no input, initializer or output of an earlier node (nodes "
                          "must be listed in execution order, without cycles)");
    }
    if (!found->second.unavailable.empty() && !found->second.empty) {
      return Unsupported(found->second.unavailable);
    }
  }
  return Ok();
}

Result<const onnx::AttributeProto*> ResolveAttribute(const FunctionAttributes* of_call,
                                                     const onnx::AttributeProto& attribute) {
  if (attribute.ref_attr_name().empty()) return &attribute;
  if (of_call == nullptr) {
    return InvalidInput("attribute " + Quoted(attribute.name()) +
                        " refers to a function's, outside any function");
  }
  const auto found = of_call->find(attribute.ref_attr_name());
  return found == of_call->end() ? nullptr : found->second;
}

Status NodeContext::Close() const {
  for (const auto& [name, attribute] : attributes_) {
    if (read_.count(name) == 0) {
      return Unsupported("attribute " + Quoted(name) + " is not supported");
    }
  }
  return Ok();
}

std::size_t NodeContext::output_count() const {
  int count = node_.output_size();
  while (count > 0 && node_.output(count - 1).empty()) --count;
  return static_cast<std::size_t>(count);
}

bool NodeContext::Has(std::size_t i) const {
  if (i >= input_count() || node_.input(static_cast<int>(i)).empty()) return false;
  return !state_.names.find(node_.input(static_cast<int>(i)))->second.absent;  // Open found it
}

Result<const Imported*> NodeContext::Input(std::size_t i) const {
  if (!Has(i)) return InvalidInput("input " + std::to_string(i) + " is missing");
  const Imported& input = state_.names.find(node_.input(static_cast<int>(i)))->second;
  if (input.empty) return Unsupported(input.unavailable);
  return &input;
}

bool NodeContext::IsEmpty(std::size_t i) const {
  if (!Has(i)) return false;
  const Imported& input = state_.names.find(node_.input(static_cast<int>(i)))->second;
  return input.empty || (input.integers.has_value() && input.integers->values.empty());
}

bool NodeContext::IsIntegers(std::size_t i) const {
  const Result<const Imported*> input = Input(i);
  return input.ok() && (*input)->integers.has_value();
}

Result<ValueId> NodeContext::Tensor(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (input->integers.has_value()) {
    const Integers& integers = *input->integers;
    AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> values, ConstantIntegers(i));
    Shape shape;
    if (!integers.scalar) shape.push_back(static_cast<std::int64_t>(values.size()));
    return builder().AddIntegers(std::move(shape), std::move(values), integers.element);
  }
  if (input->initializer < 0) return input->tensor;
  Initializer& initializer = state_.initializers[static_cast<std::size_t>(input->initializer)];
  if (initializer.parameter == kNoValue) {
    initializer.parameter = state_.builder.AddParameter(
        initializer.shape, static_cast<std::size_t>(input->initializer), initializer.element);
  }
  return initializer.parameter;
}

Result<ValueId> NodeContext::ConstantTensor(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (input->initializer < 0) return Tensor(i);
  Initializer& initializer = state_.initializers[static_cast<std::size_t>(input->initializer)];
  initializer.read_as_constant = true;
  return builder().AddConstant(initializer.shape, initializer.data, initializer.element);
}

const Shape* NodeContext::InitializerShape(std::size_t i) const {
  const Result<const Imported*> input = Input(i);
  if (!input.ok() || (*input)->initializer < 0) return nullptr;
  return &state_.initializers[static_cast<std::size_t>((*input)->initializer)].shape;
}

Result<ValueId> NodeContext::StatisticInput(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (!state_.options->track_statistics || input->initializer < 0) return ConstantTensor(i);
  for (const TrackedStatistic& statistic : state_.statistics) {
    if (statistic.initializer != input->initializer) continue;
    return Unsupported("two nodes keep the same running statistic");
  }
  const Initializer& initializer =
      state_.initializers[static_cast<std::size_t>(input->initializer)];
  const ValueType type{initializer.shape, kNoExampleAxis, initializer.element};
  const ValueId id = builder().AddInput(type, state_.input_count + state_.statistics.size());
  state_.statistics.push_back({input->initializer, id, kNoValue});
  return id;
}

Status NodeContext::TrackStatistic(ValueId statistic, ValueId updated) {
  for (TrackedStatistic& tracked : state_.statistics) {
    if (tracked.input != statistic) continue;
    if (Type(statistic) != Type(updated)) return InternalError("a statistic changes its type");
    tracked.updated = updated;
  }
  return Ok();
}

Result<Integers> NodeContext::IntegersOf(std::size_t i) const {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (input->integers.has_value()) return *input->integers;
  const ConstantData* data = nullptr;
  Integers integers;
  Shape shape;
  if (input->known != nullptr) {
    data = &input->known->data;
    shape = input->known->shape;
    integers.element = input->known->element;
  } else if (input->tensor != kNoValue) {
    data = state_.builder.constant(input->tensor);
    shape = Type(input->tensor).shape;
    integers.element = Type(input->tensor).element;
  }
  if (data == nullptr || data->integers == nullptr || shape.size() > 1 ||
      data->integers->size() > kIntegersMax) {
    return Unsupported("input " + std::to_string(i) +
                       " must be integers that are known when the model is read: a constant, or "
                       "computed from shapes");
  }
  integers.scalar = shape.empty();
  for (const std::int64_t value : *data->integers) integers.values.push_back({value, false});
  return integers;
}

Result<std::vector<std::int64_t>> NodeContext::ConstantIntegers(std::size_t i) const {
  AH_ASSIGN_OR_RETURN(const Integers integers, IntegersOf(i));
  if (integers.uses_batch()) return PrivacyRefused(kBatchSize);
  std::vector<std::int64_t> values;
  for (const SymbolicInteger& integer : integers.values) values.push_back(integer.value);
  return values;
}

Result<std::int64_t> NodeContext::ConstantInteger(std::size_t i) const {
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> values, ConstantIntegers(i));
  if (values.size() != 1) {
    return InvalidInput("input " + std::to_string(i) + " must be a single integer");
  }
  return values[0];
}

Result<NodeContext::Floats> NodeContext::ConstantFloats(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (input->initializer >= 0) {
    Initializer& initializer = state_.initializers[static_cast<std::size_t>(input->initializer)];
    initializer.read_as_constant = true;
    return Floats{initializer.shape, initializer.data.reals};
  }
  if (input->known != nullptr && input->known->data.reals != nullptr) {
    return Floats{input->known->shape, input->known->data.reals};
  }
  if (input->tensor != kNoValue) {
    const ConstantData* data = state_.builder.constant(input->tensor);
    if (data != nullptr && data->reals != nullptr) {
      return Floats{Type(input->tensor).shape, data->reals};
    }
  }
  return Unsupported("input " + std::to_string(i) +
                     " must be real numbers that are known when the model is read: a constant");
}

Result<NodeContext::Numbers> NodeContext::ConstantNumbers(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (input->integers.has_value()) {
    AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> values, ConstantIntegers(i));
    Numbers numbers{{}, input->integers->element, {}};
    if (!input->integers->scalar) numbers.shape = {static_cast<std::int64_t>(values.size())};
    numbers.data.integers = std::make_shared<const std::vector<std::int64_t>>(std::move(values));
    return numbers;
  }
  if (input->initializer >= 0) {
    Initializer& initializer = state_.initializers[static_cast<std::size_t>(input->initializer)];
    initializer.read_as_constant = true;
    return Numbers{initializer.shape, initializer.element, initializer.data};
  }
  Numbers numbers;
  if (input->known != nullptr) {
    numbers = {input->known->shape, input->known->element, input->known->data};
  } else if (input->tensor != kNoValue && builder().constant(input->tensor) != nullptr) {
    const ValueType type = Type(input->tensor);
    numbers = {type.shape, type.element, *builder().constant(input->tensor)};
  }
  const bool there =
      numbers.reals() ? numbers.data.reals != nullptr : numbers.data.integers != nullptr;
  if (there) return numbers;
  return Unsupported("input " + std::to_string(i) +
                     " must be numbers that are known when the model is read: a constant");
}

void NodeContext::SetOutput(std::size_t i, ValueId tensor) {
  if (outputs_.size() <= i) outputs_.resize(i + 1);
  outputs_[i].tensor = tensor;
}

Status NodeContext::PassOn(std::size_t i) {
  AH_ASSIGN_OR_RETURN(const Imported* input, Input(i));
  if (outputs_.empty()) outputs_.resize(1);
  outputs_[0] = *input;
  if (op() != "Identity" || input->initializer < 0) return Ok();
  // PyTorch's exporter stores equal weights once and names the others by an Identity, running
  // statistics and biases that are all zero included. Each is again a weight of its own.
  Initializer copy = state_.initializers[static_cast<std::size_t>(input->initializer)];
  state_.copied += ElementCount(copy.shape);
  AH_RETURN_IF_ERROR(builder().CheckComputed(state_.copied));
  copy.name = OutputName(0);
  copy.parameter = kNoValue;
  copy.read_as_constant = false;
  outputs_[0].initializer = static_cast<int>(state_.initializers.size());
  state_.initializers.push_back(std::move(copy));
  return Ok();
}

void NodeContext::SetEmptyOutput() {
  if (outputs_.empty()) outputs_.resize(1);
  outputs_[0].empty = true;
  outputs_[0].unavailable = "reads a constant that is empty";
}

void NodeContext::SetOutput(std::size_t i, Integers integers) {
  if (outputs_.size() <= i) outputs_.resize(i + 1);
  outputs_[i].integers = std::move(integers);
}

const onnx::AttributeProto* NodeContext::Attribute(std::string_view name) {
  const auto found = attributes_.find(name);
  if (found == attributes_.end()) return nullptr;
  read_.emplace(name);
  return found->second;
}

void NodeContext::IgnoreAttributes() {
  for (const auto& [name, attribute] : attributes_) read_.emplace(name);
}

Result<std::int64_t> NodeContext::Int(std::string_view name, std::int64_t absent) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return absent;
  if (attribute->type() != onnx::AttributeProto::INT) return WrongAttribute(name, "an integer");
  return attribute->i();
}

Result<float> NodeContext::Float(std::string_view name, float absent) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return absent;
  if (attribute->type() != onnx::AttributeProto::FLOAT) return WrongAttribute(name, "a number");
  return attribute->f();
}

Result<std::vector<std::int64_t>> NodeContext::Ints(std::string_view name) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return std::vector<std::int64_t>{};
  if (attribute->type() != onnx::AttributeProto::INTS) {
    return WrongAttribute(name, "a list of integers");
  }
  return std::vector<std::int64_t>(attribute->ints().begin(), attribute->ints().end());
}

Result<std::vector<float>> NodeContext::Floats32(std::string_view name) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return std::vector<float>{};
  if (attribute->type() != onnx::AttributeProto::FLOATS) {
    return WrongAttribute(name, "a list of numbers");
  }
  return std::vector<float>(attribute->floats().begin(), attribute->floats().end());
}

Result<std::string> NodeContext::Text(std::string_view name, std::string_view absent) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return std::string(absent);
  if (attribute->type() != onnx::AttributeProto::STRING) return WrongAttribute(name, "a text");
  return attribute->s();
}

Result<std::vector<std::string>> NodeContext::Texts(std::string_view name) {
  const onnx::AttributeProto* attribute = Attribute(name);
  if (attribute == nullptr) return std::vector<std::string>{};
  if (attribute->type() != onnx::AttributeProto::STRINGS) {
    return WrongAttribute(name, "a list of texts");
  }
  return std::vector<std::string>(attribute->strings().begin(), attribute->strings().end());
}

}  // namespace anchorhold::graph
