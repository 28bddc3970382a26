// Parts that networks of every kind are made of, and the networks for tables.
#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

std::string SquarePlusOne(GraphWriter& w, const std::string& x) {
  const std::string square =
      w.random().Chance(50) ? w.Node("Mul", {x, x}) : w.Node("Pow", {x, w.Number(2)});
  return w.Node("Add", {square, w.Number(1)});
}

// As exporters write it before opset 20: x / 2 (1 + erf(x / sqrt 2)).
std::string Gelu(GraphWriter& w, const std::string& x) {
  if (w.opset() >= 20) {
    return w.Node("Gelu", {x}, {Text("approximate", w.random().Chance(50) ? "tanh" : "none")});
  }
  const std::string erf = w.Node("Erf", {w.Node("Div", {x, w.Number(1.41421354F)})});
  const std::string sum = w.Node("Add", {erf, w.Number(1)});
  return w.Node("Mul", {w.Node("Mul", {x, sum}), w.Number(0.5F)});
}

std::string Swish(GraphWriter& w, const std::string& x) {
  return w.Node("Mul", {x, w.Node("Sigmoid", {x})});
}

std::string Clip(GraphWriter& w, const std::string& x) {
  return w.Node("Clip", {x, w.Number(-0.8F), w.random().Chance(50) ? w.Number(0.9F) : ""});
}

std::string Chosen(GraphWriter& w, const std::string& x) {
  const char* comparison = w.random().Chance(50) ? "Greater" : "Less";
  const std::string condition = w.Node(comparison, {x, w.Number(0.1F)});
  return w.Node("Where", {condition, w.Node("Tanh", {x}), w.Node("Mul", {x, w.Number(0.3F)})});
}

// x and what one of its axes is reduced to.
Value ReducedAndJoined(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::int64_t axis = random.Between(1, static_cast<std::int64_t>(x.sizes.size()));
  const std::string op =
      random.Pick<std::string>({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSum"});
  // A norm has no derivative at zero, which ReLUs like to give.
  const std::string from = op == "ReduceL2" ? w.Node("Add", {x.name, w.Number(0.37F)}) : x.name;
  std::string y = w.Reduce(
      op, from, {random.Chance(50) ? axis : axis - 1 - static_cast<std::int64_t>(x.sizes.size())},
      true);
  if (op == "ReduceSum") y = w.Node("Tanh", {y});
  return {w.Node(random.Chance(50) ? "Sub" : "Add", {x.name, y}), x.sizes};
}

// Sizes that broadcast to x's: a suffix of them, some replaced by 1.
Sizes Broadcasting(Random& random, const Sizes& sizes) {
  const std::int64_t left_out = random.Between(0, static_cast<std::int64_t>(sizes.size()));
  Sizes out(sizes.begin() + left_out, sizes.end());
  for (std::int64_t& size : out) {
    if (random.Chance(25)) size = 1;
  }
  return out;
}

}  // namespace

Value Activation(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::string& in = x.name;
  switch (random.Between(0, 12)) {
    case 0:
      return {w.Node("LeakyRelu", {in}, {Float("alpha", random.Uniform(0.01F, 0.4F))}), x.sizes};
    case 1:
      return {w.Node("Elu", {in}, {Float("alpha", random.Uniform(0.5F, 1.2F))}), x.sizes};
    case 2:
      return {Gelu(w, in), x.sizes};
    case 3:
      return {Swish(w, in), x.sizes};
    case 4:
      return {Clip(w, in), x.sizes};
    case 5:
      return {Chosen(w, in), x.sizes};
    case 6:
      return {w.Node("Log", {SquarePlusOne(w, in)}), x.sizes};
    case 7:
      return {w.Node("Sqrt", {SquarePlusOne(w, in)}), x.sizes};
    case 8:
      return {w.Node("Reciprocal", {SquarePlusOne(w, in)}), x.sizes};
    case 9:
      return {w.Node("Exp", {w.Node("Tanh", {in})}), x.sizes};
    case 10:
      if (w.opset() >= 18) return {w.Node("Mish", {in}), x.sizes};
      return {w.Node("Max", {in, w.Node("Neg", {in})}), x.sizes};
    default: {
      std::vector<std::string> plain = {"Relu",    "Relu",     "Relu",     "Tanh",
                                        "Sigmoid", "Selu",     "Softplus", "HardSigmoid",
                                        "Abs",     "Softsign", "Identity"};
      if (w.opset() >= 14) plain.push_back("HardSwish");
      return {w.Node(random.Pick(plain), {in}), x.sizes};
    }
  }
}

Value Mixing(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const Sizes sizes = Broadcasting(random, x.sizes);
  switch (random.Between(0, 6)) {
    case 0:
      return {w.Node("Mul", {x.name, w.WeightIn(sizes, 0.5F, 1.5F)}), x.sizes};
    case 1:
      return {w.Node("Div", {x.name, w.WeightIn(sizes, 0.7F, 1.6F)}), x.sizes};
    case 2:
      return {w.Node("Sub", {w.Weight(sizes, 0.7F), x.name}), x.sizes};
    case 3:
      return ReducedAndJoined(w, x);
    case 4: {
      const char* op = random.Chance(50) ? "Min" : "Max";
      return {w.Node(op, {x.name, w.Weight(sizes, 0.7F)}), x.sizes};
    }
    case 5: {  // a gate
      const Value gate = w.Linear(x, x.sizes.back());
      return {w.Node("Mul", {x.name, w.Node("Sigmoid", {gate.name})}), x.sizes};
    }
    default: {
      const Value branch = Activation(w, w.Linear(x, x.sizes.back()));
      return {w.Node("Add", {x.name, branch.name}), x.sizes};
    }
  }
}

Value Normalisation(GraphWriter& w, const Value& x) {
  const auto last = static_cast<std::int64_t>(x.sizes.size());
  const Sizes width = {x.sizes.back()};
  const std::string scale = w.WeightIn(width, 0.5F, 1.5F);
  const std::string bias = w.Weight(width, 0.5F);
  if (w.opset() >= 17 && w.random().Chance(60)) {
    return {w.Node("LayerNormalization", {x.name, scale, bias},
                   {Int("axis", -1), Float("epsilon", 0.01F)}),
            x.sizes};
  }
  // Written out, as exporters did before there was an operator.
  const std::string centred = w.Node("Sub", {x.name, w.Reduce("ReduceMean", x.name, {last}, true)});
  const std::string square = w.Node("Pow", {centred, w.Number(2)});
  const std::string variance = w.Reduce("ReduceMean", square, {last}, true);
  const std::string deviation = w.Node("Sqrt", {w.Node("Add", {variance, w.Number(0.01F)})});
  const std::string scaled = w.Node("Mul", {w.Node("Div", {centred, deviation}), scale});
  return {w.Node("Add", {scaled, bias}), x.sizes};
}

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

}  // namespace

