// MaxPool, AveragePool, LpPool and the poolings over whole planes.
//   LpPool        y = (sum of |x|^p over the window)^(1/p), padding counting as 0
//   GlobalLpPool  the same over the plane
#include <limits>

#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/windows.h"
#include "trusted/kernels/pooling.h"

namespace anchorhold::graph {
namespace {

struct Pool {
  ValueId x = kNoValue;
  Attributes attributes;
};

Result<Pool> ReadPool(NodeContext& node) {
  Pool pool;
  AH_ASSIGN_OR_RETURN(pool.x, node.Tensor(0));
  const ValueType x = node.Type(pool.x);
  AH_RETURN_IF_ERROR(CheckSpatial(x));
  const Shape in = SpatialSizes(x.shape);
  AH_ASSIGN_OR_RETURN(WindowAttributes read, ReadWindow(node, in.size()));
  AH_ASSIGN_OR_RETURN(const std::int64_t ceil_mode, node.Int("ceil_mode", 0));
  AH_ASSIGN_OR_RETURN(pool.attributes.dims, PlaceWindow(read, in, ceil_mode != 0));
  pool.attributes.window = std::move(read.window);
  return pool;
}

// One window over all of each plane.
Result<Pool> WholePlane(NodeContext& node) {
  Pool pool;
  AH_ASSIGN_OR_RETURN(pool.x, node.Tensor(0));
  const ValueType x = node.Type(pool.x);
  AH_RETURN_IF_ERROR(CheckSpatial(x));
  Window& window = pool.attributes.window;
  window.kernel = SpatialSizes(x.shape);
  const std::size_t axes = window.kernel.size();
  window.strides.assign(axes, 1);
  window.dilations.assign(axes, 1);
  window.pads_begin.assign(axes, 0);
  window.pads_end.assign(axes, 0);
  pool.attributes.dims.assign(axes, 1);
  return pool;
}

Status SetPooled(NodeContext& node, const Primitive& primitive, const Pool& pool,
                 kernels::Divisor divisor = kernels::Divisor::kOne) {
  Attributes attributes = pool.attributes;
  attributes.mode = static_cast<int>(divisor);
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {pool.x}, std::move(attributes)));
  node.SetOutput(y);
  return Ok();
}

Status MaxPool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Pool pool, ReadPool(node));
  AH_ASSIGN_OR_RETURN(const std::int64_t order, node.Int("storage_order", 0));
  AH_RETURN_IF_ERROR(SetPooled(node, primitives::kMaxPool, pool));
  if (!node.WantsOutput(1)) return Ok();
  Attributes attributes = pool.attributes;
  attributes.mode = order != 0 ? primitives::kColumnMajor : 0;
  AH_ASSIGN_OR_RETURN(const ValueId indices,
                      node.Emit(primitives::kMaxPoolIndices, {pool.x}, std::move(attributes)));
  node.SetOutput(1, indices);
  return Ok();
}

Status AveragePool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Pool pool, ReadPool(node));
  AH_ASSIGN_OR_RETURN(const std::int64_t padded, node.Int("count_include_pad", 0));
  return SetPooled(node, primitives::kAveragePool, pool,
                   padded != 0 ? kernels::Divisor::kPadded : kernels::Divisor::kInputs);
}

// s^(1/p). Where s is 0, so are the result and, unlike the power's own, the derivative: a window of
// zeros must not turn a gradient into NaN.
Result<ValueId> Root(NodeContext& node, ValueId s, std::int64_t p) {
  AH_ASSIGN_OR_RETURN(
      const ValueId exponent,
      node.builder().AddReals({}, {1.0F / static_cast<float>(p)}, node.Type(s).element));
  AH_ASSIGN_OR_RETURN(const ValueId positive,
                      node.Emit(primitives::kClip, {s},
                                {.alpha = std::numeric_limits<float>::min(),
                                 .beta = std::numeric_limits<double>::infinity()}));
  AH_ASSIGN_OR_RETURN(const ValueId root, node.Emit(primitives::kPow, {positive, exponent}));
  AH_ASSIGN_OR_RETURN(const ValueId is_positive, node.Emit(primitives::kSign, {s}));
  return node.Emit(primitives::kMul, {root, is_positive});
}

Status SetPowerPooled(NodeContext& node, Pool pool) {
  AH_ASSIGN_OR_RETURN(const std::int64_t p, node.Int("p", 2));
  constexpr std::int64_t kPowerMax = 64;
  if (p < 1 || p > kPowerMax) {
    return InvalidInput("p is " + std::to_string(p) + "; it must be from 1 to " +
                        std::to_string(kPowerMax));
  }
  AH_ASSIGN_OR_RETURN(ValueId y, node.Emit(primitives::kAbs, {pool.x}));
  if (p != 1) {
    AH_ASSIGN_OR_RETURN(const ValueId exponent,
                        node.builder().AddReals({}, {static_cast<float>(p)}, node.Type(y).element));
    AH_ASSIGN_OR_RETURN(y, node.Emit(primitives::kPow, {y, exponent}));
  }
  AH_ASSIGN_OR_RETURN(y, node.Emit(primitives::kAveragePool, {y}, pool.attributes));
  if (p != 1) {
    AH_ASSIGN_OR_RETURN(y, Root(node, y, p));
  }
  node.SetOutput(y);
  return Ok();
}

Status LpPool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(Pool pool, ReadPool(node));
  return SetPowerPooled(node, std::move(pool));
}

Status GlobalLpPool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(Pool pool, WholePlane(node));
  return SetPowerPooled(node, std::move(pool));
}

Status GlobalMaxPool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Pool pool, WholePlane(node));
  return SetPooled(node, primitives::kMaxPool, pool);
}

Status GlobalAveragePool(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Pool pool, WholePlane(node));
  return SetPooled(node, primitives::kAveragePool, pool, kernels::Divisor::kInputs);
}

constexpr OperatorDefinition kOperators[] = {
    {"MaxPool", kOpsetMin, kOpsetMax, 1, 1, &MaxPool},
    {"AveragePool", kOpsetMin, kOpsetMax, 1, 1, &AveragePool},
    {"LpPool", kOpsetMin, kOpsetMax, 1, 1, &LpPool},
    {"GlobalMaxPool", kOpsetMin, kOpsetMax, 1, 1, &GlobalMaxPool},
    {"GlobalAveragePool", kOpsetMin, kOpsetMax, 1, 1, &GlobalAveragePool},
    {"GlobalLpPool", kOpsetMin, kOpsetMax, 1, 1, &GlobalLpPool},
};

}  // namespace

std::span<const OperatorDefinition> PoolingOperators() { return kOperators; }

}  // namespace anchorhold::graph
