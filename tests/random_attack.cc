#include "tests/random_attack.h"

#include <algorithm>
#include <numeric>

#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

// Sizes are those of a batch of kBatch, a prime that no other size has as a factor.
constexpr std::int64_t kBatch = 7;
constexpr std::int64_t kElementsMax = 3000;
constexpr std::size_t kRankMax = 5;

bool HasBatch(std::int64_t size) { return size % kBatch == 0; }

// Writes one step after another; a step that does not fit is left out.
class Attacker {
 public:
  explicit Attacker(GraphWriter& w, const Sizes& input) : w_(w), random_(w.random()) {
    values_.push_back({"x", input});
  }

  void Step();
  // The last value that holds the batch, turned so that an axis with the batch comes first.
  std::string Output();

 private:
  void Keep(std::string name, Sizes sizes) {
    if (sizes.size() <= kRankMax && Product(sizes) <= kElementsMax) {
      values_.push_back({std::move(name), std::move(sizes)});
    }
  }
  Value Any() { return random_.Chance(60) ? values_.back() : random_.Pick(values_); }
  std::int64_t Axis(const Value& v) {
    return random_.Between(0, static_cast<std::int64_t>(v.sizes.size()) - 1);
  }
  // Sizes as a list of integers: numbers, with the batch's size computed from x.
  std::string Shape(const Sizes& sizes);

  void Reshape(const Value& v);
  void Transpose(const Value& v);
  void Reduce(const Value& v);
  void Along(const Value& v);
  void Pick(const Value& v);
  void Combine(const Value& v);
  void Multiply(const Value& v);
  void Einsum(const Value& v);
  void Grow(const Value& v);
  void FromBatch();
  void AxesOfOne(const Value& v);
  void Window(const Value& v);
  void Standardise(const Value& v);

  GraphWriter& w_;
  Random& random_;
  std::vector<Value> values_;
};

std::string Attacker::Shape(const Sizes& sizes) {
  std::vector<std::string> parts;
  for (const std::int64_t size : sizes) {
    if (!HasBatch(size)) {
      parts.push_back(w_.Integers({size}));
      continue;
    }
    std::string batch = w_.BatchSize("x");
    if (size != kBatch) batch = w_.Node("Mul", {batch, w_.Integers({size / kBatch})});
    parts.push_back(batch);
  }
  return w_.Node("Concat", parts, {Int("axis", 0)});
}

std::int64_t AnyDivisor(Random& random, std::int64_t of) {
  Sizes divisors;
  for (std::int64_t d = 1; d <= of; ++d) {
    if (of % d == 0) divisors.push_back(d);
  }
  return random.Pick(divisors);
}

// Two axes become one, one becomes two, or the product of all is cut into factors anew.
Sizes OtherSizes(Random& random, const Sizes& from) {
  Sizes to = from;
  const std::int64_t way = random.Between(0, 2);
  if (way == 0 && from.size() > 1) {
    const std::int64_t k = random.Between(0, static_cast<std::int64_t>(from.size()) - 2);
    to.erase(to.begin() + k);
    to[static_cast<std::size_t>(k)] *= from[static_cast<std::size_t>(k)];
    return to;
  }
  if (way == 1) {
    const std::int64_t k = random.Between(0, static_cast<std::int64_t>(from.size()) - 1);
    std::int64_t& size = to[static_cast<std::size_t>(k)];
    const std::int64_t first = AnyDivisor(random, size);
    size /= first;
    to.insert(to.begin() + k, first);
    return to;
  }
  to.clear();
  std::int64_t left = Product(from);
  while (left > 1 && to.size() < 3) {
    to.push_back(AnyDivisor(random, left));
    left /= to.back();
  }
  to.push_back(left);
  return to;
}

// The same numbers in another shape.
void Attacker::Reshape(const Value& v) {
  const Sizes to = OtherSizes(random_, v.sizes);
  const auto batch = std::find_if(to.begin(), to.end(), HasBatch);
  if (batch == to.end() || std::count_if(to.begin(), to.end(), HasBatch) > 1) return;
  if (random_.Chance(30)) return Keep(w_.Node("Reshape", {v.name, Shape(to)}), to);
  Sizes target = to;
  target[static_cast<std::size_t>(batch - to.begin())] = -1;
  for (std::size_t k = 0; k < to.size() && k < v.sizes.size(); ++k) {
    if (to[k] == v.sizes[k] && random_.Chance(30)) target[k] = 0;
  }
  Keep(w_.Node("Reshape", {v.name, w_.Integers(target)}), to);
}

