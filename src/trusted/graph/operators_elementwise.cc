// Arithmetic with broadcasting, Clip, and what passes its input on. Shape integers, as exporters
// compute them, are computed with while importing, as far as the result is the same for every batch
// size or has it as a factor.
#include <limits>

#include "trusted/graph/elementwise_inputs.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

// Whether both inputs are known integers and one is computed from shapes.
bool OnShapes(NodeContext& node) {
  const bool shapes = node.IsIntegers(0) || node.IsIntegers(1);
  return shapes && node.IntegersOf(0).ok() && node.IntegersOf(1).ok();
}

Status CombineShapes(NodeContext& node, IntegerOp op) {
  AH_ASSIGN_OR_RETURN(const Integers a, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const Integers b, node.IntegersOf(1));
  AH_ASSIGN_OR_RETURN(Integers out, CombineIntegers(op, a, b));
  node.SetOutput(std::move(out));
  return Ok();
}

template <const Primitive& primitive, IntegerOp op>
Status Arithmetic(NodeContext& node) {
  if (OnShapes(node)) return CombineShapes(node, op);
  AH_ASSIGN_OR_RETURN(const Operands operands, BinaryInputs(node));
  return SetEmitted(node, node.Emit(primitive, {operands.a, operands.b}));
}

// With fmod the remainder has the dividend's sign, else the divisor's. ONNX gives reals the first
// one only; exporters also write the second, as torch.remainder means it.
Status Mod(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t fmod, node.Int("fmod", 0));
  if (OnShapes(node)) return CombineShapes(node, fmod == 0 ? IntegerOp::kMod : IntegerOp::kFmod);
  AH_ASSIGN_OR_RETURN(const Operands operands, BinaryInputs(node));
  const Primitive& primitive = fmod == 0 ? primitives::kFloorMod : primitives::kMod;
  return SetEmitted(node, node.Emit(primitive, {operands.a, operands.b}));
}

Result<ValueId> CastTo(NodeContext& node, ValueId value, ElementType element) {
  if (node.Type(value).element == element) return value;
  return node.Emit(primitives::kCast, {value}, {.element = element});
}

// The exponent of Pow. A single number that the file stores is a literal of the source ("x ** 2"),
// not a weight, and is not trained; a list of one ([3], of generalised-mean pooling) is.
Result<ValueId> Exponent(NodeContext& node) {
  const Shape* initializer = node.InitializerShape(1);
  if (initializer != nullptr && initializer->empty()) return node.ConstantTensor(1);
  return node.Tensor(1);
}

// Base and exponent may be of different types; the result has the base's.
Status Pow(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(Operands operands, BinaryInputs(node, &Exponent));
  const ElementType base = node.Type(operands.a).element;
  const ElementType exponent = node.Type(operands.b).element;
  const bool as_integers = !IsReal(base) && !IsReal(exponent);
  const ElementType common = as_integers || IsReal(base) ? base : exponent;
  AH_ASSIGN_OR_RETURN(operands.a, CastTo(node, operands.a, common));
  AH_ASSIGN_OR_RETURN(operands.b, CastTo(node, operands.b, common));
  AH_ASSIGN_OR_RETURN(const ValueId power, node.Emit(primitives::kPow, {operands.a, operands.b}));
  return SetEmitted(node, CastTo(node, power, base));
}

// All inputs joined, from the first on.
Result<ValueId> Join(NodeContext& node, const Primitive& primitive) {
  AH_ASSIGN_OR_RETURN(ValueId y, node.Tensor(0));
  for (std::size_t i = 1; i < node.input_count(); ++i) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(i));
    AH_ASSIGN_OR_RETURN(y, node.Emit(primitive, {y, x}));
  }
  return y;
}

template <const Primitive& primitive, IntegerOp op>
Status Variadic(NodeContext& node) {
  if (node.input_count() == 2 && OnShapes(node)) return CombineShapes(node, op);
  return SetEmitted(node, Join(node, primitive));
}

Status Mean(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId sum, Join(node, primitives::kAdd));
  const double factor = 1 / static_cast<double>(node.input_count());
  return SetEmitted(node, node.Emit(primitives::kScale, {sum}, {.alpha = factor}));
}

constexpr int kClipReadsInputs = 11;  // the opset since which the bounds are inputs

// A bound of Clip: a number if it is known, else a value.
struct Bound {
  bool given = false;
  std::optional<double> number{};
  ValueId value = kNoValue;
};

Result<Bound> InputBound(NodeContext& node, std::size_t i) {
  Bound bound;
  bound.given = node.Has(i);
  if (!bound.given) return bound;
  if (const auto floats = node.ConstantFloats(i); floats.ok()) {
    if (floats->data->size() != 1) return InvalidInput("a bound of Clip must be a single number");
    bound.number = floats->data->front();
    return bound;
  }
  AH_ASSIGN_OR_RETURN(bound.value, node.Tensor(i));
  return bound;
}

