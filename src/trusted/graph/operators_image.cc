// Resize and Upsample, axis by axis: nearest is a Gather, the others a product with a matrix of
// weights (resampling.h). DepthToSpace and SpaceToDepth move blocks of b * b pixels between the
// channels and the plane.
#include <cmath>

#include "shared/base/limits.h"
#include "trusted/graph/emitter.h"
#include "trusted/graph/names.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/resampling.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

constexpr int kOpsetOfRegions = 11;  // Resize takes roi and sizes from here on
constexpr auto kSizeMax = static_cast<std::int64_t>(limits::kTensorElementsMax);

template <typename Choice>
struct Named {
  std::string_view name;
  Choice choice;
};

template <typename Choice, std::size_t n>
Result<Choice> ReadChoice(NodeContext& node, std::string_view attribute,
                          const Named<Choice> (&choices)[n]) {
  AH_ASSIGN_OR_RETURN(const std::string text, node.Text(attribute, choices[0].name));
  for (const Named<Choice>& named : choices) {
    if (named.name == text) return named.choice;
  }
  return Unsupported(std::string(attribute) + " is " + Quoted(text) + ", which is not supported");
}

constexpr Named<Method> kMethods[] = {
    {"nearest", Method::kNearest},
    {"linear", Method::kLinear},
    {"cubic", Method::kCubic},
    {"bilinear", Method::kLinear},
};
constexpr Named<Coordinates> kCoordinates[] = {
    {"half_pixel", Coordinates::kHalfPixel},
    {"half_pixel_symmetric", Coordinates::kHalfPixelSymmetric},
    {"pytorch_half_pixel", Coordinates::kPytorchHalfPixel},
    {"align_corners", Coordinates::kAlignCorners},
    {"asymmetric", Coordinates::kAsymmetric},
    {"tf_half_pixel_for_nn", Coordinates::kTfHalfPixelForNn},
    {"tf_crop_and_resize", Coordinates::kTfCropAndResize},
};
constexpr Named<Rounding> kRoundings[] = {
    {"round_prefer_floor", Rounding::kPreferFloor},
    {"round_prefer_ceil", Rounding::kPreferCeil},
    {"floor", Rounding::kFloor},
    {"ceil", Rounding::kCeil},
};
enum class Aspect : unsigned char { kStretch, kNotLarger, kNotSmaller };
constexpr Named<Aspect> kAspects[] = {
    {"stretch", Aspect::kStretch},
    {"not_larger", Aspect::kNotLarger},
    {"not_smaller", Aspect::kNotSmaller},
};

// What a Resize does to each axis of its input.
struct Plan {
  Resampling how;
  float extrapolation = 0;
  std::vector<ResampledAxis> axes;  // by axis of the input
  std::vector<int> listed;          // the axes that scales, sizes and the region speak of
};

Result<Plan> ReadMode(NodeContext& node, const ValueType& in) {
  Plan plan;
  AH_ASSIGN_OR_RETURN(plan.how.method, ReadChoice(node, "mode", kMethods));
  plan.how.coordinates = Coordinates::kAsymmetric;
  plan.how.rounding = Rounding::kByDirection;
  if (node.opset() >= kOpsetOfRegions) {
    AH_ASSIGN_OR_RETURN(plan.how.coordinates,
                        ReadChoice(node, "coordinate_transformation_mode", kCoordinates));
    AH_ASSIGN_OR_RETURN(plan.how.rounding, ReadChoice(node, "nearest_mode", kRoundings));
    AH_ASSIGN_OR_RETURN(const float cubic_a, node.Float("cubic_coeff_a", -0.75F));
    AH_ASSIGN_OR_RETURN(const std::int64_t antialias, node.Int("antialias", 0));
    AH_ASSIGN_OR_RETURN(const std::int64_t exclude, node.Int("exclude_outside", 0));
    AH_ASSIGN_OR_RETURN(plan.extrapolation, node.Float("extrapolation_value", 0));
    if (!std::isfinite(cubic_a)) return InvalidInput("cubic_coeff_a is not finite");
    plan.how.cubic_a = cubic_a;
    plan.how.antialias = antialias != 0;
    plan.how.exclude_outside = exclude != 0;
  }
  for (const std::int64_t size : in.shape) plan.axes.push_back({.in = size, .out = size});
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, node.Ints("axes"));
  for (int k = 0; axes.empty() && k < in.rank(); ++k) plan.listed.push_back(k);
  for (const std::int64_t axis : axes) {
    AH_ASSIGN_OR_RETURN(const int k, NormaliseAxis(axis, in.rank()));
    for (const int other : plan.listed) {
      if (other == k) return InvalidInput("an axis is named twice");
    }
    plan.listed.push_back(k);
  }
  return plan;
}

