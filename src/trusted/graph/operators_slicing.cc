// Operators that take parts of a value or put something around it: Slice, Split, Pad. Slice and
// Split also serve shape integers.
#include <algorithm>
#include <limits>

#include "shared/base/limits.h"
#include "trusted/graph/names.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

Error BatchSizeAsNumber() {
  return PrivacyRefused(
      "the batch's size is used as a number, so a result would depend on how many examples there "
      "are; use the batch's size in shapes only");
}

// ---- Slice ----

// What Slice takes of one axis, as the node gives it.
struct Range {
  std::int64_t axis = 0;
  SymbolicInteger start{};
  SymbolicInteger end{};
  std::int64_t step = 1;
};

// The same for an axis of a certain size: `count` places from `first` on.
struct Places {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t step = 1;
};

constexpr int kSliceReadsInputs = 10;  // the opset since which the numbers are inputs

// Input `i`, or before opset 10 the attribute.
Result<Integers> SliceNumbers(NodeContext& node, std::size_t i, std::string_view attribute) {
  if (node.opset() >= kSliceReadsInputs) return node.IntegersOf(i);
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> given, node.Ints(attribute));
  Integers numbers;
  for (const std::int64_t number : given) numbers.values.push_back({number, false});
  return numbers;
}

Result<std::vector<Range>> ReadRanges(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers starts, SliceNumbers(node, 1, "starts"));
  AH_ASSIGN_OR_RETURN(const Integers ends, SliceNumbers(node, 2, "ends"));
  std::vector<std::int64_t> axes;
  std::vector<std::int64_t> steps(starts.values.size(), 1);
  if (node.Has(3)) {
    AH_ASSIGN_OR_RETURN(axes, node.ConstantIntegers(3));
  } else if (node.HasAttribute("axes")) {
    AH_ASSIGN_OR_RETURN(axes, node.Ints("axes"));
  } else {
    for (std::size_t k = 0; k < starts.values.size(); ++k) {
      axes.push_back(static_cast<std::int64_t>(k));
    }
  }
  if (node.Has(4)) {
    AH_ASSIGN_OR_RETURN(steps, node.ConstantIntegers(4));
  }
  const std::size_t count = starts.values.size();
  if (ends.values.size() != count || axes.size() != count || steps.size() != count) {
    return InvalidInput("starts, ends, axes and steps are of different lengths");
  }
  std::vector<Range> ranges;
  for (std::size_t k = 0; k < count; ++k) {
    if (steps[k] == 0) return InvalidInput("a slice with step 0");
    ranges.push_back({axes[k], starts.values[k], ends.values[k], steps[k]});
  }
  return ranges;
}

// Precondition: no number is the batch's size.
Places PlacesOf(const Range& range, std::int64_t size) {
  constexpr std::int64_t kFar = std::int64_t{1} << 40;  // over the size of any axis
  const std::int64_t step = std::clamp(range.step, -kFar, kFar);
  const auto clamp = [&](std::int64_t k) {
    const std::int64_t at = k < 0 ? std::max(k, -kFar) + size : k;
    return step > 0 ? std::clamp<std::int64_t>(at, 0, size)
                    : std::clamp<std::int64_t>(at, -1, size - 1);
  };
  const std::int64_t first = clamp(range.start.value);
  const std::int64_t end = clamp(range.end.value);
  const std::int64_t length = step > 0 ? end - first : first - end;
  const std::int64_t stride = step > 0 ? step : -step;
  return {first, length <= 0 ? 0 : (length - 1) / stride + 1, step};
}

// Whether the slice takes the example axis as it is, whatever the batch: [0:], or up to its size.
bool TakesAllExamples(const NodeContext& node, const Range& range, std::int64_t size) {
  if (range.step != 1 || range.start != SymbolicInteger{0, false}) return false;
  if (range.end.times_batch) return range.end.value == size;
  if (range.end.value >= std::numeric_limits<std::int32_t>::max()) return true;
  const std::int64_t declared = node.declared_batch();
  return declared > 0 && range.end.value % declared == 0 && range.end.value / declared == size;
}