void Attacker::Transpose(const Value& v) {
  Sizes perm(v.sizes.size());
  std::iota(perm.begin(), perm.end(), 0);
  for (std::size_t k = perm.size(); k-- > 1;) {
    std::swap(perm[k],
              perm[static_cast<std::size_t>(random_.Between(0, static_cast<std::int64_t>(k)))]);
  }
  Sizes to;
  for (const std::int64_t k : perm) to.push_back(v.sizes[static_cast<std::size_t>(k)]);
  Keep(w_.Node("Transpose", {v.name}, {Ints("perm", perm)}), to);
}

void Attacker::Reduce(const Value& v) {
  const std::int64_t axis = Axis(v);
  const bool keep = random_.Chance(60) || v.sizes.size() == 1;
  const std::string op = random_.Pick<std::string>({"ReduceSum", "ReduceMax", "ReduceMean"});
  Sizes to = v.sizes;
  to[static_cast<std::size_t>(axis)] = 1;
  if (!keep) to.erase(to.begin() + axis);
  Keep(w_.Reduce(op, v.name, {axis}, keep), to);
}

// Works along one axis and keeps the shape.
void Attacker::Along(const Value& v) {
  const std::int64_t axis = Axis(v);
  switch (random_.Between(0, 4)) {
    case 0:
      return Keep(w_.Node("Softmax", {v.name}, {Int("axis", axis)}), v.sizes);
    case 1:
      return Keep(w_.Node("CumSum", {v.name, w_.Integers({axis}, true)}), v.sizes);
    case 2:
      return Keep(w_.Slice(v.name, -1, -1000, axis, -1), v.sizes);
    case 3: {
      if (w_.opset() < 14 || v.sizes.size() < 2) return;
      return Keep(w_.Node("Trilu", {v.name}, {Int("upper", random_.Between(0, 1))}), v.sizes);
    }
    default: {
      if (w_.opset() < 17) return;
      return Keep(
          w_.Node("LayerNormalization", {v.name, w_.Constant({1}, {1})}, {Int("axis", axis)}),
          v.sizes);
    }
  }
}

void Attacker::Pick(const Value& v) {
  const std::int64_t axis = Axis(v);
  Sizes to = v.sizes;
  std::int64_t& size = to[static_cast<std::size_t>(axis)];
  switch (random_.Between(0, 4)) {
    case 0: {
      size = 1;
      return Keep(
          w_.Node("Gather", {v.name, w_.Integers({random_.Between(-1, 0)})}, {Int("axis", axis)}),
          to);
    }
    case 1:
      if (size < 2) return;
      size = 1;
      return Keep(w_.Slice(v.name, 0, 1, axis), to);
    case 2: {
      size = 1;
      const std::string k = w_.Integers({1});
      return Keep(w_.NodeOf(2, "TopK", {v.name, k}, {Int("axis", axis)})[0], to);
    }
    case 3: {
      size = 1;
      const std::string best = w_.Node("ArgMax", {v.name}, {Int("axis", axis)});
      return Keep(w_.Node("Cast", {best}, {Int("to", onnx::TensorProto::FLOAT)}), to);
    }
    default: {  // at places that the numbers themselves choose
      const std::string best = w_.Node("ArgMax", {v.name}, {Int("axis", axis)});
      size = 1;
      return Keep(w_.Node("GatherElements", {v.name, best}, {Int("axis", axis)}), to);
    }
  }
}

// With another value that broadcasts, or with a constant that does where the batch is of 3.
void Attacker::Combine(const Value& v) {
  Value u = random_.Pick(values_);
  if (random_.Chance(20)) {
    Sizes shape = v.sizes;
    for (std::int64_t& size : shape) {
      if (HasBatch(size)) size = size / kBatch * random_.Pick<std::int64_t>({1, 3});
    }
    std::vector<float> numbers(static_cast<std::size_t>(Product(shape)));
    for (float& number : numbers) number = random_.Uniform(-1, 1);
    return Keep(w_.Node("Add", {v.name, w_.Constant(shape, numbers)}), v.sizes);
  }
  Sizes to(std::max(v.sizes.size(), u.sizes.size()), 1);
  for (std::size_t k = 0; k < to.size(); ++k) {
    const auto at = [&](const Value& t) {
      return k < t.sizes.size() ? t.sizes[t.sizes.size() - 1 - k] : 1;
    };
    if (at(v) != at(u) && at(v) != 1 && at(u) != 1) return;
    to[to.size() - 1 - k] = std::max(at(v), at(u));
  }
  if (random_.Chance(30)) {
    const std::string positive = w_.Node("Greater", {u.name, w_.Number(0)});
    return Keep(w_.Node("Where", {positive, v.name, w_.Number(1)}), to);
  }
  Keep(w_.Node(random_.Pick<std::string>({"Add", "Mul", "Max"}), {v.name, u.name}), to);
}

