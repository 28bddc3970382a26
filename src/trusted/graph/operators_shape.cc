// Constant, Shape, Size, ConstantOfShape, Range, EyeLike, NonZero, Cast: what exporters compute
// shapes and constants with. Short lists of integers stay known (integers.h).
#include <algorithm>
#include <cmath>

#include "trusted/graph/node_context.h"
#include "trusted/graph/onnx_reader.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

// Integers that a rule computed: a list if it is short, else a value of the graph.
Status SetIntegers(NodeContext& node, Shape shape, std::vector<std::int64_t> numbers,
                   ElementType element) {
  if (shape.size() <= 1 && numbers.size() <= kIntegersMax) {
    Integers integers{shape.empty(), {}, element};
    for (const std::int64_t number : numbers) integers.values.push_back({number, false});
    node.SetOutput(std::move(integers));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.builder().AddIntegers(std::move(shape), std::move(numbers), element));
  node.SetOutput(y);
  return Ok();
}

Status SetReals(NodeContext& node, Shape shape, std::vector<float> numbers, ElementType element) {
  if (shape == Shape{0}) {
    node.SetEmptyOutput();
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.builder().AddReals(std::move(shape), std::move(numbers), element));
  node.SetOutput(y);
  return Ok();
}

// ---- Constant ----

// Numbers that the file holds; they count for no budget.
Status SetLiteral(NodeContext& node, TensorLiteral literal) {
  const ElementType element = literal.element;
  Shape shape = literal.shape;
  if (!IsReal(element) && shape.size() <= 1 && literal.integers.size() <= kIntegersMax) {
    return SetIntegers(node, std::move(shape), std::move(literal.integers), element);
  }
  if (shape == Shape{0}) {
    node.SetEmptyOutput();
    return Ok();
  }
  node.SetOutput(node.builder().AddConstant(std::move(shape), std::move(literal).Share(), element));
  return Ok();
}

Status Constant(NodeContext& node) {
  if (const onnx::AttributeProto* value = node.Attribute("value")) {
    AH_ASSIGN_OR_RETURN(TensorLiteral literal, ReadTensor(value->t()));
    return SetLiteral(node, std::move(literal));
  }
  TensorLiteral literal;
  if (const onnx::AttributeProto* value = node.Attribute("value_float")) {
    literal.reals = {value->f()};
  } else if (const onnx::AttributeProto* list = node.Attribute("value_floats")) {
    literal.reals.assign(list->floats().begin(), list->floats().end());
    literal.shape = {list->floats_size()};
  } else if (const onnx::AttributeProto* integer = node.Attribute("value_int")) {
    literal.element = ElementType::kInt64;
    literal.integers = {integer->i()};
  } else if (const onnx::AttributeProto* integers = node.Attribute("value_ints")) {
    literal.element = ElementType::kInt64;
    literal.integers.assign(integers->ints().begin(), integers->ints().end());
    literal.shape = {integers->ints_size()};
  } else {
    return Unsupported("a constant that is neither numbers nor a tensor of them");
  }
  return SetLiteral(node, std::move(literal));
}

// ---- Shape, Size ----

// The shape of input 0, of which nothing but the shape is read.
Result<Integers> ShapeOfInput(NodeContext& node) {
  Integers sizes;
  if (node.IsEmpty(0)) {
    sizes.values.push_back({0, false});
    return sizes;
  }
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(0));
    if (!list.scalar)
      sizes.values.push_back({static_cast<std::int64_t>(list.values.size()), false});
    return sizes;
  }
  if (const Shape* shape = node.InitializerShape(0)) {
    for (const std::int64_t size : *shape) sizes.values.push_back({size, false});
    return sizes;
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  for (int k = 0; k < type.rank(); ++k) {
    sizes.values.push_back({type.shape[static_cast<std::size_t>(k)], k == type.example_axis});
  }
  return sizes;
}

