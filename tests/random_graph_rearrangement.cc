// What moves, repeats, picks or joins numbers along an axis.
#include <algorithm>

#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

Value Padded(GraphWriter& w, const Value& x, std::size_t axis) {
  const std::size_t rank = x.sizes.size() + 1;
  const bool reflect = x.sizes[axis] > 2 && w.random().Chance(40);
  Sizes pads(2 * rank, 0);
  pads[axis + 1] = w.random().Between(0, 2);
  pads[rank + axis + 1] = 1;
  Value y = {"", x.sizes};
  y.sizes[axis] += pads[axis + 1] + 1;
  const Attributes mode = {
      Text("mode", reflect ? "reflect" : (w.random().Chance(30) ? "edge" : "constant"))};
  y.name = w.Node("Pad", {x.name, w.Integers(pads)}, mode);
  return y;
}

// Split in two and joined the other way round.
Value Swapped(GraphWriter& w, const Value& x, std::size_t axis) {
  const std::int64_t first = w.random().Between(1, x.sizes[axis] - 1);
  const Attributes along = {Int("axis", static_cast<std::int64_t>(axis) + 1)};
  const auto parts =
      w.NodeOf(2, "Split", {x.name, w.Integers({first, x.sizes[axis] - first})}, along);
  return {w.Node("Concat", {parts[1], parts[0]}, along), x.sizes};
}

Value Gathered(GraphWriter& w, const Value& x, std::size_t axis) {
  Value y = x;
  y.sizes[axis] = w.random().Between(1, x.sizes[axis] + 1);
  Sizes indices;
  for (std::int64_t i = 0; i < y.sizes[axis]; ++i) {
    indices.push_back(w.random().Between(-x.sizes[axis], x.sizes[axis] - 1));
  }
  y.name = w.Node("Gather", {x.name, w.Integers(indices)},
                  {Int("axis", static_cast<std::int64_t>(axis) + 1)});
  return y;
}

// A trained row in front, repeated for each example: a class token.
Value WithToken(GraphWriter& w, const Value& x, std::size_t axis) {
  Sizes token = x.sizes;
  token[axis] = 1;
  Sizes stored = token;
  stored.insert(stored.begin(), 1);
  const std::string shape =
      w.Node("Concat", {w.BatchSize(x.name), w.Integers(token)}, {Int("axis", 0)});
  const std::string repeated = w.Node("Expand", {w.Weight(stored, 0.9F), shape});
  Value y = x;
  ++y.sizes[axis];
  y.name = w.Node("Concat", {repeated, x.name}, {Int("axis", static_cast<std::int64_t>(axis) + 1)});
  return y;
}

Value Largest(GraphWriter& w, const Value& x, std::size_t axis) {
  Value y = x;
  y.sizes[axis] = w.random().Between(1, x.sizes[axis]);
  const Attributes which = {Int("axis", static_cast<std::int64_t>(axis) + 1),
                            Int("largest", w.random().Chance(70) ? 1 : 0)};
  y.name = w.NodeOf(2, "TopK", {x.name, w.Integers({y.sizes[axis]})}, which)[0];
  return y;
}

// Constants around several axes at once.
Value PaddedAround(GraphWriter& w, const Value& x) {
  const std::size_t rank = x.sizes.size() + 1;
  Sizes pads(2 * rank, 0);
  Value y = x;
  for (std::size_t k = 1; k < rank; ++k) {
    if (w.random().Chance(40)) continue;
    pads[k] = w.random().Between(0, 1);
    pads[rank + k] = w.random().Between(0, 1);
    y.sizes[k - 1] += pads[k] + pads[rank + k];
  }
  std::vector<std::string> inputs = {x.name, w.Integers(pads)};
  if (w.random().Chance(50)) inputs.push_back(w.Number(0.3F));
  y.name = w.Node("Pad", inputs);
  return y;
}

