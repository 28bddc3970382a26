#include "trusted/engine/fused_primitives.h"

#include <algorithm>
#include <string>
#include <vector>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/elementwise.h"
#include "trusted/kernels/normalise.h"

namespace anchorhold::engine {
namespace {

using graph::Attributes;
using graph::Call;
using graph::ElementCount;
using graph::Primitive;
using graph::ValueType;

// Whether the last axes of `type`, those with `block` numbers together, leave the example axis out.
bool ExamplesOutside(const ValueType& type, std::size_t block) {
  if (!type.has_examples()) return true;
  const std::span<const std::int64_t> after =
      std::span(type.shape).subspan(static_cast<std::size_t>(type.example_axis) + 1);
  return ElementCount(after) % block == 0;
}

Status CheckSizes(const ValueType& x, const Attributes& attributes) {
  if (attributes.dims.size() != 3) return InternalError("a normalisation without its sizes");
  const std::size_t block = ElementCount(attributes.dims);
  if (ElementCount(x.shape) % block != 0) {
    return InternalError("a normalisation whose sizes do not divide its input");
  }
  if (ExamplesOutside(x, block)) return Ok();
  return PrivacyRefused("normalising " + graph::FormatType(x) + " in blocks of " +
                        std::to_string(block) + " numbers would mix examples");
}

Status CheckPerChannel(const ValueType& type, const Attributes& attributes) {
  const auto channels = static_cast<std::size_t>(attributes.dims[0] * attributes.dims[1]);
  if (!type.has_examples() && ElementCount(type.shape) == channels) return Ok();
  return InternalError("a normalisation's scale or shift of another size");
}

Result<ValueType> InferAffine(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_RETURN_IF_ERROR(CheckSizes(inputs[0], attributes));
  AH_RETURN_IF_ERROR(CheckPerChannel(inputs[1], attributes));
  AH_RETURN_IF_ERROR(CheckPerChannel(inputs[2], attributes));
  return inputs[0];
}

Result<ValueType> InferAffineGrad(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_RETURN_IF_ERROR(CheckSizes(inputs[0], attributes));
  AH_RETURN_IF_ERROR(CheckPerChannel(inputs[1], attributes));
  return inputs[0];
}

Result<ValueType> InferLast(std::span<const ValueType> inputs, const Attributes& attributes) {
  AH_RETURN_IF_ERROR(CheckSizes(inputs[0], attributes));
  AH_RETURN_IF_ERROR(CheckPerChannel(inputs.back(), attributes));
  return inputs.back();
}

template <typename T>
NormaliseSizes Sizes(const Call<T>& call) {
  return SizesOf(call.attributes, ElementCount(call.input_types[0].shape));
}

template <typename T>
kernels::NormaliseMode ModeOf(const Call<T>& call) {
  return static_cast<kernels::NormaliseMode>(call.attributes.mode);
}

// Calls visit(element, channel) for every element.
template <typename Visit>
void ForEach(const NormaliseSizes& sizes, Visit visit) {
  const std::size_t channels = sizes.groups * sizes.channels;
  std::size_t i = 0;
  for (std::size_t o = 0; o < sizes.outer; ++o) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t k = 0; k < sizes.inner; ++k) visit(i++, c);
    }
  }
}

template <typename T>
void AffineForward(const Call<T>& call) {
  const NormaliseSizes sizes = Sizes(call);
  T* y = call.real_output();
  kernels::Normalise(ModeOf(call), {sizes.outer * sizes.groups, sizes.row()},
                     static_cast<T>(call.attributes.alpha), call.real(0), y);
  const T* scale = call.real(1);
  const T* shift = call.real(2);
  ForEach(sizes, [&](std::size_t i, std::size_t c) { y[i] = scale[c] * y[i] + shift[c]; });
}

template <typename T>
void AffineGradForward(const Call<T>& call) {
  const NormaliseSizes sizes = Sizes(call);
  T* dx = call.real_output();
  const T* scale = call.real(1);
  const T* g = call.real(2);
  ForEach(sizes, [&](std::size_t i, std::size_t c) { dx[i] = g[i] * scale[c]; });
  kernels::NormaliseGrad(ModeOf(call), {sizes.outer * sizes.groups, sizes.row()},
                         static_cast<T>(call.attributes.alpha), call.real(0), dx, dx);
}

