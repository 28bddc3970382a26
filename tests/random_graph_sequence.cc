// Networks for sequences [N, S, d]: attention in the forms in which exporters write it, recurrent
// layers, feed-forward blocks.
#include <cmath>

#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

struct Heads {
  std::int64_t count = 1;
  std::int64_t width = 1;
};

Heads DrawHeads(Random& random, std::int64_t width) {
  const std::int64_t count = width % 2 == 0 && random.Chance(70) ? 2 : 1;
  return {count, width / count};
}

// Scores [.., S, S] masked so that no position sees a later one, by adding or by choosing.
std::string CausalMask(GraphWriter& w, const std::string& scores, std::int64_t length) {
  const std::vector<float> ones(static_cast<std::size_t>(length * length), 1);
  const std::string all = w.Constant({length, length}, ones);
  if (w.opset() >= 14 && w.random().Chance(50)) {
    const std::string lower = w.Node("Trilu", {all}, {Int("upper", 0)});
    const std::string seen = w.Node("Cast", {lower}, {Int("to", onnx::TensorProto::BOOL)});
    return w.Node("Where", {seen, scores, w.Number(-1e4F)});
  }
  std::vector<float> mask(ones.size(), 0);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto n = static_cast<std::size_t>(length);
    if (i % n > i / n) mask[i] = -1e4F;
  }
  return w.Node("Add", {scores, w.Constant({length, length}, mask)});
}

std::string Weights(GraphWriter& w, std::string scores, const Heads& heads, std::int64_t length) {
  const float root = std::sqrt(static_cast<float>(heads.width));
  scores = w.random().Chance(50) ? w.Node("Div", {scores, w.Number(root)})
                                 : w.Node("Mul", {scores, w.Number(1 / root)});
  if (w.random().Chance(40)) scores = CausalMask(w, scores, length);
  return w.Node("Softmax", {scores}, {Int("axis", -1)});
}

// Through [N, H, S, d/H].
Value AttentionByHeads(GraphWriter& w, const Value& x) {
  const std::int64_t length = x.sizes[0];
  const Heads heads = DrawHeads(w.random(), x.sizes[1]);
  const auto project = [&](const Sizes& perm) {
    const std::string split =
        w.Reshape(w.Linear(x, x.sizes[1]).name, {length, heads.count, heads.width});
    return w.Node("Transpose", {split}, {Ints("perm", perm)});
  };
  const std::string q = project({0, 2, 1, 3});
  const std::string k = project({0, 2, 3, 1});
  const std::string v = project({0, 2, 1, 3});
  const std::string p = Weights(w, w.Node("MatMul", {q, k}), heads, length);
  const std::string o =
      w.Node("Transpose", {w.Node("MatMul", {p, v})}, {Ints("perm", {0, 2, 1, 3})});
  return {w.Reshape(o, x.sizes), x.sizes};
}

// Through [S, N H, d/H], as PyTorch does: the batch is the outer factor of an axis.
Value AttentionFolded(GraphWriter& w, const Value& x) {
  const std::int64_t length = x.sizes[0];
  const Heads heads = DrawHeads(w.random(), x.sizes[1]);
  const std::string turned = w.Node("Transpose", {x.name}, {Ints("perm", {1, 0, 2})});
  const std::string batch = w.BatchSize(turned, 1);
  const std::string rows = w.Node("Mul", {batch, w.Integers({heads.count})});
  const std::string target =
      w.Node("Concat", {w.Integers({length}), rows, w.Integers({heads.width})}, {Int("axis", 0)});
  const auto project = [&] {
    std::string y = w.Node("MatMul", {turned, w.LayerWeight({x.sizes[1], x.sizes[1]}, x.sizes[1])});
    y = w.Node("Add", {y, w.Weight({x.sizes[1]}, 0.5F)});
    return w.Node("Transpose", {w.Node("Reshape", {y, target})}, {Ints("perm", {1, 0, 2})});
  };
  const std::string q = project();
  const std::string k = w.Node("Transpose", {project()}, {Ints("perm", {0, 2, 1})});
  const std::string v = project();
  const std::string p = Weights(w, w.Node("MatMul", {q, k}), heads, length);
  const std::string o = w.Node("Transpose", {w.Node("MatMul", {p, v})}, {Ints("perm", {1, 0, 2})});
  const std::string joined =
      w.Node("Concat", {w.Integers({length}), batch, w.Integers({x.sizes[1]})}, {Int("axis", 0)});
  // The last projection through [S N, d]: the batch is the inner factor.
  const std::string flat = w.Node("Reshape", {o, w.Integers({-1, x.sizes[1]})});
  const std::string back =
      w.Node("Reshape", {w.Linear({flat, {x.sizes[1]}}, x.sizes[1]).name, joined});
  return {w.Node("Transpose", {back}, {Ints("perm", {1, 0, 2})}), x.sizes};
}