Result<Bound> AttributeBound(NodeContext& node, std::string_view name) {
  Bound bound;
  bound.given = node.HasAttribute(name);
  AH_ASSIGN_OR_RETURN(const float number, node.Float(name, 0));
  bound.number = number;
  return bound;
}

// max(x, low) or min(x, high), for a bound that is not a known real number.
Result<ValueId> Bounded(NodeContext& node, const Primitive& primitive, ValueId x,
                        const Bound& bound) {
  if (!bound.given) return x;
  ValueId other = bound.value;
  if (bound.number.has_value()) {
    AH_ASSIGN_OR_RETURN(other, ScalarConstant(node, *bound.number, node.Type(x).element));
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {x, other}));
  if (node.Type(y) != node.Type(x)) {
    return InvalidInput("a bound of Clip must be a single number, not " +
                        FormatType(node.Type(other)));
  }
  return y;
}

Status Clip(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const bool inputs = node.opset() >= kClipReadsInputs;
  AH_ASSIGN_OR_RETURN(const Bound low, inputs ? InputBound(node, 1) : AttributeBound(node, "min"));
  AH_ASSIGN_OR_RETURN(const Bound high, inputs ? InputBound(node, 2) : AttributeBound(node, "max"));
  const auto known = [](const Bound& b) { return !b.given || b.number.has_value(); };
  if (node.Type(x).is_real() && known(low) && known(high)) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Attributes bounds{.alpha = low.given ? *low.number : -kInfinity,
                            .beta = high.given ? *high.number : kInfinity};
    return SetEmitted(node, node.Emit(primitives::kClip, {x}, bounds));
  }
  AH_ASSIGN_OR_RETURN(const ValueId raised, Bounded(node, primitives::kMax, x, low));
  return SetEmitted(node, Bounded(node, primitives::kMin, raised, high));
}

Status Identity(NodeContext& node) { return node.PassOn(0); }

// 1 or true for every element of x: what an inactive Dropout keeps. Made of x, so that the examples
// lie where they do in x.
Result<ValueId> AllKept(NodeContext& node, ValueId x) {
  const auto equal = static_cast<int>(kernels::CompareOp::kEqual);
  AH_ASSIGN_OR_RETURN(const ValueId same, node.Emit(primitives::kCompare, {x, x}, {.mode = equal}));
  AH_ASSIGN_OR_RETURN(const ValueId yes, ScalarConstant(node, 1, ElementType::kBool));
  const auto either = static_cast<int>(kernels::BitOp::kOr);
  AH_ASSIGN_OR_RETURN(const ValueId mask,
                      node.Emit(primitives::kBitwise, {same, yes}, {.mode = either}));
  return CastTo(node, mask, node.opset() < 10 ? node.Type(x).element : ElementType::kBool);
}

// The identity, in training too (`is_test`, `training_mode`): the clipped and noised gradient
// regularises already, and a model then has one meaning. The ratio is read by nobody.
Status Dropout(NodeContext& node) {
  for (const char* name : {"seed", "ratio", "is_test"}) node.IgnoreAttribute(name);
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  node.SetOutput(x);
  if (!node.WantsOutput(1)) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId mask, AllKept(node, x));
  node.SetOutput(1, mask);
  return Ok();
}

constexpr int kAnyInputs = 1024;

constexpr OperatorDefinition kOperators[] = {
    {"Add", kOpsetMin, kOpsetMax, 2, 2, &Arithmetic<primitives::kAdd, IntegerOp::kAdd>},
    {"Sub", kOpsetMin, kOpsetMax, 2, 2, &Arithmetic<primitives::kSub, IntegerOp::kSub>},
    {"Mul", kOpsetMin, kOpsetMax, 2, 2, &Arithmetic<primitives::kMul, IntegerOp::kMul>},
    {"Div", kOpsetMin, kOpsetMax, 2, 2, &Arithmetic<primitives::kDiv, IntegerOp::kDiv>},
    {"Mod", 10, kOpsetMax, 2, 2, &Mod},
    {"Pow", kOpsetMin, kOpsetMax, 2, 2, &Pow},
    {"Max", kOpsetMin, kOpsetMax, 1, kAnyInputs, &Variadic<primitives::kMax, IntegerOp::kMax>},
    {"Min", kOpsetMin, kOpsetMax, 1, kAnyInputs, &Variadic<primitives::kMin, IntegerOp::kMin>},
    {"Sum", kOpsetMin, kOpsetMax, 1, kAnyInputs, &Variadic<primitives::kAdd, IntegerOp::kAdd>},
    {"Mean", kOpsetMin, kOpsetMax, 1, kAnyInputs, &Mean},
    {"Clip", kOpsetMin, 10, 1, 1, &Clip},
    {"Clip", 11, kOpsetMax, 1, 3, &Clip},
    {"Identity", kOpsetMin, kOpsetMax, 1, 1, &Identity},
    {"Dropout", kOpsetMin, kOpsetMax, 1, 3, &Dropout},
};

}  // namespace

std::span<const OperatorDefinition> ElementwiseOperators() { return kOperators; }

}  // namespace anchorhold::graph
