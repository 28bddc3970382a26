// Functions of one number without parameters (kernels/elementwise.h). Their derivatives:
//   |x|: sign x     sin: cos     cos: -sin      sinh: cosh     cosh: sinh
//   asin: 1 / sqrt(1 - x^2)      acos: the negative of that    atan: 1 / (1 + x^2)
//   asinh: 1 / sqrt(x^2 + 1)     acosh: 1 / sqrt(x^2 - 1)      atanh: 1 / (1 - x^2)
//   erf: 2 / sqrt(pi) e^(-x^2)   softplus: sigmoid x
// Sign, Floor, Ceil and Round are constant almost everywhere: 0.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/elementwise.h"

namespace anchorhold::graph::primitives {
namespace {

using kernels::Function;

Result<ValueType> SameType(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[0];
}

template <typename T, Function function>
void Forward(const Call<T>& call) {
  kernels::Apply(function, call.real(0), ElementCount(call.output_type.shape), call.real_output());
}

template <Function function>
constexpr Primitive Make(const char* name, void (*gradient)(GradientScope&)) {
  return {name, &SameType, &Forward<float, function>, &Forward<double, function>, gradient};
}

// g f'(x), where f' is a primitive.
template <const Primitive& derivative>
void Times(GradientScope& s) {
  s.Contribute(0, s.Emit(kMul, {s.gradient(), s.Emit(derivative, {s.input(0)})}));
}

void CosGradient(GradientScope& s) {
  const ValueId product = s.Emit(kMul, {s.gradient(), s.Emit(kSin, {s.input(0)})});
  s.Contribute(0, s.Emit(kNeg, {product}));
}

// factor x^2 + term
ValueId Quadratic(GradientScope& s, double factor, double term) {
  const ValueId square = s.Emit(kMul, {s.input(0), s.input(0)});
  return s.Emit(kScale, {square}, {.alpha = factor, .beta = term});
}

void OverRoot(GradientScope& s, double factor, double term) {
  const ValueId root = s.Emit(kSqrt, {Quadratic(s, factor, term)});
  s.Contribute(0, s.Emit(kDiv, {s.gradient(), root}));
}

void AsinGradient(GradientScope& s) { OverRoot(s, -1, 1); }
void AsinhGradient(GradientScope& s) { OverRoot(s, 1, 1); }
void AcoshGradient(GradientScope& s) { OverRoot(s, 1, -1); }

void AcosGradient(GradientScope& s) {
  const ValueId root = s.Emit(kSqrt, {Quadratic(s, -1, 1)});
  s.Contribute(0, s.Emit(kNeg, {s.Emit(kDiv, {s.gradient(), root})}));
}

void AtanGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kDiv, {s.gradient(), Quadratic(s, 1, 1)}));
}

void AtanhGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kDiv, {s.gradient(), Quadratic(s, -1, 1)}));
}

}  // namespace

const Primitive kAbs = Make<Function::kAbs>("Abs", &Times<kSign>);
const Primitive kSign = Make<Function::kSign>("Sign", &NoGradient);
const Primitive kFloor = Make<Function::kFloor>("Floor", &NoGradient);
const Primitive kCeil = Make<Function::kCeil>("Ceil", &NoGradient);
const Primitive kRound = Make<Function::kRound>("Round", &NoGradient);
const Primitive kSin = Make<Function::kSin>("Sin", &Times<kCos>);
const Primitive kCos = Make<Function::kCos>("Cos", &CosGradient);
const Primitive kAsin = Make<Function::kAsin>("Asin", &AsinGradient);
const Primitive kAcos = Make<Function::kAcos>("Acos", &AcosGradient);
const Primitive kAtan = Make<Function::kAtan>("Atan", &AtanGradient);
const Primitive kSinh = Make<Function::kSinh>("Sinh", &Times<kCosh>);
const Primitive kCosh = Make<Function::kCosh>("Cosh", &Times<kSinh>);
const Primitive kAsinh = Make<Function::kAsinh>("Asinh", &AsinhGradient);
const Primitive kAcosh = Make<Function::kAcosh>("Acosh", &AcoshGradient);
const Primitive kAtanh = Make<Function::kAtanh>("Atanh", &AtanhGradient);
const Primitive kErf = Make<Function::kErf>("Erf", &Times<kErfSlope>);
const Primitive kErfSlope = Make<Function::kErfSlope>("ErfSlope", nullptr);
const Primitive kSoftplus = Make<Function::kSoftplus>("Softplus", &Times<kSigmoid>);

}  // namespace anchorhold::graph::primitives