Status CheckLength(const char* what, std::size_t count, std::size_t needed) {
  if (count == needed) return Ok();
  return InvalidInput(std::string(what) + " has " + std::to_string(count) + " numbers; " +
                      std::to_string(needed) + " are needed");
}

Status ReadRegion(NodeContext& node, Plan& plan) {
  if (plan.how.coordinates != Coordinates::kTfCropAndResize) return Ok();
  AH_ASSIGN_OR_RETURN(const NodeContext::Floats region, node.ConstantFloats(1));
  const std::size_t count = plan.listed.size();
  AH_RETURN_IF_ERROR(CheckLength("roi", region.data->size(), 2 * count));
  for (const float number : *region.data) {
    if (!(std::abs(number) <= kRegionMax)) return InvalidInput("roi is beyond all measure");
  }
  for (std::size_t i = 0; i < count; ++i) {
    ResampledAxis& axis = plan.axes[static_cast<std::size_t>(plan.listed[i])];
    axis.region_begin = (*region.data)[i];
    axis.region_end = (*region.data)[i + count];
  }
  return Ok();
}

Status ApplyScales(const std::vector<float>& scales, Plan& plan) {
  AH_RETURN_IF_ERROR(CheckLength("scales", scales.size(), plan.listed.size()));
  for (std::size_t i = 0; i < scales.size(); ++i) {
    ResampledAxis& axis = plan.axes[static_cast<std::size_t>(plan.listed[i])];
    axis.scale = scales[i];
    // In float32, as the scale is: 0.7 of 10 is to be 7.
    const float out = static_cast<float>(axis.in) *
                      static_cast<float>(axis.region_end - axis.region_begin) * scales[i];
    if (!(scales[i] > 0) || !(out >= 1) || !(out <= static_cast<float>(kSizeMax))) {
      return InvalidInput("a scale of " + std::to_string(scales[i]) + " for an axis of size " +
                          std::to_string(axis.in));
    }
    const bool whole = axis.region_begin == 0 && axis.region_end == 1;
    if (scales[i] != 1.0F || !whole) axis.out = static_cast<std::int64_t>(out);
    // The least that resampling.h takes; a region can shrink the axis without the scale's help.
    if (axis.scale * 2 * static_cast<double>(axis.in) < 1) return InvalidInput("too small a scale");
  }
  return Ok();
}

// A size of the example axis is the batch's own, times the multiplicity, or, where the model
// declares its batch as a number, that number.
Result<std::int64_t> SizeOf(const NodeContext& node, SymbolicInteger size, bool example_axis,
                            std::int64_t in) {
  if (size.times_batch && !example_axis) {
    return PrivacyRefused(
        "resizes an axis to the batch's size, so a result would depend on how many examples there "
        "are; use a fixed size");
  }
  if (example_axis && !size.times_batch && node.declared_batch() > 0 &&
      size.value % node.declared_batch() == 0 && size.value / node.declared_batch() == in) {
    return in;
  }
  if (example_axis && !size.times_batch) {
    return PrivacyRefused(
        "resizes the example axis to a number of its own, so examples would mix; resize feature "
        "axes only");
  }
  if (size.value < 1 || size.value > kSizeMax) {
    return InvalidInput("a size of " + std::to_string(size.value));
  }
  return size.value;
}

