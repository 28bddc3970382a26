// Functions of one number: activations and the standard functions. Those that are not primitives
// are composed of them:
//   HardSigmoid      clip(alpha x + beta, 0, 1)      HardSwish   x hardsigmoid(x; 1/6, 1/2)
//   Swish            x sigmoid(alpha x)              Mish        x tanh(softplus x)
//   Celu             alpha (e^(x / alpha) - 1) below 0: Elu with two constants
//   Selu             gamma elu(x; alpha)             Softsign    x / (1 + |x|)
//   PRelu            x where x > 0, else slope x
//   ThresholdedRelu  0 where x <= alpha, else x
//   Shrink           x + bias below -lambd, x - bias above lambd, else 0
//   Reciprocal       1 / x                           Tan         sin x / cos x
// Integers are computed with where ONNX allows them: Relu, Abs, Neg, Sign. Unsigned ones are their
// own absolute values.
#include "trusted/graph/elementwise_inputs.h"
#include "trusted/graph/emitter.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

using kernels::CompareOp;

template <const Primitive& primitive>
Status Unary(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  return SetEmitted(node, node.Emit(primitive, {x}));
}

// y = the emitter's last value, unless it failed.
Status Finish(NodeContext& node, const Emitter& emit, ValueId y) {
  AH_RETURN_IF_ERROR(emit.status());
  node.SetOutput(y);
  return Ok();
}

// Shape integers as integers; false where input 0 is none.
Result<bool> OnShapes(NodeContext& node, IntegerFunction function) {
  if (!node.IsIntegers(0)) return false;
  AH_ASSIGN_OR_RETURN(const Integers x, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(Integers y, ApplyToIntegers(function, x));
  node.SetOutput(std::move(y));
  return true;
}

bool IsUnsigned(ElementType element) {
  return element >= ElementType::kUInt64 && element <= ElementType::kUInt8;
}

// op(x, number), for integers.
Result<ValueId> WithNumber(NodeContext& node, const Primitive& op, ValueId x, double number) {
  AH_ASSIGN_OR_RETURN(const ValueId constant, ScalarConstant(node, number, node.Type(x).element));
  return node.Emit(op, {x, constant});
}

Result<ValueId> NegativeOf(NodeContext& node, ValueId x) {
  if (node.Type(x).is_real()) return node.Emit(primitives::kNeg, {x});
  AH_ASSIGN_OR_RETURN(const ValueId zero, ScalarConstant(node, 0, node.Type(x).element));
  return node.Emit(primitives::kSub, {zero, x});
}

Status Neg(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const bool done, OnShapes(node, IntegerFunction::kNeg));
  if (done) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  return SetEmitted(node, NegativeOf(node, x));
}

Status Abs(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const bool done, OnShapes(node, IntegerFunction::kAbs));
  if (done) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ElementType element = node.Type(x).element;
  if (IsReal(element)) return SetEmitted(node, node.Emit(primitives::kAbs, {x}));
  if (IsUnsigned(element)) return SetEmitted(node, x);
  AH_ASSIGN_OR_RETURN(const ValueId negative, NegativeOf(node, x));
  return SetEmitted(node, node.Emit(primitives::kMax, {x, negative}));
}

Status Sign(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const bool done, OnShapes(node, IntegerFunction::kSign));
  if (done) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ElementType element = node.Type(x).element;
  if (IsReal(element)) return SetEmitted(node, node.Emit(primitives::kSign, {x}));
  AH_ASSIGN_OR_RETURN(const ValueId below, WithNumber(node, primitives::kMin, x, 1));
  if (IsUnsigned(element)) return SetEmitted(node, below);
  return SetEmitted(node, WithNumber(node, primitives::kMax, below, -1));
}

Status Relu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  if (!node.Type(x).is_real()) return SetEmitted(node, WithNumber(node, primitives::kMax, x, 0));
  return SetEmitted(node, node.Emit(primitives::kLeakyRelu, {x}, {.alpha = 0}));
}

Status LeakyRelu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float slope, node.Float("alpha", 0.01F));
  return SetEmitted(node, node.Emit(primitives::kLeakyRelu, {x}, {.alpha = slope}));
}

Status Elu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1));
  return SetEmitted(node, node.Emit(primitives::kElu, {x}, {.alpha = alpha, .beta = 1}));
}

Status Celu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1));
  if (alpha == 0) return InvalidInput("alpha is 0, by which Celu divides");
  return SetEmitted(node, node.Emit(primitives::kElu, {x}, {.alpha = alpha, .beta = alpha}));
}

Status Selu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1.67326319217681884765625F));
  AH_ASSIGN_OR_RETURN(const float gamma, node.Float("gamma", 1.05070102214813232421875F));
  Emitter emit(node);
  const ValueId elu = emit.Emit(primitives::kElu, {x}, {.alpha = alpha, .beta = 1});
  return Finish(node, emit, emit.Scale(elu, gamma));
}

