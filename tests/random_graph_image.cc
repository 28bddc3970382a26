// Networks for images [N, C, H, W], signals [N, C, L] and volumes [N, C, D, H, W]: convolutions,
// pooling, normalisation, residual, joined and gated branches.
#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

constexpr std::int64_t kChannelsMax = 8;
constexpr std::int64_t kSideMax = 9;

// What Conv and the poolings do along one spatial axis.
struct Geometry {
  Sizes kernel, strides, dilations, pads;  // pads: begins, then ends
  Sizes out;
};

// Kernels that fit the image; `pooling` pads by less than the kernel, so that every window has
// something to pool. Convolutions may have windows of padding alone.
Geometry DrawGeometry(Random& random, const Value& x, bool pooling) {
  Geometry g;
  const bool wide = random.Chance(20);
  const std::size_t n = SpatialAxes(x);
  g.pads.resize(2 * n);
  for (std::size_t k = 0; k < n; ++k) {
    const std::int64_t side = x.sizes[k + 1];
    const std::int64_t kernel = random.Between(1, std::min<std::int64_t>(3, side));
    const bool dilates = kernel > 1 && side > 2 * (kernel - 1) && random.Chance(25);
    const std::int64_t dilation = !pooling && dilates ? 2 : 1;
    const std::int64_t stride = side > 3 && random.Chance(40) ? 2 : 1;
    const std::int64_t pad_max = pooling ? kernel - 1 : (wide ? 2 : 1);
    g.pads[k] = random.Between(0, pad_max);
    g.pads[n + k] = random.Between(0, pad_max);
    const std::int64_t reach = dilation * (kernel - 1) + 1;
    g.kernel.push_back(kernel);
    g.dilations.push_back(dilation);
    g.strides.push_back(stride);
    g.out.push_back((side + g.pads[k] + g.pads[n + k] - reach) / stride + 1);
  }
  return g;
}

Attributes ToAttributes(const Geometry& g, bool dilated) {
  Attributes out = {Ints("kernel_shape", g.kernel), Ints("strides", g.strides),
                    Ints("pads", g.pads)};
  if (dilated) out.push_back(Ints("dilations", g.dilations));
  return out;
}

Value Convolution(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::int64_t channels = x.sizes[0];
  std::int64_t groups = 1;
  std::int64_t outputs = random.Between(1, kChannelsMax);
  if (random.Chance(30)) {  // depthwise, or two groups
    groups = channels % 2 == 0 && random.Chance(50) ? 2 : channels;
    outputs = groups * random.Between(1, std::max<std::int64_t>(1, kChannelsMax / groups));
  }
  Geometry g = DrawGeometry(random, x, false);
  Sizes weight = {outputs, channels / groups};
  weight.insert(weight.end(), g.kernel.begin(), g.kernel.end());
  std::vector<std::string> inputs = {x.name, w.LayerWeight(weight, Product(weight) / outputs)};
  if (random.Chance(60)) inputs.push_back(w.Weight({outputs}, 0.5F));
  Attributes attributes = ToAttributes(g, true);
  if (random.Chance(20)) {
    attributes = {Ints("strides", g.strides),
                  Text("auto_pad", random.Chance(50) ? "SAME_UPPER" : "SAME_LOWER")};
    for (std::size_t k = 0; k < g.out.size(); ++k) {
      g.out[k] = (x.sizes[k + 1] + g.strides[k] - 1) / g.strides[k];
    }
  }
  attributes.push_back(Int("group", groups));
  Value y = {w.Node("Conv", inputs, attributes), {outputs}};
  y.sizes.insert(y.sizes.end(), g.out.begin(), g.out.end());
  return y;
}

Value Pooling(GraphWriter& w, const Value& x) {
  const Geometry g = DrawGeometry(w.random(), x, true);
  Attributes attributes = ToAttributes(g, false);
  const bool average = w.random().Chance(50);
  if (average) attributes.push_back(Int("count_include_pad", w.random().Chance(50) ? 1 : 0));
  Value y = {w.Node(average ? "AveragePool" : "MaxPool", {x.name}, attributes), {x.sizes[0]}};
  y.sizes.insert(y.sizes.end(), g.out.begin(), g.out.end());
  return y;
}

