// Softmax, LogSoftmax, Hardmax; LayerNormalization, RMSNormalization, GroupNormalization,
// InstanceNormalization, MeanVarianceNormalization, LpNormalization, LRN. BatchNormalization has a
// file of its own.
#include <algorithm>
#include <cmath>

#include "trusted/graph/node_context.h"
#include "trusted/graph/normalising.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"

namespace anchorhold::graph {
namespace {

using kernels::NormaliseMode;

// Before opset 13, all axes from `axis` on are one.
Status FlatSoftmax(NodeContext& node, const Primitive& primitive) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 1));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, in.rank()));
  if (in.example_axis >= axis) {
    return PrivacyRefused("works along the axes from " + std::to_string(axis) + " of " +
                          FormatType(in) +
                          ", the example axis among them, so examples would mix; normalise "
                          "a feature axis");
  }
  ValueType flat = in;
  flat.shape.resize(static_cast<std::size_t>(axis));
  flat.shape.push_back(static_cast<std::int64_t>(
      ElementCount(std::span(in.shape).subspan(static_cast<std::size_t>(axis)))));
  AH_ASSIGN_OR_RETURN(const ValueId lines, EmitReshape(node, x, flat));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {lines}, {.axis = axis}));
  AH_ASSIGN_OR_RETURN(const ValueId shaped, EmitReshape(node, y, in));
  node.SetOutput(shaped);
  return Ok();
}

template <const Primitive& primitive>
Status Softmax(NodeContext& node) {
  if (node.opset() < 13) return FlatSoftmax(node, primitive);
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitive, {x}, {.axis = axis}));
  node.SetOutput(y);
  return Ok();
}

// value * input 1 + input 2; input 2 may be absent. The inputs broadcast to value, not it to them.
Status SetScaled(NodeContext& node, ValueId value) {
  const Shape shape = node.Type(value).shape;
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    if (!node.Has(i)) continue;
    AH_ASSIGN_OR_RETURN(const ValueId factor, node.Tensor(i));
    const Primitive& primitive = i == 1 ? primitives::kMul : primitives::kAdd;
    AH_ASSIGN_OR_RETURN(value, node.Emit(primitive, {value, factor}));
    if (node.Type(value).shape != shape) {
      return InvalidInput("input " + std::to_string(i) + ", " + FormatType(node.Type(factor)) +
                          ", is larger than what is normalised");
    }
  }
  node.SetOutput(value);
  return Ok();
}

// The axes from the attribute `axis` on.
Result<std::vector<int>> LastAxes(NodeContext& node, ValueId x) {
  const int rank = node.Type(x).rank();
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, rank));
  return AxesFrom(axis, rank);
}

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, statistics over the axes from `axis`
// on. Outputs 1 and 2 are the mean and 1 / sqrt(variance + epsilon).
Status LayerNormalization(NodeContext& node) {
  node.IgnoreAttribute("stash_type");
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes, LastAxes(node, x));
  AH_ASSIGN_OR_RETURN(const float epsilon, Epsilon(node, 1e-5F));
  AH_ASSIGN_OR_RETURN(const ValueId standard,
                      NormaliseOver(node, x, {.axes = axes, .epsilon = epsilon}));
  AH_RETURN_IF_ERROR(SetScaled(node, standard));
  if (!node.WantsOutput(1) && !node.WantsOutput(2)) return Ok();
  AH_ASSIGN_OR_RETURN(const Moments moments, MomentsOver(node, x, axes));
  AH_ASSIGN_OR_RETURN(const ValueId inverse, InverseDeviation(node, moments.variance, epsilon));
  node.SetOutput(1, moments.mean);
  node.SetOutput(2, inverse);
  return Ok();
}

// y = x / sqrt(mean(x^2) + epsilon) * scale, the mean over the axes from `axis` on.
Status RmsNormalization(NodeContext& node) {
  node.IgnoreAttribute("stash_type");
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::vector<int> axes, LastAxes(node, x));
  AH_ASSIGN_OR_RETURN(const float epsilon, Epsilon(node, 1e-5F));
  AH_ASSIGN_OR_RETURN(
      const ValueId standard,
      NormaliseOver(node, x,
                    {.axes = axes, .mode = NormaliseMode::kRootMeanSquare, .epsilon = epsilon}));
  return SetScaled(node, standard);
}

// value * input 1 + input 2, each with `channels` numbers along axis 1.
Result<ValueId> ScaleChannels(NodeContext& node, ValueId value, std::int64_t channels) {
  const int rank = node.Type(value).rank();
  AH_ASSIGN_OR_RETURN(const ValueId scale, ChannelInput(node, 1, channels, rank));
  AH_ASSIGN_OR_RETURN(const ValueId bias, ChannelInput(node, 2, channels, rank));
  AH_ASSIGN_OR_RETURN(const ValueId scaled, node.Emit(primitives::kMul, {value, scale}));
  return node.Emit(primitives::kAdd, {scaled, bias});
}