Value Rearrangement(GraphWriter& w, const Value& x, std::size_t axis) {
  Random& random = w.random();
  const std::int64_t size = x.sizes[axis];
  const auto k = static_cast<std::int64_t>(axis) + 1;
  Value y = x;
  switch (random.Between(0, 8)) {
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

Value TableNetwork(GraphWriter& w, Value x) {
  Random& random = w.random();
  for (std::int64_t blocks = random.Between(2, 6); blocks > 0; --blocks) {
    switch (random.Between(0, 6)) {
      case 0:
        x = Mixing(w, x);
        break;
      case 1:
        x = Normalisation(w, x);
        break;
      case 2:
        x = Rearrangement(w, x, 0);
        break;
      case 3: {  // in groups, which are mixed and moved
        const std::int64_t group = random.Between(1, 4);
        const std::int64_t groups = (x.sizes[0] + group - 1) / group;
        x = w.Linear(x, groups * group);
        const Value grouped = {w.Reshape(x.name, {groups, group}), {groups, group}};
        Value turned = {w.Node("Transpose", {Mixing(w, grouped).name}, {Ints("perm", {0, 2, 1})}),
                        {group, groups}};
        turned = Rearrangement(w, turned, static_cast<std::size_t>(random.Between(0, 1)));
        x = {random.Chance(50) ? w.Node("Flatten", {turned.name})
                               : w.Reshape(turned.name, {Product(turned.sizes)}),
             {Product(turned.sizes)}};
        break;
      }
      default:
        x = Activation(w, w.Linear(x, random.Between(2, 12)));
    }
    if (x.sizes[0] > 24) x = w.Linear(x, 8);
  }
  return x;
}

}  // namespace anchorhold::testing