Status ShapeOf(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers sizes, ShapeOfInput(node));
  const auto rank = static_cast<std::int64_t>(sizes.values.size());
  AH_ASSIGN_OR_RETURN(const std::int64_t start, node.Int("start", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t end, node.Int("end", rank));
  const auto clamp = [&](std::int64_t k) {
    return std::clamp<std::int64_t>(k < 0 ? k + rank : k, 0, rank);
  };
  Integers shape;
  for (std::int64_t k = clamp(start); k < clamp(end); ++k) {
    shape.values.push_back(sizes.values[static_cast<std::size_t>(k)]);
  }
  node.SetOutput(std::move(shape));
  return Ok();
}

Status Size(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers sizes, ShapeOfInput(node));
  AH_ASSIGN_OR_RETURN(Integers count, ReduceIntegers(IntegerOp::kMul, sizes, false));
  node.SetOutput(std::move(count));
  return Ok();
}

// ---- ConstantOfShape ----

// One number as a value of the graph, from attribute `value`.
Result<TensorLiteral> FillValue(NodeContext& node) {
  TensorLiteral literal;
  literal.reals = {0};
  if (const onnx::AttributeProto* value = node.Attribute("value")) {
    AH_ASSIGN_OR_RETURN(literal, ReadTensor(value->t()));
    if (literal.reals.size() + literal.integers.size() != 1) {
      return InvalidInput("attribute 'value' is not a single number");
    }
  }
  literal.shape.clear();
  return literal;
}

// The batch's size may be one of the sizes: every example then has the same number.
Status ConstantOfShape(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(TensorLiteral literal, FillValue(node));
  AH_ASSIGN_OR_RETURN(const Integers sizes, node.IntegersOf(0));
  ValueType type{{}, kNoExampleAxis, literal.element};
  for (const SymbolicInteger size : sizes.values) {
    if (size.times_batch && type.has_examples()) {
      return PrivacyRefused(
          "the shape has the batch's size twice, so a result would depend on how "
          "many examples there are; use the batch's size in shapes only, once");
    }
    if (size.times_batch) type.example_axis = type.rank();
    type.shape.push_back(size.value);
  }
  if (type.shape == Shape{0}) {
    return type.is_real() ? SetReals(node, {0}, {}, type.element)
                          : SetIntegers(node, {0}, {}, type.element);
  }
  AH_ASSIGN_OR_RETURN(const std::size_t count, CheckedElementCount(type.shape));
  if (!type.is_real() && type.rank() <= 1 && !type.has_examples() && count <= kIntegersMax) {
    return SetIntegers(node, type.shape, std::vector<std::int64_t>(count, literal.integers.front()),
                       type.element);
  }
  const ValueId number = node.builder().AddConstant({}, std::move(literal).Share(), type.element);
  AH_ASSIGN_OR_RETURN(const ValueId y, BroadcastValue(node, number, type));
  node.SetOutput(y);
  return Ok();
}

// ---- Range ----

Status IntegerRange(NodeContext& node, const Integers (&given)[3]) {
  for (const Integers& number : given) {
    if (number.values.size() != 1) return InvalidInput("start, limit and delta are single numbers");
    if (!number.uses_batch()) continue;
    return PrivacyRefused(
        "counts by the batch's size, so a result would depend on how many "
        "examples there are and on their places; use the batch's size in shapes "
        "only");
  }
  const std::int64_t start = given[0].values[0].value;
  const std::int64_t limit = given[1].values[0].value;
  const std::int64_t delta = given[2].values[0].value;
  if (delta == 0) return InvalidInput("a range with step 0");
  const auto bits = [](std::int64_t x) { return static_cast<std::uint64_t>(x); };
  const bool up = delta > 0;
  std::size_t count = 0;
  if (up ? start < limit : start > limit) {
    const std::uint64_t length = up ? bits(limit) - bits(start) : bits(start) - bits(limit);
    const std::uint64_t step = up ? bits(delta) : 0 - bits(delta);
    count = static_cast<std::size_t>((length - 1) / step + 1);
  }
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(count));
  std::vector<std::int64_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<std::int64_t>(bits(start) + i * bits(delta));
  }
  return SetIntegers(node, {static_cast<std::int64_t>(count)}, std::move(numbers),
                     given[0].element);
}

