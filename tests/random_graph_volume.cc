// Networks for sequences of images or signals, each of which is convolved as if it were an
// example's own; and the transposed convolution, of any number of axes.
#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

// One of [N F, f] for each frame, to [N, f]: added up, or as a sequence.
Value OverFrames(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  switch (random.Between(0, 4)) {
    case 0:
      return {w.Reduce("ReduceSum", x.name, {1}, false), {x.sizes[1]}};
    case 1:
      return {w.Reduce("ReduceMean", x.name, {random.Chance(50) ? 1 : -2}, false), {x.sizes[1]}};
    case 2: {
      const std::string m = w.Reduce("ReduceMax", x.name, {1}, true);
      return {w.Node("Flatten", {m}), {x.sizes[1]}};
    }
    default:
      return SequenceNetwork(w, x);
  }
}

}  // namespace

Value TransposedConvolution(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  std::int64_t groups = 1;
  if (random.Chance(25)) groups = x.sizes[0] % 2 == 0 && random.Chance(50) ? 2 : x.sizes[0];
  const std::int64_t outputs = random.Between(1, groups > 1 ? 2 : 4);  // of a group
  const std::size_t n = SpatialAxes(x);
  Sizes weight = {x.sizes[0], outputs};
  Sizes sizes = {groups * outputs};
  Sizes kernel, strides, dilations, more;
  Sizes pads(2 * n);
  for (std::size_t k = 0; k < n; ++k) {
    kernel.push_back(random.Chance(40) ? 2 : random.Between(1, 3));
    strides.push_back(random.Between(1, 2));
    dilations.push_back(strides[k] == 1 && random.Chance(20) ? 2 : 1);
    more.push_back(strides[k] == 2 && random.Chance(30) ? 1 : 0);
    std::int64_t size = (x.sizes[k + 1] - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1;
    for (const std::size_t side : {k, n + k}) {
      if (size < 2 || !random.Chance(30)) continue;
      pads[side] = 1;
      --size;
    }
    sizes.push_back(size + more[k]);
    weight.push_back(kernel[k]);
  }
  std::vector<std::string> inputs = {x.name, w.LayerWeight(weight, x.sizes[0] / groups)};
  if (random.Chance(50)) inputs.push_back(w.Weight({groups * outputs}, 0.5F));
  const Attributes attributes = {Ints("kernel_shape", kernel), Ints("strides", strides),
                                 Ints("dilations", dilations), Ints("pads", pads),
                                 Ints("output_padding", more), Int("group", groups)};
  return {w.Node("ConvTranspose", inputs, attributes), sizes};
}

Value FramesNetwork(GraphWriter& w, Value x) {
  Random& random = w.random();
  const std::int64_t frames = x.sizes[0];
  const std::string input = x.name;
  Sizes images = {-1};
  images.insert(images.end(), x.sizes.begin() + 1, x.sizes.end());
  x = {w.Node("Reshape", {x.name, w.Integers(images)}), {images.begin() + 1, images.end()}};
  for (std::int64_t blocks = random.Between(1, 3); blocks > 0; --blocks) x = ImageBlock(w, x);
  if (random.Chance(40)) {
    x = {w.Node("Flatten", {w.Node("GlobalAveragePool", {x.name})}), {x.sizes[0]}};
  }
  // Of each frame on its own, before or after they are put together.
  const bool before = random.Chance(50);
  const bool narrow = Product(x.sizes) > 12 || random.Chance(30);
  if (before && narrow) {
    if (x.sizes.size() > 1) x = {w.Node("Flatten", {x.name}), {Product(x.sizes)}};
    x = w.Linear(x, random.Between(1, 6));
  }
  const Sizes all = {frames, Product(x.sizes)};
  const Sizes rest = {-1, all[0], all[1]};
  if (random.Chance(60)) {
    x = {w.Node("Reshape", {x.name, w.Integers(rest)}), all};
  } else {
    const std::string to =
        w.Node("Concat", {w.BatchSize(input), w.Integers(all)}, {Int("axis", 0)});
    x = {w.Node("Reshape", {x.name, to}), all};
  }
  if (!before && narrow) x = w.Linear(x, random.Between(1, 6));
  return OverFrames(w, x);
}

}  // namespace anchorhold::testing