Status CheckBatchFirst(const ValueType& in) {
  if (!in.has_examples() || in.example_axis == 0) return Ok();
  const std::string axis = std::to_string(in.example_axis);
  return PrivacyRefused("axis " + axis + " of " + FormatType(in) +
                        ", which holds channels or positions, is the example axis, and "
                        "normalising along it would mix examples; transpose the example axis to "
                        "the front");
}

// [N, C, ..], each channel normalised over its positions.
Status InstanceNormalization(NodeContext& node) {
  node.IgnoreAttribute("consumed_inputs");
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  if (in.rank() < 3) return InvalidInput("an input of rank 3 or more is needed");
  AH_RETURN_IF_ERROR(CheckBatchFirst(in));
  AH_ASSIGN_OR_RETURN(const float epsilon, Epsilon(node, 1e-5F));
  AH_ASSIGN_OR_RETURN(const ValueId standard,
                      NormaliseOver(node, x, {.axes = AxesFrom(2, in.rank()), .epsilon = epsilon}));
  AH_ASSIGN_OR_RETURN(const ValueId y, ScaleChannels(node, standard, in.shape[1]));
  node.SetOutput(y);
  return Ok();
}

// [N, C, ..], the channels in groups of neighbours, each group normalised over its channels and
// their positions. Scale and bias are by group before opset 21, by channel since.
Status GroupNormalization(NodeContext& node) {
  node.IgnoreAttribute("stash_type");
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  if (in.rank() < 2) return InvalidInput("an input of rank 2 or more is needed");
  AH_RETURN_IF_ERROR(CheckBatchFirst(in));
  AH_ASSIGN_OR_RETURN(const float epsilon, Epsilon(node, 1e-5F));
  AH_ASSIGN_OR_RETURN(const std::int64_t groups, node.Int("num_groups", 0));
  if (groups < 1 || in.shape[1] % groups != 0) {
    return InvalidInput("num_groups must divide the " + std::to_string(in.shape[1]) + " channels");
  }
  const auto size = static_cast<std::int64_t>(ElementCount(std::span(in.shape).subspan(1)));
  const ValueType grouped{{in.shape[0], groups, size / groups}, in.example_axis, in.element};
  AH_ASSIGN_OR_RETURN(const ValueId by_group, EmitReshape(node, x, grouped));
  AH_ASSIGN_OR_RETURN(ValueId y, NormaliseOver(node, by_group, {.axes = {2}, .epsilon = epsilon}));
  if (node.opset() < 21) {
    AH_ASSIGN_OR_RETURN(y, ScaleChannels(node, y, groups));
  }
  AH_ASSIGN_OR_RETURN(y, EmitReshape(node, y, in));
  if (node.opset() >= 21) {
    AH_ASSIGN_OR_RETURN(y, ScaleChannels(node, y, in.shape[1]));
  }
  node.SetOutput(y);
  return Ok();
}

// (x - mean) / (deviation + 1e-9), which differs from (x - mean) / sqrt(variance + 1e-18) only
// where the deviation is about as small as 1e-9; both give 0 where it is 0.
Status MeanVarianceNormalization(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  std::vector<std::int64_t> given{0, 2, 3};
  if (node.HasAttribute("axes")) {
    AH_ASSIGN_OR_RETURN(given, node.Ints("axes"));
  }
  std::vector<int> axes;
  for (const std::int64_t axis : given) {
    AH_ASSIGN_OR_RETURN(const int k, NormaliseAxis(axis, node.Type(x).rank()));
    axes.push_back(k);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  AH_ASSIGN_OR_RETURN(const ValueId y, NormaliseOver(node, x, {.axes = axes, .epsilon = 1e-18}));
  node.SetOutput(y);
  return Ok();
}

// y = x / |x|_p, 0 where the norm is. With n elements |x|_1 = n mean(|x|), |x|_2 = sqrt(n
// mean(x^2)).
Status LpNormalization(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", -1));
  AH_ASSIGN_OR_RETURN(const std::int64_t p, node.Int("p", 2));
  AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, node.Type(x).rank()));
  if (p != 1 && p != 2) return InvalidInput("p must be 1 or 2");
  const auto n = static_cast<double>(node.Type(x).shape[static_cast<std::size_t>(axis)]);
  const NormaliseMode mode = p == 1 ? NormaliseMode::kMeanAbsolute : NormaliseMode::kRootMeanSquare;
  AH_ASSIGN_OR_RETURN(const ValueId standard,
                      NormaliseOver(node, x, {.axes = {axis}, .mode = mode}));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kScale, {standard},
                                                 {.alpha = p == 1 ? 1 / n : 1 / std::sqrt(n)}));
  node.SetOutput(y);
  return Ok();
}