Status ApplySizes(NodeContext& node, const ValueType& in, Plan& plan) {
  AH_ASSIGN_OR_RETURN(const Aspect aspect, ReadChoice(node, "keep_aspect_ratio_policy", kAspects));
  AH_ASSIGN_OR_RETURN(const Integers sizes, node.IntegersOf(3));
  AH_RETURN_IF_ERROR(CheckLength("sizes", sizes.values.size(), plan.listed.size()));
  double common = 0;
  for (std::size_t i = 0; i < plan.listed.size(); ++i) {
    ResampledAxis& axis = plan.axes[static_cast<std::size_t>(plan.listed[i])];
    AH_ASSIGN_OR_RETURN(axis.out,
                        SizeOf(node, sizes.values[i], plan.listed[i] == in.example_axis, axis.in));
    axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
    const bool better = aspect == Aspect::kNotLarger ? axis.scale < common : axis.scale > common;
    if (i == 0 || better) common = axis.scale;
  }
  if (aspect == Aspect::kStretch) return Ok();
  for (const int k : plan.listed) {
    ResampledAxis& axis = plan.axes[static_cast<std::size_t>(k)];
    const double out = std::floor(common * static_cast<double>(axis.in) + 0.5);
    if (out < 1 || out > static_cast<double>(kSizeMax)) {
      return InvalidInput("the aspect ratio leaves nothing of an axis of size " +
                          std::to_string(axis.in));
    }
    axis.scale = common;
    axis.out = static_cast<std::int64_t>(out);
  }
  return Ok();
}

bool LeavesAlone(const Plan& plan, const ResampledAxis& axis) {
  const bool whole = axis.region_begin == 0 && axis.region_end == 1;
  return axis.in == axis.out && axis.scale == 1 &&
         (whole || plan.how.coordinates != Coordinates::kTfCropAndResize);
}

// x as [.., in, after], times the weights [out, in], and back.
Result<ValueId> Interpolate(NodeContext& node, ValueId x, std::size_t k, const Plan& plan) {
  const ResampledAxis& axis = plan.axes[k];
  const ValueType in = node.Type(x);
  AH_RETURN_IF_ERROR(CheckedElementCount(Shape{axis.out, axis.in}));
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(static_cast<std::size_t>(axis.out * axis.in)));
  AH_ASSIGN_OR_RETURN(
      const ValueId weights,
      node.builder().AddReals({axis.out, axis.in}, ResamplingWeights(plan.how, axis), in.element));
  ValueType folded = in;
  folded.shape.resize(k + 1);
  folded.shape.push_back(
      static_cast<std::int64_t>(ElementCount(std::span(in.shape).subspan(k + 1))));
  AH_ASSIGN_OR_RETURN(const ValueId rows, EmitReshape(node, x, folded));
  AH_ASSIGN_OR_RETURN(const ValueId product, node.Emit(primitives::kMatMul, {weights, rows}));
  ValueType out = in;
  out.shape[k] = axis.out;
  return EmitReshape(node, product, out);
}

// Puts the given value where the axis reads outside.
Result<ValueId> Extrapolate(NodeContext& node, ValueId y, std::size_t k, const Plan& plan) {
  const ResampledAxis& axis = plan.axes[k];
  std::vector<float> added(static_cast<std::size_t>(axis.out));
  bool any = false;
  for (std::int64_t o = 0; o < axis.out; ++o) {
    if (!ReadsOutside(plan.how, axis, o)) continue;
    added[static_cast<std::size_t>(o)] = plan.extrapolation;
    any = true;
  }
  if (!any) return y;
  const ValueType type = node.Type(y);
  Shape shape(type.shape.size() - k, 1);
  shape[0] = axis.out;
  AH_ASSIGN_OR_RETURN(const ValueId constant,
                      node.builder().AddReals(std::move(shape), std::move(added), type.element));
  return node.Emit(primitives::kAdd, {y, constant});
}

