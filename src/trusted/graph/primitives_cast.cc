// Cast: to Attributes::element. Reals become integers towards zero (kernels/convert.h) and are then
// wrapped to the type's width, as are integers; to bool, whether a number is not 0. float16 and
// bfloat16 round to the nearest, ties to even; float64 is computed as float32 is.
//
// The gradient passes through a cast between reals as if it did not round.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/integers.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/convert.h"

namespace anchorhold::graph::primitives {
namespace {

Result<ValueType> InferCast(std::span<const ValueType> inputs, const Attributes& attributes) {
  return ValueType{inputs[0].shape, inputs[0].example_axis, attributes.element};
}

template <typename T>
T ToReal(T x, ElementType element) {
  if (element == ElementType::kFloat16) return static_cast<T>(kernels::RoundToFloat16(x));
  if (element == ElementType::kBFloat16) return static_cast<T>(kernels::RoundToBFloat16(x));
  return x;
}

template <typename T>
void RealForward(const Call<T>& call, std::size_t count, ElementType to) {
  const T* x = call.real(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (IsReal(to)) {
      call.real_output()[i] = ToReal(x[i], to);
    } else if (to == ElementType::kBool) {
      call.integer_output()[i] = x[i] != T(0) ? 1 : 0;
    } else {
      call.integer_output()[i] = WrapInteger(kernels::ToInteger(x[i]), to);
    }
  }
}

template <typename T>
void IntegerForward(const Call<T>& call, std::size_t count, ElementType to) {
  const std::int64_t* x = call.integers(0);
  const bool is_unsigned = call.input_types[0].element == ElementType::kUInt64;
  for (std::size_t i = 0; i < count; ++i) {
    if (IsReal(to)) {
      const T real =
          is_unsigned ? static_cast<T>(static_cast<std::uint64_t>(x[i])) : static_cast<T>(x[i]);
      call.real_output()[i] = ToReal(real, to);
    } else {
      call.integer_output()[i] = WrapInteger(x[i], to);
    }
  }
}

template <typename T>
void CastForward(const Call<T>& call) {
  const std::size_t count = ElementCount(call.output_type.shape);
  if (call.input_types[0].is_real()) return RealForward(call, count, call.attributes.element);
  IntegerForward(call, count, call.attributes.element);
}

void CastGradient(GradientScope& s) { s.Contribute(0, s.gradient()); }

}  // namespace

const Primitive kCast = {"Cast",        &InferCast,   &CastForward<float>, &CastForward<double>,
                         &CastGradient, Accepts::kAny};

}  // namespace anchorhold::graph::primitives