Result<int> GeluMode(std::string_view approximate) {
  if (approximate == "none") return 0;
  if (approximate == "tanh") return 1;
  return InvalidInput("approximate is neither \"none\" nor \"tanh\"");
}

Status Gelu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const Result<std::string> approximate = node.Text("approximate", "none");
  if (!approximate.ok()) return approximate.error();
  AH_ASSIGN_OR_RETURN(const int mode, GeluMode(*approximate));
  return SetEmitted(node, node.Emit(primitives::kGelu, {x}, {.mode = mode}));
}

// clip(slope x + shift, 0, 1)
ValueId HardSigmoidOf(Emitter& emit, ValueId x, double slope, double shift) {
  const ValueId line = emit.Emit(primitives::kScale, {x}, {.alpha = slope, .beta = shift});
  return emit.Emit(primitives::kClip, {line}, {.alpha = 0, .beta = 1});
}

Status HardSigmoid(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 0.2F));
  AH_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 0.5F));
  Emitter emit(node);
  return Finish(node, emit, HardSigmoidOf(emit, x, alpha, beta));
}

Status HardSwish(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  Emitter emit(node);
  return Finish(node, emit, emit.Mul(x, HardSigmoidOf(emit, x, 1.0 / 6, 0.5)));
}

Status Swish(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1));
  Emitter emit(node);
  const ValueId scaled = alpha == 1 ? x : emit.Scale(x, alpha);
  return Finish(node, emit, emit.Mul(x, emit.Emit(primitives::kSigmoid, {scaled})));
}

Status Mish(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  Emitter emit(node);
  const ValueId softplus = emit.Emit(primitives::kSoftplus, {x});
  return Finish(node, emit, emit.Mul(x, emit.Emit(primitives::kTanh, {softplus})));
}

Status Softsign(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  Emitter emit(node);
  const ValueId size = emit.Emit(primitives::kAbs, {x});
  const ValueId below = emit.Emit(primitives::kScale, {size}, {.alpha = 1, .beta = 1});
  return Finish(node, emit, emit.Emit(primitives::kDiv, {x, below}));
}

Status Reciprocal(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const ValueId one, ScalarConstant(node, 1, node.Type(x).element));
  return SetEmitted(node, node.Emit(primitives::kDiv, {one, x}));
}

Status Tan(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  Emitter emit(node);
  const ValueId sine = emit.Emit(primitives::kSin, {x});
  const ValueId cosine = emit.Emit(primitives::kCos, {x});
  return Finish(node, emit, emit.Emit(primitives::kDiv, {sine, cosine}));
}

ValueId CompareTo(Emitter& emit, CompareOp op, ValueId a, ValueId b) {
  return emit.Emit(primitives::kCompare, {a, b}, {.mode = static_cast<int>(op)});
}

// The slope of PRelu. Before opset 7 it is a list of one number a channel (axis 1), which does not
// broadcast by itself.
Result<ValueId> ChannelSlope(NodeContext& node, const ValueType& x, ValueId slope) {
  const ValueType type = node.Type(slope);
  const bool list = type.rank() == 1 && !type.has_examples() && x.rank() > 2;
  if (node.opset() >= 7 || !list || type.shape[0] != x.shape[1]) return slope;
  Emitter emit(node);
  Shape shape(static_cast<std::size_t>(x.rank()) - 1, 1);
  shape[0] = type.shape[0];
  const ValueId reshaped = emit.Reshape(slope, shape, kNoExampleAxis);
  AH_RETURN_IF_ERROR(emit.status());
  return reshaped;
}

Status PRelu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(ValueId slope, node.Tensor(1));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(slope, ChannelSlope(node, type, slope));
  AH_ASSIGN_OR_RETURN(const ValueId zero, ScalarConstant(node, 0, type.element));
  Emitter emit(node);
  const ValueId positive = CompareTo(emit, CompareOp::kLess, zero, x);
  const ValueId y = emit.Emit(primitives::kWhere, {positive, x, emit.Mul(x, slope)});
  if (emit.status().ok() && emit.type(y) != type) {
    return InvalidInput("a slope of " + FormatType(node.Type(slope)) + " does not broadcast to " +
                        FormatType(type));
  }
  return Finish(node, emit, y);
}

Status ThresholdedRelu(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1));
  const ElementType element = node.Type(x).element;
  AH_ASSIGN_OR_RETURN(const ValueId zero, ScalarConstant(node, 0, element));
  AH_ASSIGN_OR_RETURN(const ValueId threshold, ScalarConstant(node, alpha, element));
  Emitter emit(node);
  // Asked so that a NaN stays.
  const ValueId below = CompareTo(emit, CompareOp::kLessOrEqual, x, threshold);
  return Finish(node, emit, emit.Emit(primitives::kWhere, {below, zero, x}));
}

