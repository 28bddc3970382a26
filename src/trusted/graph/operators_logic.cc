// Comparisons, truth values, bits, Where. What exporters ask of shapes (is this axis 1, which size
// to take) is decided while importing, if it is decided for every batch size.
//   Greater(a, b) = Less(b, a)      Not x = x xor true      IsNaN x = not (x = x)
//   IsInf x = (x = +inf) or (x = -inf), each if it is to be detected
#include <limits>

#include "trusted/graph/elementwise_inputs.h"
#include "trusted/graph/emitter.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

using kernels::BitOp;
using kernels::CompareOp;

Attributes Mode(CompareOp op) { return {.mode = static_cast<int>(op)}; }
Attributes Mode(BitOp op) { return {.mode = static_cast<int>(op)}; }

// Whether the first `count` inputs are known integers and one is computed from shapes.
bool OnShapes(NodeContext& node, std::size_t count) {
  bool shapes = false;
  bool known = true;
  for (std::size_t i = 0; i < count; ++i) {
    shapes = shapes || node.IsIntegers(i);
    known = known && node.IntegersOf(i).ok();
  }
  return shapes && known;
}

Status CompareShapes(NodeContext& node, IntegerComparison op) {
  AH_ASSIGN_OR_RETURN(const Integers a, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const Integers b, node.IntegersOf(1));
  AH_ASSIGN_OR_RETURN(Integers out, CompareIntegers(op, a, b));
  node.SetOutput(std::move(out));
  return Ok();
}

// `swapped`: op(b, a).
template <CompareOp op, bool swapped, IntegerComparison on_shapes>
Status Compare(NodeContext& node) {
  if (OnShapes(node, 2)) return CompareShapes(node, on_shapes);
  AH_ASSIGN_OR_RETURN(Operands operands, BinaryInputs(node));
  if (swapped) std::swap(operands.a, operands.b);
  return SetEmitted(node, node.Emit(primitives::kCompare, {operands.a, operands.b}, Mode(op)));
}

Status RequireBool(const NodeContext& node, ValueId x) {
  const ValueType type = node.Type(x);
  if (type.element == ElementType::kBool) return Ok();
  return InvalidInput("needs truth values, not " + FormatType(type));
}

template <BitOp op, IntegerOp on_shapes>
Status Logical(NodeContext& node) {
  if (OnShapes(node, 2)) {
    AH_ASSIGN_OR_RETURN(const Integers a, node.IntegersOf(0));
    AH_ASSIGN_OR_RETURN(const Integers b, node.IntegersOf(1));
    AH_ASSIGN_OR_RETURN(Integers out, CombineIntegers(on_shapes, a, b));
    node.SetOutput(std::move(out));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const Operands operands, BinaryInputs(node));
  AH_RETURN_IF_ERROR(RequireBool(node, operands.a));
  AH_RETURN_IF_ERROR(RequireBool(node, operands.b));
  return SetEmitted(node, node.Emit(primitives::kBitwise, {operands.a, operands.b}, Mode(op)));
}

Result<ValueId> NotOf(NodeContext& node, ValueId x) {
  AH_RETURN_IF_ERROR(RequireBool(node, x));
  AH_ASSIGN_OR_RETURN(const ValueId one, ScalarConstant(node, 1, ElementType::kBool));
  return node.Emit(primitives::kBitwise, {x, one}, Mode(BitOp::kXor));
}

Status Not(NodeContext& node) {
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(const Integers x, node.IntegersOf(0));
    AH_ASSIGN_OR_RETURN(Integers y, ApplyToIntegers(IntegerFunction::kNot, x));
    node.SetOutput(std::move(y));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  return SetEmitted(node, NotOf(node, x));
}

template <BitOp op>
Status Bitwise(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Operands operands, BinaryInputs(node));
  return SetEmitted(node, node.Emit(primitives::kBitwise, {operands.a, operands.b}, Mode(op)));
}

// x xor (all ones of the type's width).
Status BitwiseNot(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ElementType element = node.Type(x).element;
  std::vector<std::int64_t> ones = {WrapInteger(-1, element)};
  AH_ASSIGN_OR_RETURN(const ValueId mask, node.builder().AddIntegers({}, std::move(ones), element));
  return SetEmitted(node, node.Emit(primitives::kBitwise, {x, mask}, Mode(BitOp::kXor)));
}

Status BitShift(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::string direction, node.Text("direction", ""));
  if (direction == "LEFT") return Bitwise<BitOp::kShiftLeft>(node);
  if (direction == "RIGHT") return Bitwise<BitOp::kShiftRight>(node);
  return InvalidInput("direction is neither \"LEFT\" nor \"RIGHT\"");
}