Result<ValueId> ResizeAxis(NodeContext& node, ValueId x, std::size_t k, const Plan& plan) {
  const ValueType in = node.Type(x);
  const ResampledAxis& axis = plan.axes[k];
  if (in.example_axis == static_cast<int>(k)) {
    return PrivacyRefused("resizes the example axis of " + FormatType(in) +
                          ", so examples would mix; resize feature axes only");
  }
  const bool crops = plan.how.coordinates == Coordinates::kTfCropAndResize;
  if (plan.how.method == Method::kNearest && !crops) {
    AH_RETURN_IF_ERROR(node.builder().CheckComputed(static_cast<std::size_t>(axis.out)));
    AH_ASSIGN_OR_RETURN(const ValueId indices,
                        node.builder().AddIntegers({axis.out}, NearestInputs(plan.how, axis)));
    return node.Emit(primitives::kGather, {x, indices}, {.axis = static_cast<int>(k)});
  }
  if (in.example_axis > static_cast<int>(k)) {
    return Unsupported("the examples of " + FormatType(in) +
                       " lie behind an axis that is resized; transpose them to the front");
  }
  AH_ASSIGN_OR_RETURN(const ValueId y, Interpolate(node, x, k, plan));
  return Extrapolate(node, y, k, plan);
}

Status SetResized(NodeContext& node, ValueId x, const Plan& plan) {
  for (std::size_t k = 0; k < plan.axes.size(); ++k) {
    if (LeavesAlone(plan, plan.axes[k])) continue;
    AH_ASSIGN_OR_RETURN(x, ResizeAxis(node, x, k, plan));
  }
  node.SetOutput(x);
  return Ok();
}

// Scales as input `at`, or as the attribute of the oldest Upsample.
Status SetScaled(NodeContext& node, std::size_t at) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(Plan plan, ReadMode(node, node.Type(x)));
  AH_RETURN_IF_ERROR(ReadRegion(node, plan));
  if (node.Has(at)) {
    AH_ASSIGN_OR_RETURN(const NodeContext::Floats scales, node.ConstantFloats(at));
    AH_RETURN_IF_ERROR(ApplyScales(*scales.data, plan));
  } else {
    AH_ASSIGN_OR_RETURN(const std::vector<float> scales, node.Floats32("scales"));
    AH_RETURN_IF_ERROR(ApplyScales(scales, plan));
  }
  return SetResized(node, x, plan);
}

Status Upsample(NodeContext& node) { return SetScaled(node, 1); }

Status Resize(NodeContext& node) {
  if (node.opset() < kOpsetOfRegions) return SetScaled(node, 1);
  const auto given = [&](std::size_t i) { return node.Has(i) && !node.IsEmpty(i); };
  if (given(2) == given(3)) return InvalidInput("needs either scales or sizes");
  if (given(2)) {
    node.IgnoreAttribute("keep_aspect_ratio_policy");  // a matter of sizes
    return SetScaled(node, 2);
  }
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(Plan plan, ReadMode(node, in));
  AH_RETURN_IF_ERROR(ReadRegion(node, plan));
  AH_RETURN_IF_ERROR(ApplySizes(node, in, plan));
  return SetResized(node, x, plan);
}

struct Blocks {
  ValueId x = kNoValue;
  std::int64_t size = 1;
  std::int64_t batch = 1;
  std::int64_t channels = 1;
  std::int64_t height = 1;
  std::int64_t width = 1;
  int example_axis = kNoExampleAxis;
};