Result<ValueId> SliceAxis(NodeContext& node, ValueId x, const Range& range) {
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(range.axis, type.rank()));
  const std::int64_t size = type.shape[static_cast<std::size_t>(axis)];
  if (axis == type.example_axis) {
    if (TakesAllExamples(node, range, size)) return x;
    return PrivacyRefused("slices the example axis of " + FormatType(type) +
                          ", so which examples count would depend on their place in the batch; "
                          "slice feature axes only");
  }
  if (range.start.times_batch || range.end.times_batch) return BatchSizeAsNumber();
  const Places places = PlacesOf(range, size);
  if (places.count == 0) return Unsupported("a slice without numbers");
  if (places.count == size && places.step > 0) return x;
  if (places.step == 1) {
    return node.Emit(primitives::kSlice, {x}, {.axis = axis, .dims = {places.first, places.count}});
  }
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(static_cast<std::size_t>(places.count)));
  std::vector<std::int64_t> indices;
  for (std::int64_t k = 0; k < places.count; ++k) indices.push_back(places.first + k * places.step);
  return GatherAlong(node, x, axis, std::move(indices));
}

Status SliceIntegers(NodeContext& node, const std::vector<Range>& ranges) {
  AH_ASSIGN_OR_RETURN(Integers list, node.IntegersOf(0));
  for (const Range& range : ranges) {
    AH_RETURN_IF_ERROR(NormaliseAxis(range.axis, list.scalar ? 0 : 1));
    if (range.start.times_batch || range.end.times_batch) return BatchSizeAsNumber();
    const Places places = PlacesOf(range, static_cast<std::int64_t>(list.values.size()));
    std::vector<SymbolicInteger> taken;
    for (std::int64_t k = 0; k < places.count; ++k) {
      taken.push_back(list.values[static_cast<std::size_t>(places.first + k * places.step)]);
    }
    list.values = std::move(taken);
  }
  node.SetOutput(std::move(list));
  return Ok();
}

Status Slice(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::vector<Range> ranges, ReadRanges(node));
  if (node.IsIntegers(0)) return SliceIntegers(node, ranges);
  AH_ASSIGN_OR_RETURN(ValueId x, node.Tensor(0));
  for (const Range& range : ranges) {
    AH_ASSIGN_OR_RETURN(x, SliceAxis(node, x, range));
  }
  node.SetOutput(x);
  return Ok();
}

// ---- Split ----

constexpr int kSplitReadsInputs = 13;
constexpr int kSplitCountsOutputs = 18;  // the opset since which the last part may be smaller

// The sizes of the parts of an axis.
Result<std::vector<std::int64_t>> PartSizes(NodeContext& node, std::int64_t size) {
  std::vector<std::int64_t> parts;
  if (node.HasAttribute("split")) {
    AH_ASSIGN_OR_RETURN(parts, node.Ints("split"));
  } else if (node.opset() >= kSplitReadsInputs && node.Has(1)) {
    AH_ASSIGN_OR_RETURN(parts, node.ConstantIntegers(1));
  }
  if (parts.empty()) {
    const auto outputs = static_cast<std::int64_t>(node.output_count());
    AH_ASSIGN_OR_RETURN(const std::int64_t count, node.Int("num_outputs", outputs));
    if (count < 1 || count > size) {
      return InvalidInput("an axis of size " + std::to_string(size) + " cannot be split into " +
                          std::to_string(count) + " parts");
    }
    if (node.opset() < kSplitCountsOutputs && size % count != 0) {
      return InvalidInput("an axis of size " + std::to_string(size) + " has no " +
                          std::to_string(count) + " equal parts");
    }
    parts.assign(static_cast<std::size_t>(count), (size + count - 1) / count);
    parts.back() = size - (count - 1) * parts.front();
  }
  std::int64_t left = size;
  for (const std::int64_t part : parts) {
    if (part < 0 || part > left) return InvalidInput("the parts do not add up to the axis");
    left -= part;
  }
  if (left != 0) return InvalidInput("the parts do not add up to the axis");
  return parts;
}