// Slices of one length, which may be one another's neighbours, overlap or be the same, some of them
// slices of slices; added up or side by side.
Value Sliced(GraphWriter& w, const Value& x, std::size_t axis) {
  Random& random = w.random();
  const auto k = static_cast<std::int64_t>(axis) + 1;
  const std::int64_t size = x.sizes[axis];
  const std::int64_t length = random.Between(1, std::max<std::int64_t>(1, size / 2));
  std::vector<std::string> parts;
  for (std::int64_t count = random.Between(2, 4); count > 0; --count) {
    const std::int64_t start = random.Between(0, size - length);
    std::string part;
    if (random.Chance(30)) {
      const std::int64_t before = random.Between(0, start);
      const std::string outer = w.Slice(x.name, before, random.Between(start + length, size), k);
      part = w.Slice(outer, start - before, start - before + length, k);
    } else {
      part = w.Slice(x.name, start, start + length, k);
    }
    parts.push_back(random.Chance(50) ? w.Node("Tanh", {part}) : part);
  }
  Value y = x;
  if (random.Chance(50)) {
    y.sizes[axis] = length * static_cast<std::int64_t>(parts.size());
    y.name = w.Node("Concat", parts, {Int("axis", k)});
    return y;
  }
  y.sizes[axis] = length;
  y.name = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) {
    y.name = w.Node(random.Chance(60) ? "Add" : "Sub", {y.name, parts[i]});
  }
  return y;
}

// Single places of an axis, the axis kept or left out, and those again side by side.
Value Picked(GraphWriter& w, const Value& x, std::size_t axis) {
  Random& random = w.random();
  const auto k = static_cast<std::int64_t>(axis) + 1;
  const Attributes along = {Int("axis", k)};
  std::vector<std::string> parts;
  for (std::int64_t count = random.Between(1, 3); count > 0; --count) {
    const std::int64_t place = random.Between(-x.sizes[axis], x.sizes[axis] - 1);
    const bool left_out = random.Chance(50);
    std::string part = w.Node("Gather", {x.name, w.Integers({place}, left_out)}, along);
    if (random.Chance(40)) part = w.Node("Tanh", {part});
    parts.push_back(left_out ? w.Unsqueeze(part, k) : part);
  }
  Value y = x;
  y.sizes[axis] = static_cast<std::int64_t>(parts.size());
  y.name = parts.size() == 1 ? parts[0] : w.Node("Concat", parts, along);
  return y;
}

// x, a function of it, and x again, in some order.
Value Joined(GraphWriter& w, const Value& x, std::size_t axis) {
  Random& random = w.random();
  std::vector<std::string> parts = {x.name, w.Node("Tanh", {x.name})};
  if (random.Chance(40)) parts.push_back(x.name);
  std::swap(parts[0], parts[static_cast<std::size_t>(random.Between(0, 1))]);
  Value y = x;
  y.sizes[axis] *= static_cast<std::int64_t>(parts.size());
  y.name = w.Node("Concat", parts, {Int("axis", static_cast<std::int64_t>(axis) + 1)});
  return y;
}

}  // namespace

Value Rearrangement(GraphWriter& w, const Value& x, std::size_t axis) {
  Random& random = w.random();
  const std::int64_t size = x.sizes[axis];
  const auto k = static_cast<std::int64_t>(axis) + 1;
  Value y = x;
  switch (random.Between(0, 12)) {
    case 9:
      return PaddedAround(w, x);
    case 10:
      return Sliced(w, x, axis);
    case 11:
      return Picked(w, x, axis);
    case 12:
      return Joined(w, x, axis);
    case 0:
      return Padded(w, x, axis);
    case 1:
      if (size > 1) return Swapped(w, x, axis);
      return x;
    case 2:
      return Gathered(w, x, axis);
    case 3:
      return WithToken(w, x, axis);
    case 4:
      return Largest(w, x, axis);
    case 5:  // backwards, all of it or every other
      if (size > 1 && random.Chance(50)) {
        y.sizes[axis] = (size + 1) / 2;
        y.name = w.Slice(x.name, -1, -1000, k, -2);
        return y;
      }
      y.name = w.Slice(x.name, size - 1, -1 - size, k, -1);
      return y;
    case 6: {
      const Attributes way = {Int("reverse", random.Chance(50) ? 1 : 0),
                              Int("exclusive", random.Chance(50) ? 1 : 0)};
      y.name = w.Node("CumSum", {x.name, w.Integers({k}, true)}, way);
      y.name = w.Node("Mul", {y.name, w.Number(1.0F / static_cast<float>(size))});
      return y;
    }
    case 7: {
      Sizes repeats(x.sizes.size() + 1, 1);
      repeats[axis + 1] = 2;
      y.sizes[axis] *= 2;
      y.name = w.Node("Tile", {x.name, w.Integers(repeats)});
      return y;
    }
    default: {
      const char* op = random.Chance(50) ? "Softmax" : "LogSoftmax";
      y.name = w.Node(op, {x.name}, {Int("axis", k)});
      return y;
    }
  }
}

}  // namespace anchorhold::testing
