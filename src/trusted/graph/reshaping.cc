#include "trusted/graph/reshaping.h"

#include <algorithm>

#include "shared/base/limits.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

constexpr const char* kRemedy = "; keep the batch axis with -1 or 0 in its place";

// Sizes as far as they are known; `rest` is where the -1 stands, or -1.
struct Partial {
  ValueType type;
  int rest = -1;
};

Status PlaceExampleAxis(Partial& partial, int at) {
  if (partial.type.has_examples()) {
    return PrivacyRefused("the target shape uses the batch's size twice" + std::string(kRemedy));
  }
  partial.type.example_axis = at;
  return Ok();
}

Result<Partial> ReadTarget(const ValueType& in, const ReshapeTarget& target) {
  Partial partial;
  for (int k = 0; k < static_cast<int>(target.sizes.size()); ++k) {
    const SymbolicInteger size = target.sizes[static_cast<std::size_t>(k)];
    std::int64_t known = size.value;
    if (size.times_batch) {
      AH_RETURN_IF_ERROR(PlaceExampleAxis(partial, k));
    } else if (known == 0 && !target.allow_zero) {
      if (k >= in.rank()) return InvalidInput("the target shape copies an axis that is not there");
      known = in.shape[static_cast<std::size_t>(k)];
      if (k == in.example_axis) AH_RETURN_IF_ERROR(PlaceExampleAxis(partial, k));
    } else if (known == -1) {
      if (partial.rest >= 0) return InvalidInput("the target shape has -1 twice");
      partial.rest = k;
      known = 1;
    }
    partial.type.shape.push_back(known);
  }
  return partial;
}

// A target of numbers alone, for an input whose batch size is declared as the number `batch`. The
// axis that begins where the examples do is theirs, or else one that also takes in what lies before
// them.
Status PlaceDeclaredBatch(const ValueType& in, std::int64_t batch, Partial& partial) {
  ValueType& to = partial.type;
  for (const bool takes_in : {false, true}) {
    for (std::size_t k = 0; batch > 0 && k < to.shape.size(); ++k) {
      if (to.shape[k] % batch != 0) continue;
      to.shape[k] /= batch;
      to.example_axis = static_cast<int>(k);
      const std::int64_t outer = OuterAfterReshape(in, to);
      if (outer == 1 || (takes_in && outer != 0)) return Ok();
      to.shape[k] *= batch;
      to.example_axis = kNoExampleAxis;
    }
  }
  return PrivacyRefused("the target shape " + FormatShape(partial.type.shape) + " of " +
                        FormatType(in) + " has no axis for the batch, so examples would mix" +
                        kRemedy);
}

}  // namespace

Result<ValueType> ResolveReshape(const ValueType& in, const ReshapeTarget& target) {
  if (target.sizes.size() > limits::kTensorRankMax) {
    return LimitExceeded("a target shape of " + std::to_string(target.sizes.size()) + " axes");
  }
  AH_ASSIGN_OR_RETURN(Partial partial, ReadTarget(in, target));
  ValueType& type = partial.type;
  type.element = in.element;
  if (!in.has_examples() && type.has_examples()) {
    return PrivacyRefused("a constant is given the batch's size as an axis");
  }
  AH_ASSIGN_OR_RETURN(const std::size_t known, CheckedElementCount(type.shape));
  if (in.has_examples() && !type.has_examples()) {
    if (partial.rest >= 0) {
      type.example_axis = partial.rest;
    } else {
      AH_RETURN_IF_ERROR(PlaceDeclaredBatch(in, target.declared_batch, partial));
    }
  }
  if (partial.rest < 0) return type;
  const std::size_t size = ElementCount(in.shape);
  if (size % known != 0) {
    if (type.has_examples()) {
      return PrivacyRefused("the target shape joins numbers of different examples of " +
                            FormatType(in) + ": an example has " + std::to_string(size) +
                            " numbers, not a multiple of " + std::to_string(known) + kRemedy);
    }
    return InvalidInput("cannot reshape " + FormatType(in) + ": " + std::to_string(size) +
                        " elements are not a multiple of " + std::to_string(known));
  }
  type.shape[static_cast<std::size_t>(partial.rest)] = static_cast<std::int64_t>(size / known);
  return type;
}

Result<ValueId> EmitReshape(NodeContext& node, ValueId value, ValueType to, bool named) {
  const ValueType in = node.Type(value);
  to.element = in.element;
  if (in.has_examples() && to.has_examples()) {
    to.outer = std::max<std::int64_t>(1, OuterAfterReshape(in, to));
  }
  if (in == to) return value;
  if (!named && in.has_examples() && to.has_examples() && in.example_axis != to.example_axis &&
      to.multiplicity() / to.outer > in.multiplicity() / in.outer) {
    return PrivacyRefused("reshaping " + FormatType(in) + " to " + FormatType(to) +
                          " makes features of the batch axis, so examples would mix" + kRemedy);
  }
  return node.Emit(primitives::kReshape, {value},
                   {.dims = to.shape, .example_axis = to.example_axis});
}

Result<ValueId> DropAxes(NodeContext& node, ValueId value, const std::vector<int>& axes) {
  const ValueType in = node.Type(value);
  ValueType to;
  for (int k = 0; k < in.rank(); ++k) {
    const std::int64_t size = in.shape[static_cast<std::size_t>(k)];
    if (std::find(axes.begin(), axes.end(), k) == axes.end()) {
      if (k == in.example_axis) to.example_axis = to.rank();
      to.shape.push_back(size);
      continue;
    }
    if (k == in.example_axis) {
      return PrivacyRefused("axis " + std::to_string(k) + " of " + FormatType(in) +
                            " is the example axis and cannot be dropped; name other axes");
    }
    if (size != 1) {
      return InvalidInput("axis " + std::to_string(k) + " of " + FormatType(in) +
                          " has not size 1 and cannot be dropped");
    }
  }
  return EmitReshape(node, value, to);
}

Result<ValueId> BroadcastValue(NodeContext& node, ValueId value, const ValueType& to) {
  const ValueType in = node.Type(value);
  if (in.shape == to.shape && in.example_axis == to.example_axis) return value;
  return node.Emit(primitives::kBroadcastTo, {value},
                   {.dims = to.shape, .example_axis = to.example_axis});
}

Result<ValueId> GatherAlong(NodeContext& node, ValueId value, int axis,
                            std::vector<std::int64_t> places) {
  const auto count = static_cast<std::int64_t>(places.size());
  AH_ASSIGN_OR_RETURN(const ValueId indices,
                      node.builder().AddIntegers({count}, std::move(places)));
  return node.Emit(primitives::kGather, {value, indices}, {.axis = axis});
}

Result<std::int64_t> CheckIndex(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) {
    return InvalidInput("index " + std::to_string(index) + " is out of range: the axis has size " +
                        std::to_string(size));
  }
  return index < 0 ? index + size : index;
}

}  // namespace anchorhold::graph