Status SplitIntegers(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> parts,
                      PartSizes(node, static_cast<std::int64_t>(list.values.size())));
  auto next = list.values.begin();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end = next + parts[i];
    node.SetOutput(i, Integers{false, {next, end}, list.element});
    next = end;
  }
  return Ok();
}

Status Split(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
  if (node.IsIntegers(0)) return SplitIntegers(node);
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, type.rank()));
  if (axis == type.example_axis) {
    return PrivacyRefused("splits along the example axis of " + FormatType(type) +
                          ", so which examples a part holds would depend on their place in the "
                          "batch; split along a feature axis");
  }
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> parts,
                      PartSizes(node, type.shape[static_cast<std::size_t>(axis)]));
  std::int64_t start = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] > 0 && node.WantsOutput(i)) {  // an empty part cannot be read
      AH_ASSIGN_OR_RETURN(const ValueId part, node.Emit(primitives::kSlice, {x},
                                                        {.axis = axis, .dims = {start, parts[i]}}));
      node.SetOutput(i, part);
    }
    start += parts[i];
  }
  return Ok();
}

// ---- Pad ----

constexpr int kPadReadsInputs = 11;

struct Pads {
  std::vector<std::int64_t> before;  // by axis; negative ones take away
  std::vector<std::int64_t> after;
};

Result<Pads> ReadPads(NodeContext& node, int rank) {
  std::vector<std::int64_t> given;
  if (node.opset() < kPadReadsInputs) {
    AH_ASSIGN_OR_RETURN(given, node.Ints("pads"));
  } else {
    AH_ASSIGN_OR_RETURN(given, node.ConstantIntegers(1));
  }
  std::vector<std::int64_t> axes;
  for (int k = 0; k < rank; ++k) axes.push_back(k);
  if (node.Has(3)) {
    AH_ASSIGN_OR_RETURN(axes, node.ConstantIntegers(3));
  }
  if (given.size() != 2 * axes.size()) {
    return InvalidInput(std::to_string(given.size()) + " pads for " + std::to_string(axes.size()) +
                        " axes; two for each are needed");
  }
  Pads pads{Shape(static_cast<std::size_t>(rank)), Shape(static_cast<std::size_t>(rank))};
  constexpr auto kMax = static_cast<std::int64_t>(limits::kTensorElementsMax);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(axes[k], rank));
    const std::int64_t before = given[k];
    const std::int64_t after = given[k + axes.size()];
    if (std::max(before, after) > kMax || std::min(before, after) < -kMax) {
      return LimitExceeded("a pad of too many numbers");
    }
    pads.before[static_cast<std::size_t>(axis)] = before;
    pads.after[static_cast<std::size_t>(axis)] = after;
  }
  return pads;
}

// The number to pad with, for constant padding.
Result<double> PadValue(NodeContext& node) {
  if (node.opset() < kPadReadsInputs) {
    AH_ASSIGN_OR_RETURN(const float value, node.Float("value", 0));
    return static_cast<double>(value);
  }
  if (!node.Has(2)) return 0.0;
  AH_ASSIGN_OR_RETURN(const NodeContext::Numbers value, node.ConstantNumbers(2));
  if (value.reals() && value.data.reals->size() == 1) {
    return static_cast<double>(value.data.reals->front());
  }
  if (!value.reals() && value.data.integers->size() == 1) {
    return static_cast<double>(value.data.integers->front());
  }
  return InvalidInput("the number to pad with is not a single one");
}