Status IsNaN(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId number,
                      node.Emit(primitives::kCompare, {x, x}, Mode(CompareOp::kEqual)));
  return SetEmitted(node, NotOf(node, number));
}

Status IsInf(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t positive, node.Int("detect_positive", 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t negative, node.Int("detect_negative", 1));
  const ElementType element = node.Type(x).element;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!IsReal(element)) return InvalidInput("needs real numbers, not " + FormatType(node.Type(x)));
  // An infinity that is not asked for is replaced by NaN, which equals nothing.
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  AH_ASSIGN_OR_RETURN(const ValueId above,
                      ScalarConstant(node, positive != 0 ? kInfinity : kNothing, element));
  AH_ASSIGN_OR_RETURN(const ValueId below,
                      ScalarConstant(node, negative != 0 ? -kInfinity : kNothing, element));
  Emitter emit(node);
  const ValueId is_above = emit.Emit(primitives::kCompare, {x, above}, Mode(CompareOp::kEqual));
  const ValueId is_below = emit.Emit(primitives::kCompare, {x, below}, Mode(CompareOp::kEqual));
  const ValueId y = emit.Emit(primitives::kBitwise, {is_above, is_below}, Mode(BitOp::kOr));
  AH_RETURN_IF_ERROR(emit.status());
  node.SetOutput(y);
  return Ok();
}

Status Where(NodeContext& node) {
  if (OnShapes(node, 3)) {
    AH_ASSIGN_OR_RETURN(const Integers condition, node.IntegersOf(0));
    AH_ASSIGN_OR_RETURN(const Integers a, node.IntegersOf(1));
    AH_ASSIGN_OR_RETURN(const Integers b, node.IntegersOf(2));
    AH_ASSIGN_OR_RETURN(Integers out, SelectIntegers(condition, a, b));
    node.SetOutput(std::move(out));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId condition, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId a, node.Tensor(1));
  AH_ASSIGN_OR_RETURN(const ValueId b, node.Tensor(2));
  return SetEmitted(node, node.Emit(primitives::kWhere, {condition, a, b}));
}

constexpr auto kEqual = &Compare<CompareOp::kEqual, false, IntegerComparison::kEqual>;
constexpr auto kLess = &Compare<CompareOp::kLess, false, IntegerComparison::kLess>;
constexpr auto kGreater = &Compare<CompareOp::kLess, true, IntegerComparison::kGreater>;
constexpr auto kLessOrEqual =
    &Compare<CompareOp::kLessOrEqual, false, IntegerComparison::kLessOrEqual>;
constexpr auto kGreaterOrEqual =
    &Compare<CompareOp::kLessOrEqual, true, IntegerComparison::kGreaterOrEqual>;

constexpr OperatorDefinition kOperators[] = {
    {"Equal", kOpsetMin, kOpsetMax, 2, 2, kEqual},
    {"Less", kOpsetMin, kOpsetMax, 2, 2, kLess},
    {"Greater", kOpsetMin, kOpsetMax, 2, 2, kGreater},
    {"LessOrEqual", 12, kOpsetMax, 2, 2, kLessOrEqual},
    {"GreaterOrEqual", 12, kOpsetMax, 2, 2, kGreaterOrEqual},
    {"And", kOpsetMin, kOpsetMax, 2, 2, &Logical<BitOp::kAnd, IntegerOp::kAnd>},
    {"Or", kOpsetMin, kOpsetMax, 2, 2, &Logical<BitOp::kOr, IntegerOp::kOr>},
    {"Xor", kOpsetMin, kOpsetMax, 2, 2, &Logical<BitOp::kXor, IntegerOp::kXor>},
    {"Not", kOpsetMin, kOpsetMax, 1, 1, &Not},
    {"BitShift", 11, kOpsetMax, 2, 2, &BitShift},
    {"BitwiseAnd", 18, kOpsetMax, 2, 2, &Bitwise<BitOp::kAnd>},
    {"BitwiseOr", 18, kOpsetMax, 2, 2, &Bitwise<BitOp::kOr>},
    {"BitwiseXor", 18, kOpsetMax, 2, 2, &Bitwise<BitOp::kXor>},
    {"BitwiseNot", 18, kOpsetMax, 1, 1, &BitwiseNot},
    {"IsInf", 10, kOpsetMax, 1, 1, &IsInf},
    {"IsNaN", 9, kOpsetMax, 1, 1, &IsNaN},
    {"Where", 9, kOpsetMax, 3, 3, &Where},
};

}  // namespace

std::span<const OperatorDefinition> LogicOperators() { return kOperators; }

}  // namespace anchorhold::graph