std::string BatchNormalization(GraphWriter& w, const Value& x) {
  const Sizes c = {x.sizes[0]};
  return w.Node("BatchNormalization",
                {x.name, w.WeightIn(c, 0.5F, 1.5F), w.Weight(c, 0.5F), w.WeightIn(c, -0.3F, 0.3F),
                 w.WeightIn(c, 0.5F, 2)},
                {Float("epsilon", 0.001F)});
}

// GroupNormalization from InstanceNormalization, as exporters write it; scaled by channel.
std::string GroupNormalization(GraphWriter& w, const Value& x, std::int64_t groups) {
  const std::vector<float> ones(static_cast<std::size_t>(groups), 1);
  const std::vector<float> zeros(static_cast<std::size_t>(groups), 0);
  const std::string folded = w.Node("Reshape", {x.name, w.Integers({0, groups, -1})});
  const std::string normal = w.Node(
      "InstanceNormalization", {folded, w.Constant({groups}, ones), w.Constant({groups}, zeros)},
      {Float("epsilon", 0.01F)});
  const std::string back = w.Node("Reshape", {normal, w.Node("Shape", {x.name})});
  Sizes channels(x.sizes.size(), 1);
  channels[0] = x.sizes[0];
  const std::string scaled = w.Node("Mul", {back, w.WeightIn(channels, 0.5F, 1.5F)});
  return w.Node("Add", {scaled, w.Weight(channels, 0.5F)});
}

Value ChannelNormalisation(GraphWriter& w, const Value& x) {
  const Sizes c = {x.sizes[0]};
  // Of one number alone, the deviation is zero.
  const bool spread = Product(x.sizes) >= 4 * x.sizes[0];
  switch (w.random().Between(0, 3)) {
    case 0:
      if (!spread) break;
      return {
          w.Node("InstanceNormalization", {x.name, w.WeightIn(c, 0.5F, 1.5F), w.Weight(c, 0.5F)},
                 {Float("epsilon", 0.01F)}),
          x.sizes};
    case 1:
      if (!spread) break;
      if (w.opset() >= 21) {
        return {w.Node("GroupNormalization", {x.name, w.WeightIn(c, 0.5F, 1.5F), w.Weight(c, 0.5F)},
                       {Int("num_groups", x.sizes[0] % 2 == 0 ? 2 : 1), Float("epsilon", 0.01F)}),
                x.sizes};
      }
      return {GroupNormalization(w, x, x.sizes[0] % 2 == 0 ? 2 : 1), x.sizes};
    default:
      break;
  }
  return {BatchNormalization(w, x), x.sizes};
}

Value Resized(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const bool linear = random.Chance(50);
  Value y = x;
  std::vector<float> scales = {1, 1};
  for (std::size_t k = 1; k < x.sizes.size(); ++k) {
    scales.push_back(2);
    y.sizes[k] *= 2;
  }
  Attributes attributes = {Text("mode", linear ? "linear" : "nearest")};
  attributes.push_back(
      Text("coordinate_transformation_mode",
           linear ? (random.Chance(50) ? "half_pixel" : "align_corners") : "asymmetric"));
  if (!linear) attributes.push_back(Text("nearest_mode", "floor"));
  const auto count = static_cast<std::int64_t>(scales.size());
  y.name = w.Node("Resize", {x.name, "", w.Constant({count}, scales)}, attributes);
  return y;
}

// Global pooling, two small layers, a factor for each channel.
Value SqueezeAndExcite(GraphWriter& w, const Value& x) {
  Value pooled = {w.Node("Flatten", {w.Node("GlobalAveragePool", {x.name})}), {x.sizes[0]}};
  pooled = w.Linear(Activation(w, w.Linear(pooled, 2)), x.sizes[0]);
  Sizes channels(x.sizes.size(), 1);
  channels[0] = x.sizes[0];
  const std::string gate = w.Reshape(w.Node("Sigmoid", {pooled.name}), channels);
  return {w.Node("Mul", {x.name, gate}), x.sizes};
}

Value Residual(GraphWriter& w, const Value& x) {
  Sizes weight = {x.sizes[0], x.sizes[0]};
  weight.resize(x.sizes.size() + 1, 3);
  const Attributes same = {Ints("pads", Sizes(2 * SpatialAxes(x), 1)),
                           Ints("kernel_shape", Sizes(SpatialAxes(x), 3))};
  Value y = ChannelNormalisation(w, x);
  y = Activation(w, y);
  y.name = w.Node("Conv", {y.name, w.LayerWeight(weight, Product(weight) / x.sizes[0])}, same);
  return {w.Node("Add", {x.name, y.name}), x.sizes};
}

