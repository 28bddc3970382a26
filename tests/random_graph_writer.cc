#include "tests/random_graph_writer.h"

#include <cmath>

namespace anchorhold::testing {

std::uint64_t Random::Next() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::int64_t Random::Between(std::int64_t low, std::int64_t high) {
  const auto count = static_cast<std::uint64_t>(high - low + 1);
  return low + static_cast<std::int64_t>(Next() % count);
}

float Random::Uniform(float low, float high) {
  const double unit = static_cast<double>(Next() >> 11) * 0x1p-53;
  return static_cast<float>(low + unit * (high - low));
}

std::int64_t Product(const Sizes& sizes) {
  std::int64_t product = 1;
  for (const std::int64_t size : sizes) product *= size;
  return product;
}

std::string GraphWriter::Node(const std::string& op, const std::vector<std::string>& inputs,
                              const Attributes& attributes) {
  return NodeOf(1, op, inputs, attributes)[0];
}

std::vector<std::string> GraphWriter::NodeOf(std::size_t outputs, const std::string& op,
                                             const std::vector<std::string>& inputs,
                                             const Attributes& attributes) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < outputs; ++i) names.push_back(Fresh());
  model_.Node(op, inputs, names, attributes);
  operators_ += " " + op;
  return names;
}

std::string GraphWriter::Weight(const Sizes& sizes, float limit) {
  if (random_.Chance(15)) {
    for (const Shared& weight : weights_) {
      if (weight.sizes == sizes && weight.limit == limit) return weight.name;
    }
  }
  const std::string name = WeightIn(sizes, -limit, limit);
  weights_.push_back({name, sizes, limit});
  return name;
}

std::string GraphWriter::LayerWeight(const Sizes& sizes, std::int64_t inputs) {
  return Weight(sizes, std::sqrt(3.0F / static_cast<float>(inputs)));
}

std::string GraphWriter::WeightIn(const Sizes& sizes, float low, float high) {
  std::vector<float> values(static_cast<std::size_t>(Product(sizes)));
  for (float& value : values) value = random_.Uniform(low, high);
  std::string name = Fresh();
  model_.Weight(name, sizes, values);
  return name;
}

std::string GraphWriter::Constant(const Sizes& sizes, const std::vector<float>& values) {
  std::string name = Fresh();
  model_.Constant(name, sizes, values);
  return name;
}

std::string GraphWriter::Integers(const Sizes& values, bool scalar) {
  std::string name = Fresh();
  if (random_.Chance(50)) {
    model_.Integers(name, values, scalar);
    return name;
  }
  onnx::AttributeProto value;
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  *value.mutable_t() = graph::testing::IntegerTensor("", values, scalar);
  model_.Node("Constant", {}, {name}, {value});
  return name;
}

std::string GraphWriter::Reduce(const std::string& op, const std::string& x, const Sizes& axes,
                                bool keep) {
  const Attributes keepdims = {Int("keepdims", keep ? 1 : 0)};
  if (opset_ >= (op == "ReduceSum" ? 13 : 18)) return Node(op, {x, Integers(axes)}, keepdims);
  return Node(op, {x}, {Ints("axes", axes), keepdims[0]});
}

std::string GraphWriter::Slice(const std::string& x, std::int64_t start, std::int64_t end,
                               std::int64_t axis, std::int64_t step) {
  return Node("Slice", {x, Integers({start}), Integers({end}), Integers({axis}), Integers({step})});
}

std::string GraphWriter::BatchSize(const std::string& x, std::int64_t axis) {
  if (opset_ >= 15 && random_.Chance(40)) {
    return Node("Shape", {x}, {Int("start", axis), Int("end", axis + 1)});
  }
  const std::string shape = Node("Shape", {x});
  if (random_.Chance(30)) return Slice(shape, axis, axis + 1, 0);
  const std::string size = Node("Gather", {shape, Integers({axis}, true)}, {Int("axis", 0)});
  return Unsqueeze(size, 0);
}

std::string GraphWriter::Reshape(const std::string& x, const Sizes& sizes) {
  Sizes target = sizes;
  const std::int64_t form = random_.Between(0, 3);
  if (form == 3) {
    const std::string list = Node("Concat", {BatchSize(x), Integers(sizes)}, {Int("axis", 0)});
    return Node("Reshape", {x, list});
  }
  // 0 copies the batch axis, and with -1 either the batch or the last axis is what is left.
  target.insert(target.begin(), form == 0 ? -1 : 0);
  if (form == 2) target.back() = -1;
  return Node("Reshape", {x, Integers(target)});
}

Value GraphWriter::Linear(const Value& x, std::int64_t width) {
  const std::int64_t inputs = x.sizes.back();
  Sizes sizes = x.sizes;
  sizes.back() = width;
  const bool biased = random_.Chance(70);
  if (x.sizes.size() == 1 && random_.Chance(70)) {
    const bool transposed = random_.Chance(60);
    const Sizes shape = transposed ? Sizes{width, inputs} : Sizes{inputs, width};
    std::vector<std::string> in = {x.name, LayerWeight(shape, inputs)};
    if (biased) in.push_back(Weight({width}, 0.5F));
    return {Node("Gemm", in, {Int("transB", transposed ? 1 : 0)}), sizes};
  }
  std::string y = Node("MatMul", {x.name, LayerWeight({inputs, width}, inputs)});
  if (biased) {
    const std::string bias = Weight({width}, 0.5F);
    y = random_.Chance(50) ? Node("Add", {y, bias}) : Node("Add", {bias, y});
  }
  return {y, sizes};
}

}  // namespace anchorhold::testing
