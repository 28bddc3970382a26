// The type rule of broadcasting, which elementwise operations and the leading axes of MatMul share.
#pragma once

#include <span>

#include "shared/base/result.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::graph {

// The common type of two values, aligned at the last axis; size 1 (or a missing axis) repeats.
// kPrivacyRefused where the example axis would meet anything but itself:
//   another axis of examples     [B, 1] - [B]: every example would meet every other;
//   an axis of numbers           [B, 30] + [40, 30]: row j of the constant would belong to "the
//                                j-th example of the batch", which depends on the batch.
// kInvalidInput where other sizes or the element types do not fit.
Result<ValueType> BroadcastTypes(const ValueType& a, const ValueType& b);

// The same for element types that may differ; the result has a's.
Result<ValueType> BroadcastShapes(const ValueType& a, const ValueType& b);

}  // namespace anchorhold::graph