// A product with its own transpose, or with another value.
void Attacker::Multiply(const Value& v) {
  if (v.sizes.size() < 2) return;
  Value u = random_.Pick(values_);
  if (random_.Chance(60)) {
    Sizes perm(v.sizes.size());
    std::iota(perm.begin(), perm.end(), 0);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    u = {w_.Node("Transpose", {v.name}, {Ints("perm", perm)}), v.sizes};
    std::swap(u.sizes[perm.size() - 1], u.sizes[perm.size() - 2]);
  }
  if (u.sizes.size() != v.sizes.size()) return;
  const std::size_t last = v.sizes.size() - 1;
  if (v.sizes[last] != u.sizes[last - 1]) return;
  for (std::size_t k = 0; k + 1 < last; ++k) {
    if (v.sizes[k] != u.sizes[k]) return;
  }
  Sizes to = v.sizes;
  to[last] = u.sizes[last];
  const std::string product = w_.Node("MatMul", {v.name, u.name});
  Keep(w_.Node("Tanh", {product}), to);
}

void Attacker::Einsum(const Value& v) {
  const Value u = random_.Pick(values_);
  std::string equation;
  std::string letters;
  Sizes sizes;
  for (const Value* t : {&v, &u}) {
    if (!equation.empty()) equation += ',';
    std::string used;
    for (const std::int64_t size : t->sizes) {
      std::size_t k = 0;
      while (k < sizes.size() && (sizes[k] != size || used.find(letters[k]) != used.npos)) ++k;
      if (k == sizes.size() || random_.Chance(20)) {
        k = sizes.size();
        sizes.push_back(size);
        letters += static_cast<char>('a' + k);
      }
      used += letters[k];
    }
    equation += used;
  }
  equation += "->";
  Sizes to;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    if (random_.Chance(35)) continue;
    equation += letters[k];
    to.push_back(sizes[k]);
  }
  if (to.empty()) return;
  const std::string sum = w_.Node("Einsum", {v.name, u.name}, {Text("equation", equation)});
  Keep(w_.Node("Tanh", {sum}), to);
}

void Attacker::Grow(const Value& v) {
  const std::int64_t axis = Axis(v);
  Sizes to = v.sizes;
  std::int64_t& size = to[static_cast<std::size_t>(axis)];
  switch (random_.Between(0, 3)) {
    case 0:
      if (HasBatch(size)) return;  // the result's size could not be written as a product
      size *= 2;
      return Keep(w_.Node("Concat", {v.name, v.name}, {Int("axis", axis)}), to);
    case 1: {
      if (size != 1) return;
      size = random_.Chance(50) ? 2 : kBatch;
      return Keep(w_.Node("Expand", {v.name, Shape(to)}), to);
    }
    case 2: {
      Sizes repeats(to.size(), 1);
      repeats[static_cast<std::size_t>(axis)] = 2;
      size *= 2;
      return Keep(w_.Node("Tile", {v.name, w_.Integers(repeats)}), to);
    }
    default: {
      if (HasBatch(size)) return;
      Sizes pads(2 * to.size(), 0);
      pads[static_cast<std::size_t>(axis)] = 1;
      size += 1;
      if (HasBatch(size)) return;
      return Keep(w_.Node("Pad", {v.name, w_.Integers(pads)}), to);
    }
  }
}

// Ones for each example, or the batch's size in a place where it does not belong.
void Attacker::FromBatch() {
  Sizes to = {kBatch};
  if (random_.Chance(50)) to.push_back(random_.Between(1, 3));
  if (random_.Chance(30)) to.insert(to.begin(), random_.Between(1, 3));
  const std::string shape = Shape(to);
  if (random_.Chance(50)) {
    return Keep(w_.Node("Expand", {w_.Number(1), shape}), to);
  }
  Keep(w_.Node("ConstantOfShape", {shape}), to);
}

