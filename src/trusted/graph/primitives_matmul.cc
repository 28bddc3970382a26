// MatMul: y = op(a) op(b) with op(a) [.., m, k], op(b) [.., k, p], leading axes broadcasting; both
// of rank 2 or more. With g the gradient of y:
//   da' = g b'^T and db' = a'^T g, where a' = op(a), b' = op(b); transposed back where op
//   transposes, and summed over broadcast leading axes.
// Examples: k may not be the example axis (the product would sum over examples), and where both
// sides have examples, they must be a leading axis of both (each example meets itself alone).
#include <algorithm>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/broadcasting.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/matmul.h"
#include "trusted/kernels/strided.h"

namespace anchorhold::graph::primitives {
namespace {

constexpr int kMatrixAxes = 2;

struct Side {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool row_examples = false;  // after op
  bool column_examples = false;
  ValueType leading;
};

Side Split(const ValueType& type, bool transpose) {
  const auto rank = static_cast<std::size_t>(type.rank());
  Side side;
  side.rows = type.shape[rank - 2];
  side.columns = type.shape[rank - 1];
  side.row_examples = type.example_axis == type.rank() - 2;
  side.column_examples = type.example_axis == type.rank() - 1;
  if (transpose) {
    std::swap(side.rows, side.columns);
    std::swap(side.row_examples, side.column_examples);
  }
  side.leading.shape.assign(type.shape.begin(), type.shape.end() - kMatrixAxes);
  if (type.has_examples() && type.example_axis < type.rank() - kMatrixAxes) {
    side.leading.example_axis = type.example_axis;
  }
  return side;
}

Status CheckExamples(const ValueType& a, const ValueType& b, const Side& left, const Side& right) {
  const std::string both = FormatType(a) + " and " + FormatType(b);
  if (left.column_examples || right.row_examples) {
    return PrivacyRefused("the product of " + both +
                          " sums over the example axis, so examples would mix; keep the examples "
                          "as rows of the left operand");
  }
  if (a.has_examples() && b.has_examples() && (left.row_examples || right.column_examples)) {
    return PrivacyRefused("the product of " + both +
                          " pairs every example with every other, so examples would mix; keep the "
                          "examples as a leading axis of both operands");
  }
  return Ok();
}

Result<ValueType> InferMatMul(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& a = inputs[0];
  const ValueType& b = inputs[1];
  if (a.rank() < kMatrixAxes || b.rank() < kMatrixAxes) {
    return InvalidInput("a matrix product needs matrices, not " + FormatType(a) + " and " +
                        FormatType(b));
  }
  const Side left = Split(a, attributes.transpose_a);
  const Side right = Split(b, attributes.transpose_b);
  AH_RETURN_IF_ERROR(CheckExamples(a, b, left, right));
  if (left.columns != right.rows) {
    return InvalidInput("cannot multiply " + FormatType(a) + " and " + FormatType(b) +
                        ": the inner sizes are " + std::to_string(left.columns) + " and " +
                        std::to_string(right.rows));
  }
  // Examples as rows or columns of one side: along the leading axes that side has none.
  AH_ASSIGN_OR_RETURN(ValueType out, BroadcastTypes(left.leading, right.leading));
  if (left.row_examples) out.example_axis = out.rank();
  if (right.column_examples) out.example_axis = out.rank() + 1;
  out.shape.push_back(left.rows);
  out.shape.push_back(right.columns);
  return out;
}

// a [.., m, k] times a matrix [k, p] is one product of a [.. m, k] with it.
bool FoldsRows(const Shape& b, const Attributes& attributes) {
  return b.size() == kMatrixAxes && !attributes.transpose_a;
}

std::size_t At(const Shape& shape, std::size_t from_end) {
  return static_cast<std::size_t>(shape[shape.size() - from_end]);
}

template <typename T>
void MatMulForward(const Call<T>& call) {
  const Shape& a = call.input_types[0].shape;
  const Shape& b = call.input_types[1].shape;
  const Shape& y = call.output_type.shape;
  const Attributes& attributes = call.attributes;
  kernels::MatMulShape shape{.rows = At(y, 2),
                             .inner = attributes.transpose_a ? At(a, 2) : At(a, 1),
                             .columns = At(y, 1),
                             .transpose_a = attributes.transpose_a,
                             .transpose_b = attributes.transpose_b};
  if (FoldsRows(b, attributes)) {
    shape.rows = ElementCount(y) / shape.columns;
    kernels::MatMul(shape, call.real(0), call.real(1), call.real_output());
    return;
  }
  // One product for each point of the leading axes.
  const auto leading = [](const Shape& s) { return kernels::Dims(s).first(s.size() - 2); };
  const std::size_t products = ElementCount(leading(y));
  for (std::size_t n = 0; n < products; ++n) {
    std::size_t rest = n;
    std::size_t at[2] = {0, 0};
    std::size_t stride[2] = {At(a, 1) * At(a, 2), At(b, 1) * At(b, 2)};
    for (std::size_t from_end = 3; from_end <= y.size(); ++from_end) {
      const std::size_t i = rest % At(y, from_end);
      rest /= At(y, from_end);
      for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
        const Shape& s = side == 0 ? a : b;
        if (from_end > s.size()) continue;
        if (At(s, from_end) != 1) at[side] += i * stride[side];
        stride[side] *= At(s, from_end);
      }
    }
    kernels::MatMul(shape, call.real(0) + at[0], call.real(1) + at[1],
                    call.real_output() + n * shape.rows * shape.columns);
  }
}

Attributes Transposes(bool a, bool b) { return {.transpose_a = a, .transpose_b = b}; }

void MatMulGradient(GradientScope& s) {
  const bool transpose_a = s.attributes().transpose_a;
  const bool transpose_b = s.attributes().transpose_b;
  ValueId a = s.input(0);
  const ValueId b = s.input(1);
  ValueId g = s.gradient();
  if (FoldsRows(s.shape(b), s.attributes()) && s.shape(a).size() > kMatrixAxes) {
    const auto fold = [&](ValueId id) {
      const Shape shape = s.shape(id);
      const std::int64_t columns = shape.back();
      const auto rows = static_cast<std::int64_t>(ElementCount(shape)) / columns;
      return s.Reshape(id, {rows, columns});
    };
    a = fold(a);
    g = fold(g);
  }
  if (s.wants(0)) {
    // g b'^T, or its transpose b' g^T.
    const ValueId da = transpose_a ? s.Emit(kMatMul, {b, g}, Transposes(transpose_b, true))
                                   : s.Emit(kMatMul, {g, b}, Transposes(false, !transpose_b));
    const Shape shape = s.shape(s.input(0));
    s.Contribute(0, a == s.input(0) ? s.SumTo(da, shape) : s.Reshape(da, shape));
  }
  if (s.wants(1)) {
    // a'^T g, or its transpose g^T a'.
    const ValueId db = transpose_b ? s.Emit(kMatMul, {g, a}, Transposes(true, transpose_a))
                                   : s.Emit(kMatMul, {a, g}, Transposes(!transpose_a, false));
    s.Contribute(1, s.SumTo(db, s.shape(b)));
  }
}

}  // namespace

const Primitive kMatMul = {"MatMul", &InferMatMul, &MatMulForward<float>, &MatMulForward<double>,
                           &MatMulGradient};

}  // namespace anchorhold::graph::primitives