Result<Blocks> ReadBlocks(NodeContext& node) {
  Blocks blocks;
  AH_ASSIGN_OR_RETURN(blocks.x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(blocks.size, node.Int("blocksize", 0));
  const ValueType in = node.Type(blocks.x);
  constexpr std::size_t kImageAxes = 4;
  if (in.shape.size() != kImageAxes) {
    return InvalidInput("needs [batch, channels, height, width], and is given " + FormatType(in));
  }
  if (in.example_axis > 0) {
    return PrivacyRefused("axis " + std::to_string(in.example_axis) + " of " + FormatType(in) +
                          " holds the examples where blocks of channels and pixels are exchanged, "
                          "so examples would mix; keep the examples at axis 0");
  }
  constexpr std::int64_t kBlockMax = 1 << 14;
  if (blocks.size < 1 || blocks.size > kBlockMax) {
    return InvalidInput("blocksize is " + std::to_string(blocks.size));
  }
  blocks.batch = in.shape[0];
  blocks.channels = in.shape[1];
  blocks.height = in.shape[2];
  blocks.width = in.shape[3];
  blocks.example_axis = in.example_axis;
  return blocks;
}

Status SetRearranged(NodeContext& node, const Blocks& blocks, Shape split, Shape permutation,
                     Shape joined) {
  Emitter emit(node);
  const ValueId parts = emit.Reshape(blocks.x, std::move(split), blocks.example_axis);
  const ValueId moved = emit.Transpose(parts, std::move(permutation));
  const ValueId y = emit.Reshape(moved, std::move(joined), blocks.example_axis);
  AH_RETURN_IF_ERROR(emit.status());
  node.SetOutput(y);
  return Ok();
}

// DCR: channel (b1 b + b2) C' + c becomes pixel (b1, b2) of channel c; CRD: channel c b^2 + b1 b +
// b2 does.
Status DepthToSpace(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Blocks in, ReadBlocks(node));
  AH_ASSIGN_OR_RETURN(const std::string mode, node.Text("mode", "DCR"));
  if (mode != "DCR" && mode != "CRD") return InvalidInput("mode is " + Quoted(mode));
  const std::int64_t b = in.size;
  if (in.channels % (b * b) != 0) {
    return InvalidInput(std::to_string(in.channels) + " channels are not blocks of " +
                        std::to_string(b) + "x" + std::to_string(b));
  }
  const std::int64_t channels = in.channels / (b * b);
  const bool depth_first = mode == "DCR";
  Shape split = depth_first ? Shape{in.batch, b, b, channels, in.height, in.width}
                            : Shape{in.batch, channels, b, b, in.height, in.width};
  Shape permutation = depth_first ? Shape{0, 3, 4, 1, 5, 2} : Shape{0, 1, 4, 2, 5, 3};
  return SetRearranged(node, in, std::move(split), std::move(permutation),
                       {in.batch, channels, in.height * b, in.width * b});
}

Status SpaceToDepth(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Blocks in, ReadBlocks(node));
  const std::int64_t b = in.size;
  if (in.height % b != 0 || in.width % b != 0) {
    return InvalidInput("a plane of " + std::to_string(in.height) + "x" + std::to_string(in.width) +
                        " is not made of blocks of " + std::to_string(b) + "x" + std::to_string(b));
  }
  const std::int64_t height = in.height / b;
  const std::int64_t width = in.width / b;
  return SetRearranged(node, in, {in.batch, in.channels, height, b, width, b}, {0, 3, 5, 1, 2, 4},
                       {in.batch, in.channels * b * b, height, width});
}

constexpr int kUpsampleFirst = 7;
constexpr int kUpsampleLast = 9;
constexpr int kResizeFirst = 10;

constexpr OperatorDefinition kOperators[] = {
    {"Upsample", kUpsampleFirst, kUpsampleLast, 1, 2, &Upsample},
    {"Resize", kResizeFirst, kOpsetMax, 1, 4, &Resize},
    {"DepthToSpace", kOpsetMin, kOpsetMax, 1, 1, &DepthToSpace},
    {"SpaceToDepth", kOpsetMin, kOpsetMax, 1, 1, &SpaceToDepth},
};

}  // namespace

std::span<const OperatorDefinition> ImageOperators() { return kOperators; }

}  // namespace anchorhold::graph