Status Shrink(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const float bias, node.Float("bias", 0));
  AH_ASSIGN_OR_RETURN(const float lambd, node.Float("lambd", 0.5F));
  const ElementType element = node.Type(x).element;
  AH_ASSIGN_OR_RETURN(const ValueId zero, ScalarConstant(node, 0, element));
  AH_ASSIGN_OR_RETURN(const ValueId low, ScalarConstant(node, -lambd, element));
  AH_ASSIGN_OR_RETURN(const ValueId high, ScalarConstant(node, lambd, element));
  Emitter emit(node);
  // Reals alone: Scale refuses integers.
  const auto moved = [&](double shift) {
    return emit.Emit(primitives::kScale, {x}, {.alpha = 1, .beta = shift});
  };
  const ValueId above = CompareTo(emit, CompareOp::kLess, high, x);
  const ValueId upper = emit.Emit(primitives::kWhere, {above, moved(-bias), zero});
  const ValueId below = CompareTo(emit, CompareOp::kLess, x, low);
  return Finish(node, emit, emit.Emit(primitives::kWhere, {below, moved(bias), upper}));
}

constexpr OperatorDefinition kOperators[] = {
    {"Abs", kOpsetMin, kOpsetMax, 1, 1, &Abs},
    {"Acos", 7, kOpsetMax, 1, 1, &Unary<primitives::kAcos>},
    {"Acosh", 9, kOpsetMax, 1, 1, &Unary<primitives::kAcosh>},
    {"Asin", 7, kOpsetMax, 1, 1, &Unary<primitives::kAsin>},
    {"Asinh", 9, kOpsetMax, 1, 1, &Unary<primitives::kAsinh>},
    {"Atan", 7, kOpsetMax, 1, 1, &Unary<primitives::kAtan>},
    {"Atanh", 9, kOpsetMax, 1, 1, &Unary<primitives::kAtanh>},
    {"Ceil", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kCeil>},
    {"Celu", 12, kOpsetMax, 1, 1, &Celu},
    {"Cos", 7, kOpsetMax, 1, 1, &Unary<primitives::kCos>},
    {"Cosh", 9, kOpsetMax, 1, 1, &Unary<primitives::kCosh>},
    {"Elu", kOpsetMin, kOpsetMax, 1, 1, &Elu},
    {"Erf", 9, kOpsetMax, 1, 1, &Unary<primitives::kErf>},
    {"Exp", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kExp>},
    {"Floor", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kFloor>},
    {"Gelu", 20, kOpsetMax, 1, 1, &Gelu},
    {"HardSigmoid", kOpsetMin, kOpsetMax, 1, 1, &HardSigmoid},
    {"HardSwish", 14, kOpsetMax, 1, 1, &HardSwish},
    {"LeakyRelu", kOpsetMin, kOpsetMax, 1, 1, &LeakyRelu},
    {"Log", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kLog>},
    {"Mish", 18, kOpsetMax, 1, 1, &Mish},
    {"Neg", kOpsetMin, kOpsetMax, 1, 1, &Neg},
    {"PRelu", kOpsetMin, kOpsetMax, 2, 2, &PRelu},
    {"Reciprocal", kOpsetMin, kOpsetMax, 1, 1, &Reciprocal},
    {"Relu", kOpsetMin, kOpsetMax, 1, 1, &Relu},
    {"Round", 11, kOpsetMax, 1, 1, &Unary<primitives::kRound>},
    {"Selu", kOpsetMin, kOpsetMax, 1, 1, &Selu},
    {"Shrink", 9, kOpsetMax, 1, 1, &Shrink},
    {"Sigmoid", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kSigmoid>},
    {"Sign", 9, kOpsetMax, 1, 1, &Sign},
    {"Sin", 7, kOpsetMax, 1, 1, &Unary<primitives::kSin>},
    {"Sinh", 9, kOpsetMax, 1, 1, &Unary<primitives::kSinh>},
    {"Softplus", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kSoftplus>},
    {"Softsign", kOpsetMin, kOpsetMax, 1, 1, &Softsign},
    {"Sqrt", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kSqrt>},
    {"Swish", 24, kOpsetMax, 1, 1, &Swish},
    {"Tan", 7, kOpsetMax, 1, 1, &Tan},
    {"Tanh", kOpsetMin, kOpsetMax, 1, 1, &Unary<primitives::kTanh>},
    {"ThresholdedRelu", 10, kOpsetMax, 1, 1, &ThresholdedRelu},
};

}  // namespace

std::span<const OperatorDefinition> ActivationOperators() { return kOperators; }

}  // namespace anchorhold::graph