Status RealRange(NodeContext& node) {
  double given[3] = {};
  ElementType element = ElementType::kFloat32;
  for (const std::size_t i : {0U, 1U, 2U}) {
    AH_ASSIGN_OR_RETURN(const NodeContext::Numbers number, node.ConstantNumbers(i));
    if (!number.reals() || number.data.reals->size() != 1) {
      return InvalidInput("start, limit and delta must be single numbers of one type");
    }
    given[i] = static_cast<double>(number.data.reals->front());
    element = number.element;
  }
  const double steps = std::ceil((given[1] - given[0]) / given[2]);
  if (!std::isfinite(steps)) return InvalidInput("a range without an end");
  constexpr double kFar = 1e15;  // over every limit
  const auto count = static_cast<std::size_t>(std::clamp(steps, 0.0, kFar));
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(count));
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<float>(given[0] + static_cast<double>(i) * given[2]);
  }
  return SetReals(node, {static_cast<std::int64_t>(count)}, std::move(numbers), element);
}

Status Range(NodeContext& node) {
  for (const std::size_t i : {0U, 1U, 2U}) {
    if (!node.IntegersOf(i).ok()) return RealRange(node);
  }
  const Integers given[3] = {*node.IntegersOf(0), *node.IntegersOf(1), *node.IntegersOf(2)};
  return IntegerRange(node, given);
}

// ---- EyeLike, NonZero ----

Status EyeLike(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(const std::int64_t diagonal, node.Int("k", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("dtype", 0));
  if (type.rank() != 2) return InvalidInput("an identity matrix like " + FormatType(type));
  if (type.has_examples()) {
    return PrivacyRefused("an identity matrix along the example axis of " + FormatType(type) +
                          " would tell an example its place in the batch; for features, store "
                          "the matrix in the model");
  }
  ElementType element = type.element;
  if (given != 0) {
    AH_ASSIGN_OR_RETURN(element, ElementOf(static_cast<std::int32_t>(given)));
  }
  const std::size_t count = ElementCount(type.shape);
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(count));
  std::vector<std::int64_t> numbers(count, 0);
  for (std::int64_t row = 0; row < type.shape[0]; ++row) {
    // row + diagonal == column
    if (diagonal < -row || diagonal >= type.shape[1] - row) continue;
    numbers[static_cast<std::size_t>(row * type.shape[1] + row + diagonal)] = 1;
  }
  if (!IsReal(element)) return SetIntegers(node, type.shape, std::move(numbers), element);
  return SetReals(node, type.shape, std::vector<float>(numbers.begin(), numbers.end()), element);
}

// Of what is known while importing: elsewhere, the shape of the result would depend on data.
Status NonZero(NodeContext& node) {
  const Result<NodeContext::Numbers> known = node.ConstantNumbers(0);
  if (!known.ok()) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
    const ValueType type = node.Type(x);
    if (!type.has_examples()) return known.error();
    return PrivacyRefused("searches along the example axis of " + FormatType(type) +
                          ", so how much it finds would depend on all examples together; work "
                          "along a feature axis, with Where and a mask");
  }
  const Shape& shape = known->shape;
  const std::size_t count = ElementCount(shape);
  constexpr std::size_t kSearchedMax = 16'384;  // many nodes may search the same constant
  if (count > kSearchedMax) return LimitExceeded("too many numbers to search while importing");
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < count; ++i) {
    const bool zero =
        known->reals() ? (*known->data.reals)[i] == 0 : (*known->data.integers)[i] == 0;
    if (!zero) found.push_back(i);
  }
  if (found.empty() || shape.empty()) return Unsupported("nothing is found, or in a scalar");
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(found.size() * shape.size()));
  std::vector<std::int64_t> places;
  std::size_t inner = count;
  for (const std::int64_t size : shape) {
    inner /= static_cast<std::size_t>(size);
    for (const std::size_t i : found) {
      places.push_back(static_cast<std::int64_t>(i / inner) % size);
    }
  }
  return SetIntegers(
      node, {static_cast<std::int64_t>(shape.size()), static_cast<std::int64_t>(found.size())},
      std::move(places), ElementType::kInt64);
}

