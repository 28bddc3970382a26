#include "trusted/graph/broadcasting.h"

#include <algorithm>

namespace anchorhold::graph {
namespace {

// The example axis as it is counted from the end, or -1.
int AxisFromEnd(const ValueType& type) {
  return type.has_examples() ? type.rank() - 1 - type.example_axis : -1;
}

std::int64_t SizeFromEnd(const ValueType& type, int from_end) {
  return from_end < type.rank() ? type.shape[static_cast<std::size_t>(type.rank() - 1 - from_end)]
                                : 1;
}

std::string Both(const ValueType& a, const ValueType& b) {
  return FormatType(a) + " and " + FormatType(b);
}

// Precondition: at least one has examples.
Status CheckExampleAxes(const ValueType& a, const ValueType& b) {
  const int at_a = AxisFromEnd(a);
  const int at_b = AxisFromEnd(b);
  if (at_a >= 0 && at_b >= 0) {
    if (at_a != at_b) {
      return PrivacyRefused("broadcasting " + Both(a, b) +
                            " pairs every example with every other, so examples would mix; "
                            "align the example axes with Reshape, for example to [-1, 1]");
    }
    if (a.multiplicity() != b.multiplicity()) {
      return InvalidInput("cannot broadcast " + Both(a, b) +
                          ": the example axes hold different numbers of rows for an example");
    }
    return Ok();
  }
  const ValueType& constant = at_a >= 0 ? b : a;
  const std::int64_t size = SizeFromEnd(constant, std::max(at_a, at_b));
  if (size != 1) {
    return PrivacyRefused("an axis of " + std::to_string(size) +
                          " numbers meets the example axis (" + Both(a, b) +
                          "), so an example's result would depend on its place in the batch; "
                          "give the constant size 1 there");
  }
  return Ok();
}

}  // namespace

Result<ValueType> BroadcastTypes(const ValueType& a, const ValueType& b) {
  if (a.element != b.element) {
    return InvalidInput("cannot combine " + Both(a, b) + ": the element types differ");
  }
  return BroadcastShapes(a, b);
}

Result<ValueType> BroadcastShapes(const ValueType& a, const ValueType& b) {
  if (a.has_examples() || b.has_examples()) AH_RETURN_IF_ERROR(CheckExampleAxes(a, b));
  const int rank = std::max(a.rank(), b.rank());
  ValueType out{{}, kNoExampleAxis, a.element};
  out.shape.resize(static_cast<std::size_t>(rank));
  for (int k = 0; k < rank; ++k) {
    const std::int64_t left = SizeFromEnd(a, k);
    const std::int64_t right = SizeFromEnd(b, k);
    if (left != right && left != 1 && right != 1) {
      return InvalidInput("cannot broadcast " + Both(a, b) + ": axes of size " +
                          std::to_string(left) + " and " + std::to_string(right) + " meet");
    }
    out.shape[static_cast<std::size_t>(rank - 1 - k)] = std::max(left, right);
  }
  const int from_end = std::max(AxisFromEnd(a), AxisFromEnd(b));
  if (from_end >= 0) out.example_axis = rank - 1 - from_end;
  return out;
}

}  // namespace anchorhold::graph
