#include "trusted/graph/emitter.h"

#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {

ValueId Emitter::Take(Result<ValueId> made) {
  if (made.ok()) return *made;
  if (status_.ok()) status_ = made.error();
  return kNoValue;
}

ValueId Emitter::Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                      Attributes attributes) {
  if (!status_.ok()) return kNoValue;
  return Take(node_.Emit(primitive, std::move(inputs), std::move(attributes)));
}

ValueId Emitter::Add(ValueId a, ValueId b) { return Emit(primitives::kAdd, {a, b}); }
ValueId Emitter::Sub(ValueId a, ValueId b) { return Emit(primitives::kSub, {a, b}); }
ValueId Emitter::Mul(ValueId a, ValueId b) { return Emit(primitives::kMul, {a, b}); }

ValueId Emitter::Scale(ValueId x, double factor) {
  return factor == 1 ? x : Emit(primitives::kScale, {x}, {.alpha = factor});
}

ValueId Emitter::MatMul(ValueId a, ValueId b, bool transpose_b) {
  return Emit(primitives::kMatMul, {a, b}, {.transpose_b = transpose_b});
}

ValueId Emitter::Slice(ValueId x, int axis, std::int64_t start, std::int64_t size) {
  if (!status_.ok()) return kNoValue;
  const Shape shape = type(x).shape;
  if (start == 0 && size == shape[static_cast<std::size_t>(axis)]) return x;
  return Emit(primitives::kSlice, {x}, {.axis = axis, .dims = {start, size}});
}

ValueId Emitter::Concat(std::vector<ValueId> parts, int axis) {
  if (parts.size() == 1) return parts[0];
  return Emit(primitives::kConcat, std::move(parts), {.axis = axis});
}

ValueId Emitter::Transpose(ValueId x, Shape permutation) {
  bool same = true;
  for (std::size_t k = 0; k < permutation.size(); ++k) {
    same = same && permutation[k] == static_cast<std::int64_t>(k);
  }
  return same ? x : Emit(primitives::kTranspose, {x}, {.dims = std::move(permutation)});
}

ValueId Emitter::Reshape(ValueId x, Shape shape, int example_axis) {
  if (!status_.ok()) return kNoValue;
  return Take(EmitReshape(node_, x, {std::move(shape), example_axis}));
}

ValueId Emitter::Number(int rank, float number, ElementType element) {
  if (!status_.ok()) return kNoValue;
  Shape shape(static_cast<std::size_t>(rank), 1);
  if (IsReal(element)) return Take(node_.builder().AddReals(std::move(shape), {number}, element));
  return Take(
      node_.builder().AddIntegers(std::move(shape), {static_cast<std::int64_t>(number)}, element));
}

}  // namespace anchorhold::graph