// One projection of [N S, d], split in three; products by Einsum.
Value AttentionByEinsum(GraphWriter& w, const Value& x) {
  const std::int64_t length = x.sizes[0];
  const std::int64_t width = x.sizes[1];
  const Heads heads = DrawHeads(w.random(), width);
  const std::string rows = w.Node("Reshape", {x.name, w.Integers({-1, width})});
  const std::string all = w.Linear({rows, {width}}, 3 * width).name;
  const std::string shape =
      w.Node("Concat", {w.BatchSize(x.name), w.Integers({length, 3 * width})}, {Int("axis", 0)});
  const auto parts =
      w.NodeOf(3, "Split", {w.Node("Reshape", {all, shape}), w.Integers({width, width, width})},
               {Int("axis", -1)});
  const auto split = [&](std::size_t i) {
    return w.Reshape(parts[i], {length, heads.count, heads.width});
  };
  const std::string scores =
      w.Node("Einsum", {split(0), split(1)}, {Text("equation", "bqhd,bkhd->bhqk")});
  const std::string p = Weights(w, scores, heads, length);
  const std::string o = w.Node("Einsum", {p, split(2)}, {Text("equation", "bhqk, bkhd -> bqhd")});
  return {w.Reshape(o, x.sizes), x.sizes};
}

// A recurrent layer over [S, N, d], forward, backward or both.
Value Recurrent(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::int64_t hidden = random.Between(1, 4);
  const bool lstm = random.Chance(50);
  const std::int64_t gates = lstm ? 4 : 3;
  const std::string direction =
      random.Pick<std::string>({"forward", "reverse", "bidirectional", "forward"});
  const std::int64_t directions = direction == "bidirectional" ? 2 : 1;
  std::vector<std::string> inputs = {
      w.Node("Transpose", {x.name}, {Ints("perm", {1, 0, 2})}),
      w.LayerWeight({directions, gates * hidden, x.sizes[1]}, x.sizes[1]),
      w.LayerWeight({directions, gates * hidden, hidden}, hidden)};
  if (random.Chance(70)) inputs.push_back(w.Weight({directions, 2 * gates * hidden}, 0.4F));
  Attributes attributes = {Int("hidden_size", hidden), Text("direction", direction)};
  if (!lstm) attributes.push_back(Int("linear_before_reset", random.Chance(50) ? 1 : 0));
  const auto outputs = w.NodeOf(2, lstm ? "LSTM" : "GRU", inputs, attributes);
  if (random.Chance(50)) {  // the last state of each direction
    const std::string turned = w.Node("Transpose", {outputs[1]}, {Ints("perm", {1, 0, 2})});
    return {w.Reshape(turned, {1, directions * hidden}), {1, directions * hidden}};
  }
  if (random.Chance(25)) {  // one time's
    const std::string time = w.Integers({random.Between(-x.sizes[0], x.sizes[0] - 1)}, true);
    const std::string state = w.Node("Gather", {outputs[0], time}, {Int("axis", 0)});
    const std::string turned = w.Node("Transpose", {state}, {Ints("perm", {1, 0, 2})});
    return {w.Reshape(turned, {1, directions * hidden}), {1, directions * hidden}};
  }
  const std::string turned = w.Node("Transpose", {outputs[0]}, {Ints("perm", {2, 0, 1, 3})});
  return {w.Reshape(turned, {x.sizes[0], directions * hidden}), {x.sizes[0], directions * hidden}};
}

