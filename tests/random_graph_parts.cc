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

// The exponent a number, or a list of one.
std::string Power(GraphWriter& w, const std::string& x) {
  const float exponent = w.random().Chance(50) ? 2.0F : 3.0F;
  const Sizes shape = w.random().Chance(70) ? Sizes{} : Sizes{1};
  return w.Node("Pow", {x, w.Constant(shape, {exponent})});
}

std::string Clip(GraphWriter& w, const std::string& x) {
  return w.Node("Clip", {x, w.Number(-0.8F), w.random().Chance(50) ? w.Number(0.9F) : ""});
}

// x and what one of its axes, or several, are reduced to.
Value ReducedAndJoined(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const auto rank = static_cast<std::int64_t>(x.sizes.size());
  const std::int64_t first = random.Between(1, rank);
  Sizes axes;
  for (std::int64_t axis = 1; axis <= rank; ++axis) {
    if (axis != first && !random.Chance(25)) continue;
    axes.push_back(random.Chance(50) ? axis : axis - 1 - rank);
  }
  const std::string op =
      random.Pick<std::string>({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSum"});
  // A norm has no derivative at zero, which ReLUs like to give.
  const std::string from = op == "ReduceL2" ? w.Node("Add", {x.name, w.Number(0.37F)}) : x.name;
  std::string y = w.Reduce(op, from, axes, true);
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

// Truth values of x's shape, from one comparison or two.
std::string Truth(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  std::vector<std::string> comparisons = {"Greater", "Less"};
  if (w.opset() >= 12) comparisons.insert(comparisons.end(), {"GreaterOrEqual", "LessOrEqual"});
  const auto compare = [&] {
    const bool number = random.Chance(50);
    const std::string with =
        number ? w.Number(0.1F) : w.Weight(Broadcasting(random, x.sizes), 0.5F);
    std::vector<std::string> sides = {x.name, with};
    if (random.Chance(30)) std::swap(sides[0], sides[1]);
    return w.Node(random.Pick(comparisons), sides);
  };
  std::string truth = compare();
  if (random.Chance(35)) {
    truth = w.Node(random.Pick<std::string>({"And", "Or", "Xor"}), {truth, compare()});
  }
  return random.Chance(25) ? w.Node("Not", {truth}) : truth;
}

// Which of two numbers is taken is told by a third one, or by the first.
std::string Chosen(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::string& in = x.name;
  switch (random.Between(0, 6)) {
    case 0:
      return w.Node("PRelu", {in, w.WeightIn(Broadcasting(random, x.sizes), -0.3F, 0.6F)});
    case 1:
      return w.Node("ThresholdedRelu", {in}, {Float("alpha", random.Uniform(0, 0.5F))});
    case 2:
      return w.Node("Shrink", {in}, {Float("lambd", 0.2F), Float("bias", 0.1F)});
    case 3:
      return w.Node("Mul", {in, w.Node("Cast", {Truth(w, x)}, {Int("to", 1)})});
    case 4:
      return w.Node("Where", {Truth(w, x), in, w.Weight(Broadcasting(random, x.sizes), 0.7F)});
    default:
      return w.Node("Where",
                    {Truth(w, x), w.Node("Tanh", {in}), w.Node("Mul", {in, w.Number(0.3F)})});
  }
}

}  // namespace

Value Activation(GraphWriter& w, const Value& x) {
  Random& random = w.random();
  const std::string& in = x.name;
  switch (random.Between(0, 13)) {
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
      return {Chosen(w, x), x.sizes};
    case 6:
      return {w.Node("Log", {SquarePlusOne(w, in)}), x.sizes};
    case 7:
      return {w.Node("Sqrt", {SquarePlusOne(w, in)}), x.sizes};
    case 8:
      return {w.Node("Reciprocal", {SquarePlusOne(w, in)}), x.sizes};
    case 9:
      return {w.Node("Exp", {w.Node("Tanh", {in})}), x.sizes};
    case 10:
      return {Power(w, w.Node("Tanh", {in})), x.sizes};
    case 11:
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