// The matrix [channels, channels] that sums over each channel's window, times `factor`.
Result<ValueId> ChannelWindows(NodeContext& node, std::int64_t channels, std::int64_t size,
                               float factor) {
  const auto n = static_cast<std::size_t>(channels);
  AH_RETURN_IF_ERROR(CheckedElementCount(Shape{channels, channels}));
  AH_RETURN_IF_ERROR(node.builder().CheckComputed(n * n));
  const std::int64_t before = (size - 1) / 2;
  const std::int64_t after = size - 1 - before;
  std::vector<float> band(n * n, 0);
  for (std::int64_t row = 0; row < channels; ++row) {
    const std::int64_t end = after < channels - row ? row + after + 1 : channels;
    for (std::int64_t column = row > before ? row - before : 0; column < end; ++column) {
      band[static_cast<std::size_t>(row * channels + column)] = factor;
    }
  }
  return node.builder().AddReals({channels, channels}, std::move(band));
}

// y = x / (bias + alpha / size * s)^beta with s the sum of x^2 over `size` channels around each.
// The sum is a product with a band matrix; z^-beta is exp(-beta ln z), bias being positive.
Status LocalResponseNormalization(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType in = node.Type(x);
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1e-4F));
  AH_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 0.75F));
  AH_ASSIGN_OR_RETURN(const float bias, node.Float("bias", 1));
  AH_ASSIGN_OR_RETURN(const std::int64_t size, node.Int("size", 0));
  if (in.rank() < 2) return InvalidInput("an input of rank 2 or more is needed");
  if (size < 1) return InvalidInput("size must be positive");
  if (!(bias > 0) || !(alpha >= 0) || !std::isfinite(beta)) {
    return Unsupported("alpha, beta and bias that may take the power of a negative number");
  }
  AH_RETURN_IF_ERROR(CheckBatchFirst(in));
  const auto positions = static_cast<std::int64_t>(ElementCount(std::span(in.shape).subspan(2)));
  const ValueType rows{{in.shape[0], in.shape[1], positions}, in.example_axis, in.element};
  AH_ASSIGN_OR_RETURN(const ValueId band,
                      ChannelWindows(node, in.shape[1], size, alpha / static_cast<float>(size)));
  AH_ASSIGN_OR_RETURN(const ValueId square, node.Emit(primitives::kMul, {x, x}));
  AH_ASSIGN_OR_RETURN(const ValueId by_channel, EmitReshape(node, square, rows));
  AH_ASSIGN_OR_RETURN(const ValueId sum, node.Emit(primitives::kMatMul, {band, by_channel}));
  AH_ASSIGN_OR_RETURN(const ValueId shift, ScalarLike(node, x, bias));
  AH_ASSIGN_OR_RETURN(const ValueId base, node.Emit(primitives::kAdd, {sum, shift}));
  AH_ASSIGN_OR_RETURN(const ValueId logarithm, node.Emit(primitives::kLog, {base}));
  AH_ASSIGN_OR_RETURN(const ValueId exponent, node.Emit(primitives::kScale, {logarithm},
                                                        {.alpha = -static_cast<double>(beta)}));
  AH_ASSIGN_OR_RETURN(const ValueId power, node.Emit(primitives::kExp, {exponent}));
  AH_ASSIGN_OR_RETURN(const ValueId factor, EmitReshape(node, power, in));
  AH_ASSIGN_OR_RETURN(const ValueId y, node.Emit(primitives::kMul, {x, factor}));
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Softmax", kOpsetMin, kOpsetMax, 1, 1, &Softmax<primitives::kSoftmax>},
    {"LogSoftmax", kOpsetMin, kOpsetMax, 1, 1, &Softmax<primitives::kLogSoftmax>},
    {"Hardmax", kOpsetMin, kOpsetMax, 1, 1, &Softmax<primitives::kHardmax>},
    {"BatchNormalization", kOpsetMin, kOpsetMax, 5, 5, &BatchNormalization},
    {"InstanceNormalization", kOpsetMin, kOpsetMax, 3, 3, &InstanceNormalization},
    {"GroupNormalization", 18, kOpsetMax, 3, 3, &GroupNormalization},
    {"LayerNormalization", 17, kOpsetMax, 2, 3, &LayerNormalization},
    {"RMSNormalization", 23, kOpsetMax, 2, 2, &RmsNormalization},
    {"MeanVarianceNormalization", 9, kOpsetMax, 1, 1, &MeanVarianceNormalization},
    {"LpNormalization", kOpsetMin, kOpsetMax, 1, 1, &LpNormalization},
    {"LRN", kOpsetMin, kOpsetMax, 1, 1, &LocalResponseNormalization},
};

}  // namespace

std::span<const OperatorDefinition> NormalisationOperators() { return kOperators; }

}  // namespace anchorhold::graph
