// Elementwise operators. The binary ones also compute on shape integers, as exporters write them.
#include <limits>

#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

template <const Primitive& primitive>
Status Unary(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {x}));
  node.SetOutput(y);
  return Ok();
}

// a op b; a Mul may have the batch's size in one factor. kUnsupported for what shapes do not need.
Result<SymbolicInteger> Combine(const Primitive& op, SymbolicInteger a, SymbolicInteger b) {
  SymbolicInteger out;
  bool overflow = false;
  if (&op == &primitives::kMul) {
    if (a.times_batch && b.times_batch) {
      return PrivacyRefused(
          "the batch's size is squared, so a result would depend on how many "
          "examples there are");
    }
    out.times_batch = a.times_batch || b.times_batch;
    overflow = __builtin_mul_overflow(a.value, b.value, &out.value);
  } else if (&op == &primitives::kDiv && !b.times_batch) {
    if (b.value <= 0 || a.value % b.value != 0) {
      return Unsupported("an integer division that leaves a remainder");
    }
    out = {a.value / b.value, a.times_batch};
  } else if (a.times_batch || b.times_batch) {
    return PrivacyRefused(
        "the batch's size is used in arithmetic, so a result would depend on "
        "how many examples there are");
  } else if (&op == &primitives::kAdd) {
    overflow = __builtin_add_overflow(a.value, b.value, &out.value);
  } else {
    overflow = __builtin_sub_overflow(a.value, b.value, &out.value);
  }
  if (overflow) return InvalidInput("integer overflow in a shape computation");
  return out;
}

Status IntegerBinary(NodeContext& node, const Primitive& op) {
  AH_ASSIGN_OR_RETURN(const Integers a, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const Integers b, node.IntegersOf(1));
  const std::size_t count = std::max(a.values.size(), b.values.size());
  const auto fits = [&](const Integers& x) {
    return x.values.size() == count || x.values.size() == 1;
  };
  if (!fits(a) || !fits(b)) return InvalidInput("lists of different lengths");
  Integers out{a.scalar && b.scalar, {}};
  for (std::size_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const SymbolicInteger value,
                        Combine(op, a.values[a.values.size() == 1 ? 0 : i],
                                b.values[b.values.size() == 1 ? 0 : i]));
    out.values.push_back(value);
  }
  node.SetOutput(std::move(out));
  return Ok();
}

template <const Primitive& primitive>
Status BinaryOperator(NodeContext& node) {
  if (node.IsIntegers(0) && node.IsIntegers(1)) return IntegerBinary(node, primitive);
  AH_ASSIGN_OR_RETURN(const ValueId a, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId b, node.Tensor(1));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {a, b}));
  node.SetOutput(y);
  return Ok();
}

Status Relu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kLeakyRelu, {x}, {.alpha = 0}));
  node.SetOutput(y);
  return Ok();
}

Status LeakyRelu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float slope, node.Float("alpha", 0.01F));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kLeakyRelu, {x}, {.alpha = slope}));
  node.SetOutput(y);
  return Ok();
}

Result<float> Bound(NodeContext& node, std::size_t input, float absent) {
  if (!node.Has(input)) return absent;
  AH_ASSIGN_OR_RETURN(const NodeContext::Floats floats, node.ConstantFloats(input));
  if (floats.data->size() != 1) return InvalidInput("a bound of Clip must be a single number");
  return floats.data->front();
}

Status Clip(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float low, Bound(node, 1, std::numeric_limits<float>::lowest()));
  AH_ASSIGN_OR_RETURN(const float high, Bound(node, 2, std::numeric_limits<float>::max()));
  AH_ASSIGN_OR_RETURN(const ValueId y,
                      node.Emit(primitives::kClip, {x}, {.alpha = low, .beta = high}));
  node.SetOutput(y);
  return Ok();
}

Status PassOn(NodeContext& node) {
  if (node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(Integers integers, node.IntegersOf(0));
    node.SetOutput(std::move(integers));
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  node.SetOutput(x);
  return Ok();
}

// The identity, in training too: the clipped and noised gradient regularises already, and a model
// then has one meaning. The ratio and the mode are read by nobody.
Status Dropout(NodeContext& node) {
  node.IgnoreAttribute("seed");
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  node.SetOutput(x);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Add", kOpsetMin, kOpsetMax, 2, 2, &BinaryOperator<primitives::kAdd>},
    {"Sub", kOpsetMin, kOpsetMax, 2, 2, &BinaryOperator<primitives::kSub>},
    {"Mul", kOpsetMin, kOpsetMax, 2, 2, &BinaryOperator<primitives::kMul>},
    {"Div", kOpsetMin, kOpsetMax, 2, 2, &BinaryOperator<primitives::kDiv>},
    {"Neg", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kNeg>},
    {"Exp", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kExp>},
    {"Log", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kLog>},
    {"Sqrt", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kSqrt>},
    {"Tanh", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kTanh>},
    {"Sigmoid", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kSigmoid>},
    {"Relu", kOpsetMin, kOpsetMax, 1, 1, &Relu},
    {"LeakyRelu", kOpsetMin, kOpsetMax, 1, 1, &LeakyRelu},
    {"Clip", kOpsetMin, kOpsetMax, 1, 3, &Clip},
    {"Identity", kOpsetMin, kOpsetMax, 1, 1, &PassOn},
    {"Dropout", kOpsetMin, kOpsetMax, 1, 3, &Dropout},
};

}  // namespace

std::span<const OperatorDefinition> ElementwiseOperators() { return kOperators; }

}  // namespace anchorhold::graph