Result<ValueId> PadConstant(NodeContext& node, ValueId x, const Pads& pads, double value) {
  const int rank = node.Type(x).rank();
  Attributes attributes;
  attributes.alpha = value;
  attributes.dims.assign(2 * pads.before.size(), 0);
  bool any = false;
  for (int axis = 0; axis < rank; ++axis) {
    const auto k = static_cast<std::size_t>(axis);
    const std::int64_t size = node.Type(x).shape[k];
    const std::int64_t first = std::max<std::int64_t>(0, -pads.before[k]);
    const std::int64_t last = size - std::max<std::int64_t>(0, -pads.after[k]);
    if (last <= first) return Unsupported("a negative pad that leaves no number");
    if (last - first != size) {
      AH_ASSIGN_OR_RETURN(
          x, node.Emit(primitives::kSlice, {x}, {.axis = axis, .dims = {first, last - first}}));
    }
    attributes.dims[k] = std::max<std::int64_t>(0, pads.before[k]);
    attributes.dims[k + pads.before.size()] = std::max<std::int64_t>(0, pads.after[k]);
    any = any || pads.before[k] > 0 || pads.after[k] > 0;
  }
  return any ? node.Emit(primitives::kPad, {x}, std::move(attributes)) : Result<ValueId>(x);
}

enum class Border { kReflect, kEdge, kWrap };

// Where the number comes from that padding writes at place i of an axis of n, i outside it or not.
std::int64_t SourceOf(Border border, std::int64_t i, std::int64_t n) {
  if (border == Border::kEdge) return std::clamp<std::int64_t>(i, 0, n - 1);
  const std::int64_t period = border == Border::kWrap ? n : std::max<std::int64_t>(1, 2 * (n - 1));
  const std::int64_t at = (i % period + period) % period;
  return at < n ? at : period - at;
}

Result<ValueId> PadByBorder(NodeContext& node, ValueId x, const Pads& pads, Border border) {
  for (std::size_t k = 0; k < pads.before.size(); ++k) {
    if (pads.before[k] == 0 && pads.after[k] == 0) continue;
    const std::int64_t size = node.Type(x).shape[k];
    const std::int64_t count = pads.before[k] + size + pads.after[k];
    if (count < 1) return Unsupported("a negative pad that leaves no number");
    AH_RETURN_IF_ERROR(node.builder().CheckComputed(static_cast<std::size_t>(count)));
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < count; ++i) {
      places.push_back(SourceOf(border, i - pads.before[k], size));
    }
    AH_ASSIGN_OR_RETURN(x, GatherAlong(node, x, static_cast<int>(k), std::move(places)));
  }
  return x;
}

Status Pad(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::string mode, node.Text("mode", "constant"));
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(const Pads pads, ReadPads(node, type.rank()));
  if (type.has_examples()) {
    const auto k = static_cast<std::size_t>(type.example_axis);
    if (pads.before[k] != 0 || pads.after[k] != 0) {
      return PrivacyRefused("pads the example axis of " + FormatType(type) +
                            ", so a result would depend on how many examples there are; pad "
                            "feature axes only");
    }
  }
  AH_ASSIGN_OR_RETURN(const double value, PadValue(node));
  Result<ValueId> y = Unsupported("mode " + Quoted(mode) + " is not known");
  if (mode == "constant") y = PadConstant(node, x, pads, value);
  if (mode == "reflect") y = PadByBorder(node, x, pads, Border::kReflect);
  if (mode == "edge") y = PadByBorder(node, x, pads, Border::kEdge);
  if (mode == "wrap") y = PadByBorder(node, x, pads, Border::kWrap);
  if (!y.ok()) return y.error();
  node.SetOutput(*y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Slice", kOpsetMin, kSliceReadsInputs - 1, 1, 1, &Slice},
    {"Slice", kSliceReadsInputs, kOpsetMax, 3, 5, &Slice},
    {"Split", kOpsetMin, kOpsetMax, 1, 2, &Split},
    {"Pad", kOpsetMin, kPadReadsInputs - 1, 1, 1, &Pad},
    {"Pad", kPadReadsInputs, kOpsetMax, 2, 4, &Pad},
};

}  // namespace

std::span<const OperatorDefinition> SlicingOperators() { return kOperators; }

}  // namespace anchorhold::graph