Value FeedForward(GraphWriter& w, const Value& x) {
  const Value hidden = Activation(w, w.Linear(x, w.random().Between(2, 10)));
  return w.Linear(hidden, x.sizes[1]);
}

Value Attention(GraphWriter& w, const Value& x) {
  switch (w.random().Between(0, 2)) {
    case 0:
      return AttentionByHeads(w, x);
    case 1:
      return AttentionFolded(w, x);
    default:
      return AttentionByEinsum(w, x);
  }
}

Value WithPositions(GraphWriter& w, const Value& x) {
  return {w.Node("Add", {x.name, w.Weight({1, x.sizes[0], x.sizes[1]}, 0.5F)}), x.sizes};
}

// One weight by which all rows are multiplied, and some of them once more.
Value OneWeightTwice(GraphWriter& w, const Value& x) {
  const std::int64_t length = x.sizes[0];
  const std::string weight = w.LayerWeight({x.sizes[1], x.sizes[1]}, x.sizes[1]);
  const std::string all = w.Node("Tanh", {w.Node("MatMul", {x.name, weight})});
  const std::int64_t start = w.random().Between(0, length - 1);
  const std::int64_t end = w.random().Between(start + 1, length);
  const std::string some = w.Node("MatMul", {w.Slice(all, start, end, 1), weight});
  if (end - start == 1) return {w.Node("Add", {all, some}), x.sizes};
  return {w.Node("Concat", {all, some}, {Int("axis", 1)}), {length + end - start, x.sizes[1]}};
}

// [N, S, d] to [N, d]: the mean, the largest, the first, or all of them.
Value Pooled(GraphWriter& w, const Value& x) {
  switch (w.random().Between(0, 3)) {
    case 0:
      return {w.Reduce("ReduceMean", x.name, {1}, false), {x.sizes[1]}};
    case 1:
      return {w.Reduce("ReduceMax", x.name, {1}, false), {x.sizes[1]}};
    case 2:
      return {w.Node("Gather", {x.name, w.Integers({0}, true)}, {Int("axis", 1)}), {x.sizes[1]}};
    default:
      return {w.Node("Flatten", {x.name}), {Product(x.sizes)}};
  }
}

}  // namespace

Value SequenceNetwork(GraphWriter& w, Value x) {
  Random& random = w.random();
  if (random.Chance(60)) x = WithPositions(w, x);
  for (std::int64_t blocks = random.Between(0, 3); blocks > 0; --blocks) {
    switch (random.Between(0, 6)) {
      case 0:
        x = Recurrent(w, x);
        break;
      case 3:
        x = OneWeightTwice(w, x);
        break;
      case 1:
        x = Rearrangement(w, x, static_cast<std::size_t>(random.Between(0, 1)));
        break;
      case 2:
        x = Mixing(w, x);
        break;
      default: {
        const bool before = random.Chance(50);
        Value y = Attention(w, before ? Normalisation(w, x) : x);
        x = {w.Node("Add", {x.name, y.name}), x.sizes};
        y = FeedForward(w, Normalisation(w, x));
        x = {w.Node("Add", {x.name, y.name}), x.sizes};
      }
    }
    if (x.sizes[1] > 16) x = w.Linear(x, 6);
    if (x.sizes[0] > 12) x = {w.Slice(x.name, 1, 9, 1), {8, x.sizes[1]}};
  }
  return Pooled(w, x);
}

}  // namespace anchorhold::testing