template <typename T>
void ScaleGradForward(const Call<T>& call) {
  const NormaliseSizes sizes = Sizes(call);
  std::vector<T> normalised(ElementCount(call.input_types[0].shape));
  kernels::Normalise(ModeOf(call), {sizes.outer * sizes.groups, sizes.row()},
                     static_cast<T>(call.attributes.alpha), call.real(0), normalised.data());
  T* sums = call.real_output();
  std::fill_n(sums, sizes.groups * sizes.channels, T(0));
  const T* g = call.real(1);
  ForEach(sizes, [&](std::size_t i, std::size_t c) { sums[c] += g[i] * normalised[i]; });
}

template <typename T>
void ShiftGradForward(const Call<T>& call) {
  const NormaliseSizes sizes = Sizes(call);
  T* sums = call.real_output();
  std::fill_n(sums, sizes.groups * sizes.channels, T(0));
  const T* g = call.real(0);
  ForEach(sizes, [&](std::size_t i, std::size_t c) { sums[c] += g[i]; });
}

void AffineGradient(graph::GradientScope& s) {
  const graph::ValueId x = s.input(0);
  const graph::ValueId g = s.gradient();
  if (s.wants(0)) {
    s.Contribute(0, s.Emit(kNormaliseAffineGrad, {x, s.input(1), g}, s.attributes()));
  }
  if (s.wants(1)) s.Contribute(1, s.Emit(kNormaliseScaleGrad, {x, g, s.input(1)}, s.attributes()));
  if (s.wants(2)) s.Contribute(2, s.Emit(kNormaliseShiftGrad, {g, s.input(2)}, s.attributes()));
}

Result<ValueType> InferSilu(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[0];
}

Result<ValueType> InferSiluGrad(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0] != inputs[1]) return InternalError("a gradient of another shape than its value");
  return inputs[0];
}

template <typename T>
void SiluForward(const Call<T>& call) {
  const std::size_t n = ElementCount(call.output_type.shape);
  const T* x = call.real(0);
  T* y = call.real_output();
  kernels::Sigmoid(x, n, y);
  for (std::size_t i = 0; i < n; ++i) y[i] *= x[i];
}

template <typename T>
void SiluGradForward(const Call<T>& call) {
  const std::size_t n = ElementCount(call.output_type.shape);
  const T* x = call.real(0);
  const T* g = call.real(1);
  T* dx = call.real_output();
  kernels::Sigmoid(x, n, dx);
  for (std::size_t i = 0; i < n; ++i) dx[i] = g[i] * (dx[i] + x[i] * dx[i] * (1 - dx[i]));
}

void SiluGradient(graph::GradientScope& s) {
  s.Contribute(0, s.Emit(kSiluGrad, {s.input(0), s.gradient()}));
}

}  // namespace

NormaliseSizes SizesOf(const Attributes& attributes, std::size_t elements) {
  NormaliseSizes sizes;
  sizes.groups = static_cast<std::size_t>(attributes.dims[0]);
  sizes.channels = static_cast<std::size_t>(attributes.dims[1]);
  sizes.inner = static_cast<std::size_t>(attributes.dims[2]);
  sizes.outer = elements / (sizes.groups * sizes.row());
  return sizes;
}

const Primitive kNormaliseAffine = {"NormaliseAffine", &InferAffine, &AffineForward<float>,
                                    &AffineForward<double>, &AffineGradient};
const Primitive kNormaliseAffineGrad = {"NormaliseAffineGrad", &InferAffineGrad,
                                        &AffineGradForward<float>, &AffineGradForward<double>,
                                        nullptr};
const Primitive kNormaliseScaleGrad = {"NormaliseScaleGrad", &InferLast, &ScaleGradForward<float>,
                                       &ScaleGradForward<double>, nullptr};
const Primitive kNormaliseShiftGrad = {"NormaliseShiftGrad", &InferLast, &ShiftGradForward<float>,
                                       &ShiftGradForward<double>, nullptr};
const Primitive kSilu = {"Silu", &InferSilu, &SiluForward<float>, &SiluForward<double>,
                         &SiluGradient};
const Primitive kSiluGrad = {"SiluGrad", &InferSiluGrad, &SiluGradForward<float>,
                             &SiluGradForward<double>, nullptr};

}  // namespace anchorhold::engine