void Attacker::AxesOfOne(const Value& v) {
  const std::int64_t axis = Axis(v);
  Sizes to = v.sizes;
  if (to[static_cast<std::size_t>(axis)] == 1 && to.size() > 1 && random_.Chance(50)) {
    to.erase(to.begin() + axis);
    return Keep(w_.Node("Squeeze", {v.name, w_.Integers({axis})}), to);
  }
  to.insert(to.begin() + axis, 1);
  Keep(w_.Unsqueeze(v.name, axis), to);
}

// Pooling and normalisation over the axes from the third on.
void Attacker::Window(const Value& v) {
  if (v.sizes.size() < 3) return;
  Sizes to = v.sizes;
  if (random_.Chance(50)) {
    const Sizes threes(to.size() - 2, 3);
    const Sizes ones(2 * (to.size() - 2), 1);
    const char* op = random_.Chance(50) ? "MaxPool" : "AveragePool";
    return Keep(w_.Node(op, {v.name}, {Ints("kernel_shape", threes), Ints("pads", ones)}), to);
  }
  if (HasBatch(to[1])) return;
  const std::vector<float> ones(static_cast<std::size_t>(to[1]), 1);
  Keep(w_.Node("InstanceNormalization",
               {v.name, w_.Constant({to[1]}, ones), w_.Constant({to[1]}, ones)}),
       to);
}

// Batch normalisation along axis 1, by numbers of the model's own or by ones that it computes.
void Attacker::Standardise(const Value& v) {
  if (v.sizes.size() < 2) return;
  Sizes others;
  for (std::size_t k = 0; k < v.sizes.size(); ++k) {
    if (k != 1) others.push_back(static_cast<std::int64_t>(k));
  }
  std::int64_t channels = v.sizes[1];
  if (HasBatch(channels)) channels /= kBatch;
  const bool all = random_.Chance(60);
  std::vector<std::string> inputs = {v.name};
  while (inputs.size() < 5) {
    if (all || random_.Chance(20)) {
      const std::string of = random_.Pick<std::string>({"ReduceL2", "ReduceMean", "ReduceMax"});
      inputs.push_back(w_.Reduce(inputs.size() == 4 ? "ReduceL2" : of, v.name, others, false));
    } else {
      std::vector<float> numbers(static_cast<std::size_t>(channels));
      for (float& number : numbers) number = random_.Uniform(0.5F, 1);
      inputs.push_back(w_.Constant({channels}, numbers));
    }
  }
  Keep(w_.Node("BatchNormalization", inputs), v.sizes);
}

void Attacker::Step() {
  const Value v = Any();
  switch (random_.Between(0, 16)) {
    case 0:
    case 1:
    case 2:
      return Reshape(v);
    case 3:
    case 4:
      return Transpose(v);
    case 5:
      return Reduce(v);
    case 6:
      return Along(v);
    case 7:
      return Pick(v);
    case 8:
    case 9:
      return Combine(v);
    case 10:
      return Multiply(v);
    case 11:
      return Einsum(v);
    case 12:
      return Grow(v);
    case 13:
      return FromBatch();
    case 14:
      return AxesOfOne(v);
    case 15:
      return Standardise(v);
    default:
      return Window(v);
  }
}

std::string Attacker::Output() {
  const Value& v = values_.back();
  const auto at = std::find_if(v.sizes.begin(), v.sizes.end(), HasBatch);
  if (at == v.sizes.begin() || at == v.sizes.end()) return v.name;
  Sizes perm = {at - v.sizes.begin()};
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(v.sizes.size()); ++k) {
    if (k != perm[0]) perm.push_back(k);
  }
  return w_.Node("Transpose", {v.name}, {Ints("perm", perm)});
}

}  // namespace

RandomAttack MakeRandomAttack(std::uint64_t seed) {
  Random random(seed);
  Sizes input;
  for (std::int64_t axes = random.Between(1, 2); axes > 0; --axes) {
    input.push_back(random.Pick<std::int64_t>({1, 2, 2, 3, 4, 6}));
  }
  GraphWriter w(random, static_cast<int>(random.Between(13, 21)), input);
  input.insert(input.begin(), kBatch);
  Attacker attacker(w, input);
  for (std::int64_t steps = random.Between(2, 8); steps > 0; --steps) attacker.Step();
  const std::string output = attacker.Output();
  if (output == "x") return {CopyBytes(AsBytes(w.proto().SerializeAsString())), w.operators()};
  w.proto().mutable_graph()->add_output()->set_name(output);
  return {CopyBytes(AsBytes(w.proto().SerializeAsString())), w.operators()};
}

}  // namespace anchorhold::testing
