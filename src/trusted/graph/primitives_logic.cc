// Compare, Bitwise, Where: comparisons and truth values, with broadcasting (broadcasting.h). Truth
// values are integers, 0 or 1. Comparisons have no derivative; Where passes its gradient to the
// side that was taken and 0 to the other one, whatever the numbers there (a NaN in the side that
// was not taken does not reach the gradient).
#include <algorithm>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/graph/integers.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph::primitives {
namespace {

template <typename T>
kernels::IndexSpace SpaceOf(const Call<T>& call) {
  return kernels::Broadcast(call.input_types[0].shape, call.input_types[1].shape,
                            call.output_type.shape);
}

Result<ValueType> InferCompare(std::span<const ValueType> inputs, const Attributes&) {
  AH_ASSIGN_OR_RETURN(ValueType out, BroadcastTypes(inputs[0], inputs[1]));
  out.element = ElementType::kBool;
  return out;
}

template <typename T, typename E>
void CompareElements(const Call<T>& call) {
  const auto op = static_cast<kernels::CompareOp>(call.attributes.mode);
  kernels::Compare(op, SpaceOf(call), call.template in<E>(0), call.template in<E>(1),
                   call.integer_output());
}

template <typename T>
void CompareForward(const Call<T>& call) {
  const ElementType element = call.input_types[0].element;
  if (IsReal(element)) return CompareElements<T, T>(call);
  if (element == ElementType::kUInt64) return CompareElements<T, std::uint64_t>(call);
  CompareElements<T, std::int64_t>(call);
}

Result<ValueType> InferBitwise(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0].is_real()) {
    return InvalidInput("combines the bits of integers or truth values, not " +
                        FormatType(inputs[0]));
  }
  return BroadcastTypes(inputs[0], inputs[1]);
}

template <typename T>
void BitwiseForward(const Call<T>& call) {
  const auto op = static_cast<kernels::BitOp>(call.attributes.mode);
  kernels::Bits(op, SpaceOf(call), call.template in<std::uint64_t>(0),
                call.template in<std::uint64_t>(1), call.template out<std::uint64_t>());
  if (op != kernels::BitOp::kShiftLeft) return;  // the others stay within the width
  std::int64_t* y = call.integer_output();
  const std::size_t size = ElementCount(call.output_type.shape);
  for (std::size_t i = 0; i < size; ++i) y[i] = WrapInteger(y[i], call.output_type.element);
}

// (condition, a, b)
Result<ValueType> InferWhere(std::span<const ValueType> inputs, const Attributes&) {
  if (inputs[0].element != ElementType::kBool) {
    return InvalidInput("the condition must be truth values, not " + FormatType(inputs[0]));
  }
  AH_ASSIGN_OR_RETURN(const ValueType sides, BroadcastTypes(inputs[1], inputs[2]));
  AH_ASSIGN_OR_RETURN(ValueType out, BroadcastShapes(inputs[0], sides));
  out.element = sides.element;
  return out;
}

template <typename T, typename E>
void WhereForward(const Call<T>& call) {
  const Shape& condition = call.input_types[0].shape;
  const Shape& y = call.output_type.shape;
  for (const std::size_t side : {std::size_t{1}, std::size_t{2}}) {
    const kernels::IndexSpace space =
        kernels::Broadcast(condition, call.input_types[side].shape, y);
    kernels::CopyWhere(side == 1, space, call.integers(0), call.template in<E>(side),
                       call.template out<E>());
  }
}

void WhereGradient(GradientScope& s) {
  for (const std::size_t side : {std::size_t{1}, std::size_t{2}}) {
    if (!s.wants(side)) continue;
    const ValueId part = s.Emit(kMask, {s.input(0), s.gradient()}, {.mode = side == 1 ? 1 : 0});
    s.Contribute(side, s.SumTo(part, s.shape(s.input(side))));
  }
}

// (condition, g) -> g where the condition is `mode`, else 0. Only Where's gradient uses it: the
// condition broadcasts to g.
Result<ValueType> InferMask(std::span<const ValueType> inputs, const Attributes&) {
  return inputs[1];
}

template <typename T>
void MaskForward(const Call<T>& call) {
  const Shape& y = call.output_type.shape;
  std::fill_n(call.real_output(), ElementCount(y), T(0));
  kernels::CopyWhere(call.attributes.mode == 1, kernels::Broadcast(call.input_types[0].shape, y, y),
                     call.integers(0), call.real(1), call.real_output());
}

}  // namespace

const Primitive kCompare = {
    "Compare",   &InferCompare, &CompareForward<float>, &CompareForward<double>,
    &NoGradient, Accepts::kAny};
const Primitive kBitwise = {
    "Bitwise",   &InferBitwise, &BitwiseForward<float>, &BitwiseForward<double>,
    &NoGradient, Accepts::kAny};
const Primitive kWhere = {
    "Where",
    &InferWhere,
    &ByElement<float, &WhereForward<float, float>, &WhereForward<float, std::int64_t>>,
    &ByElement<double, &WhereForward<double, double>, &WhereForward<double, std::int64_t>>,
    &WhereGradient,
    Accepts::kAny};
const Primitive kMask = {"Mask",  &InferMask,   &MaskForward<float>, &MaskForward<double>,
                         nullptr, Accepts::kAny};

}  // namespace anchorhold::graph::primitives