// ---- Cast ----

bool HoldsSizes(ElementType element) {
  return element == ElementType::kInt64 || element == ElementType::kInt32 ||
         element == ElementType::kUInt64 || element == ElementType::kUInt32;
}

Status CastIntegers(NodeContext& node, ElementType to) {
  AH_ASSIGN_OR_RETURN(Integers integers, node.IntegersOf(0));
  integers.element = to;
  if (integers.uses_batch() && HoldsSizes(to)) {
    node.SetOutput(std::move(integers));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(std::vector<std::int64_t> numbers, node.ConstantIntegers(0));
  Shape shape;
  if (!integers.scalar) shape.push_back(static_cast<std::int64_t>(numbers.size()));
  if (IsReal(to) && !numbers.empty()) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
    AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kCast, {x}, {.element = to}));
    node.SetOutput(y);
    return Ok();
  }
  if (IsReal(to)) return SetReals(node, std::move(shape), {}, to);
  for (std::int64_t& number : numbers) number = WrapInteger(number, to);
  return SetIntegers(node, std::move(shape), std::move(numbers), to);
}

Status CastTo(NodeContext& node, ElementType to) {
  if (node.IsIntegers(0)) return CastIntegers(node, to);
  if (node.IsEmpty(0)) {
    return IsReal(to) ? SetReals(node, {0}, {}, to) : SetIntegers(node, {0}, {}, to);
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  if (node.Type(x).element == to) return node.PassOn(0);
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kCast, {x}, {.element = to}));
  node.SetOutput(y);
  return Ok();
}

Status Cast(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("to", 0));
  node.IgnoreAttribute("saturate");  // these two concern 8-bit floats only
  node.IgnoreAttribute("round_mode");
  AH_ASSIGN_OR_RETURN(const ElementType to, ElementOf(static_cast<std::int32_t>(given)));
  return CastTo(node, to);
}

// To the type of input 1, of which nothing else is read.
Status CastLike(NodeContext& node) {
  node.IgnoreAttribute("saturate");
  node.IgnoreAttribute("round_mode");
  if (node.IsIntegers(1)) {
    AH_ASSIGN_OR_RETURN(const Integers like, node.IntegersOf(1));
    return CastTo(node, like.element);
  }
  AH_ASSIGN_OR_RETURN(const ValueId like, node.Tensor(1));
  return CastTo(node, node.Type(like).element);
}

constexpr OperatorDefinition kOperators[] = {
    {"Constant", kOpsetMin, kOpsetMax, 0, 0, &Constant},
    {"Shape", kOpsetMin, kOpsetMax, 1, 1, &ShapeOf},
    {"Size", kOpsetMin, kOpsetMax, 1, 1, &Size},
    {"ConstantOfShape", kOpsetMin, kOpsetMax, 1, 1, &ConstantOfShape},
    {"Range", kOpsetMin, kOpsetMax, 3, 3, &Range},
    {"EyeLike", kOpsetMin, kOpsetMax, 1, 1, &EyeLike},
    {"NonZero", kOpsetMin, kOpsetMax, 1, 1, &NonZero},
    {"Cast", kOpsetMin, kOpsetMax, 1, 1, &Cast},
    {"CastLike", kOpsetMin, kOpsetMax, 2, 2, &CastLike},
};

}  // namespace

std::span<const OperatorDefinition> ShapeOperators() { return kOperators; }

}  // namespace anchorhold::graph
