// Elementwise primitives: each number of the output depends on one number of the input, so the
// example axis stays where it is. Maths: kernels/elementwise.h.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/elementwise.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> SameType(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[0];
}

// (x, g) -> dx: both have the type of x. Only gradients use it, where all is for one example.
Result<ValueType> SameTypes(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0] != inputs[1]) return InternalError("a gradient of another shape than its value");
  return inputs[0];
}

template <typename T>
std::size_t Size(const Call<T>& call) {
  return ElementCount(call.output_type.shape);
}

template <typename T, void (*kernel)(const T*, std::size_t, T*)>
void Unary(const Call<T>& call) {
  kernel(call.real(0), Size(call), call.real_output());
}

template <typename T>
void ScaleForward(const Call<T>& call) {
  kernels::Scale(call.real(0), Size(call), static_cast<T>(call.attributes.alpha),
                 static_cast<T>(call.attributes.beta), call.real_output());
}

template <typename T>
void LeakyReluForward(const Call<T>& call) {
  kernels::LeakyRelu(call.real(0), Size(call), static_cast<T>(call.attributes.alpha),
                     call.real_output());
}

template <typename T>
void ClipForward(const Call<T>& call) {
  kernels::Clip(call.real(0), Size(call), static_cast<T>(call.attributes.alpha),
                static_cast<T>(call.attributes.beta), call.real_output());
}

template <typename T>
void EluForward(const Call<T>& call) {
  kernels::Elu(call.real(0), Size(call), static_cast<T>(call.attributes.alpha),
               static_cast<T>(call.attributes.beta), call.real_output());
}

// mode: 0 by the error function, 1 by tanh.
template <typename T>
void GeluForward(const Call<T>& call) {
  const auto kernel = call.attributes.mode == 0 ? &kernels::Gelu<T> : &kernels::GeluTanh<T>;
  kernel(call.real(0), Size(call), call.real_output());
}

template <typename T>
void LeakyReluGradForward(const Call<T>& call) {
  kernels::LeakyReluGrad(call.real(0), call.real(1), Size(call),
                         static_cast<T>(call.attributes.alpha), call.real_output());
}

template <typename T>
void ClipGradForward(const Call<T>& call) {
  kernels::ClipGrad(call.real(0), call.real(1), Size(call), static_cast<T>(call.attributes.alpha),
                    static_cast<T>(call.attributes.beta), call.real_output());
}

template <typename T>
void EluGradForward(const Call<T>& call) {
  kernels::EluGrad(call.real(0), call.real(1), Size(call), static_cast<T>(call.attributes.alpha),
                   static_cast<T>(call.attributes.beta), call.real_output());
}

template <typename T>
void GeluGradForward(const Call<T>& call) {
  const auto kernel = call.attributes.mode == 0 ? &kernels::GeluGrad<T> : &kernels::GeluTanhGrad<T>;
  kernel(call.real(0), call.real(1), Size(call), call.real_output());
}

template <typename T, void (*kernel)(const T*, const T*, std::size_t, T*)>
void Backward(const Call<T>& call) {
  kernel(call.real(0), call.real(1), Size(call), call.real_output());
}

void NegGradient(GradientScope& s) { s.Contribute(0, s.Emit(kNeg, {s.gradient()})); }

// d e^x = e^x = y
void ExpGradient(GradientScope& s) { s.Contribute(0, s.Emit(kMul, {s.gradient(), s.output()})); }

// d ln x = 1 / x
void LogGradient(GradientScope& s) { s.Contribute(0, s.Emit(kDiv, {s.gradient(), s.input(0)})); }

// d sqrt x = 1 / (2 y)
void SqrtGradient(GradientScope& s) {
  const ValueId quotient = s.Emit(kDiv, {s.gradient(), s.output()});
  s.Contribute(0, s.Emit(kScale, {quotient}, {.alpha = 0.5}));
}

void ScaleGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kScale, {s.gradient()}, {.alpha = s.attributes().alpha}));
}

void TanhGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kTanhGrad, {s.output(), s.gradient()}));
}

void SigmoidGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kSigmoidGrad, {s.output(), s.gradient()}));
}

void LeakyReluGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kLeakyReluGrad, {s.input(0), s.gradient()}, s.attributes()));
}

void ClipGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kClipGrad, {s.input(0), s.gradient()}, s.attributes()));
}

void EluGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kEluGrad, {s.input(0), s.gradient()}, s.attributes()));
}

void GeluGradient(GradientScope& s) {
  s.Contribute(0, s.Emit(kGeluGrad, {s.input(0), s.gradient()}, s.attributes()));
}

}  // namespace

const Primitive kNeg = {"Neg", &SameType, &Unary<float, kernels::Neg<float>>,
                        &Unary<double, kernels::Neg<double>>, &NegGradient};
const Primitive kExp = {"Exp", &SameType, &Unary<float, kernels::Exp<float>>,
                        &Unary<double, kernels::Exp<double>>, &ExpGradient};
const Primitive kLog = {"Log", &SameType, &Unary<float, kernels::Log<float>>,
                        &Unary<double, kernels::Log<double>>, &LogGradient};
const Primitive kSqrt = {"Sqrt", &SameType, &Unary<float, kernels::Sqrt<float>>,
                         &Unary<double, kernels::Sqrt<double>>, &SqrtGradient};
const Primitive kTanh = {"Tanh", &SameType, &Unary<float, kernels::Tanh<float>>,
                         &Unary<double, kernels::Tanh<double>>, &TanhGradient};
const Primitive kSigmoid = {"Sigmoid", &SameType, &Unary<float, kernels::Sigmoid<float>>,
                            &Unary<double, kernels::Sigmoid<double>>, &SigmoidGradient};
const Primitive kScale = {"Scale", &SameType, &ScaleForward<float>, &ScaleForward<double>,
                          &ScaleGradient};
const Primitive kLeakyRelu = {"LeakyRelu", &SameType, &LeakyReluForward<float>,
                              &LeakyReluForward<double>, &LeakyReluGradient};
const Primitive kClip = {"Clip", &SameType, &ClipForward<float>, &ClipForward<double>,
                         &ClipGradient};
const Primitive kElu = {"Elu", &SameType, &EluForward<float>, &EluForward<double>, &EluGradient};
const Primitive kGelu = {"Gelu", &SameType, &GeluForward<float>, &GeluForward<double>,
                         &GeluGradient};
const Primitive kLeakyReluGrad = {"LeakyReluGrad", &SameTypes, &LeakyReluGradForward<float>,
                                  &LeakyReluGradForward<double>, nullptr};
const Primitive kClipGrad = {"ClipGrad", &SameTypes, &ClipGradForward<float>,
                             &ClipGradForward<double>, nullptr};
const Primitive kEluGrad = {"EluGrad", &SameTypes, &EluGradForward<float>, &EluGradForward<double>,
                            nullptr};
const Primitive kGeluGrad = {"GeluGrad", &SameTypes, &GeluGradForward<float>,
                             &GeluGradForward<double>, nullptr};
const Primitive kSigmoidGrad = {"SigmoidGrad", &SameTypes,
                                &Backward<float, kernels::SigmoidGrad<float>>,
                                &Backward<double, kernels::SigmoidGrad<double>>, nullptr};
const Primitive kTanhGrad = {"TanhGrad", &SameTypes, &Backward<float, kernels::TanhGrad<float>>,
                             &Backward<double, kernels::TanhGrad<double>>, nullptr};

}  // namespace anchorhold::graph::primitives