Value ChannelsAndSpace(GraphWriter& w, const Value& x) {
  if (SpatialAxes(x) != 2 || w.random().Chance(40)) {
    const auto last = static_cast<std::int64_t>(SpatialAxes(x));
    return Rearrangement(w, x, static_cast<std::size_t>(w.random().Between(0, last)));
  }
  Value y = x;
  if (x.sizes[1] % 2 == 0 && x.sizes[2] % 2 == 0 && x.sizes[0] <= 4) {
    y.sizes = {x.sizes[0] * 4, x.sizes[1] / 2, x.sizes[2] / 2};
    y.name = w.Node("SpaceToDepth", {x.name}, {Int("blocksize", 2)});
  } else if (x.sizes[0] % 4 == 0) {
    y.sizes = {x.sizes[0] / 4, x.sizes[1] * 2, x.sizes[2] * 2};
    y.name = w.Node("DepthToSpace", {x.name},
                    {Int("blocksize", 2), Text("mode", w.random().Chance(50) ? "DCR" : "CRD")});
  }
  return y;
}

bool Small(const Value& x) {
  for (std::size_t k = 1; k < x.sizes.size(); ++k) {
    if (x.sizes[k] * 2 > kSideMax) return false;
  }
  return true;
}

// As networks with dense connections have it: the channels behind each other.
Value JoinedChannels(GraphWriter& w, const Value& x) {
  Value y = ChannelNormalisation(w, x);
  if (w.random().Chance(60)) y = Activation(w, y);
  std::vector<std::string> parts = {x.name, y.name};
  if (w.random().Chance(30)) parts.push_back(x.name);
  const auto channels = static_cast<std::int64_t>(parts.size()) * x.sizes[0];
  y = {w.Node("Concat", parts, {Int("axis", 1)}), x.sizes};
  y.sizes[0] = channels;
  return y;
}

// [N, C, ..] to [N, f].
Value Globally(GraphWriter& w, const Value& x) {
  Sizes axes;
  for (std::size_t k = 1; k < x.sizes.size(); ++k) axes.push_back(static_cast<std::int64_t>(k) + 1);
  switch (w.random().Between(0, 5)) {
    case 0:
      return {w.Reduce("ReduceMax", x.name, axes, false), {x.sizes[0]}};
    case 1:
      return {w.Node("Flatten", {w.Node("GlobalMaxPool", {x.name})}), {x.sizes[0]}};
    case 2:
      return {w.Reduce("ReduceMean", x.name, axes, false), {x.sizes[0]}};
    default:
      return {w.Node("Flatten", {w.Node("GlobalAveragePool", {x.name})}), {x.sizes[0]}};
  }
}

}  // namespace

Value ImageBlock(GraphWriter& w, Value x) {
  Random& random = w.random();
  switch (random.Between(0, 10)) {
    case 0:
      x = Pooling(w, x);
      break;
    case 1:
      x = ChannelNormalisation(w, x);
      break;
    case 2:
      x = Small(x) ? Resized(w, x) : x;
      break;
    case 3:
      x = SqueezeAndExcite(w, x);
      break;
    case 4:
      x = Residual(w, x);
      break;
    case 5:
      x = Small(x) ? TransposedConvolution(w, x) : x;
      break;
    case 6:
      x = ChannelsAndSpace(w, x);
      break;
    case 7:
      x = JoinedChannels(w, x);
      break;
    default:
      x = Activation(w, Convolution(w, x));
  }
  if (x.sizes[0] > kChannelsMax * 2 || Product(x.sizes) > 1000) x = Pooling(w, Convolution(w, x));
  return x;
}

Value ImageNetwork(GraphWriter& w, Value x) {
  Random& random = w.random();
  for (std::int64_t blocks = random.Between(2, 5); blocks > 0; --blocks) x = ImageBlock(w, x);
  if (random.Chance(50)) return Globally(w, x);
  if (random.Chance(50)) return {w.Node("Flatten", {x.name}), {Product(x.sizes)}};
  return {w.Reshape(x.name, {Product(x.sizes)}), {Product(x.sizes)}};
}

}  // namespace anchorhold::testing
