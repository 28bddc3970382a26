// Gradients of slices that lie side by side, and of weights that are used several times: what the
// differentiated graph has of them, and that they are what differences say.
#include "trusted/graph/gradient_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "trusted/graph/autodiff.h"
#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

using testing::ExpectGradients;
using testing::Int;
using testing::OnnxBuilder;

std::vector<float> Numbers(std::size_t count) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<float>((i * 37 + 11) % 29) / 29 - 0.4F;
  }
  return numbers;
}

// How many nodes of a kind the parameters' gradients need.
struct Counted {
  std::size_t pads = 0;
  std::size_t joins = 0;
  std::size_t products = 0;  // with a transposed left side
  std::size_t sums = 0;
};

Counted Count(const OnnxBuilder& builder) {
  const Model model = ImportOnnx(builder.Write()).value();
  const Differentiated made =
      Differentiate(model.graph(), model.graph().outputs()[0], model.parameters().size()).value();
  std::vector<ValueId> wanted;
  for (const ValueId id : made.gradients) {
    if (id != kNoValue) wanted.push_back(id);
  }
  const std::vector<bool> needed = made.graph->Ancestors(wanted);
  Counted counted;
  for (const Node& node : made.graph->nodes()) {
    if (!needed[static_cast<std::size_t>(node.output)]) continue;
    counted.pads += node.primitive == &primitives::kPad;
    counted.joins += node.primitive == &primitives::kConcat;
    counted.products += node.primitive == &primitives::kMatMul && node.attributes.transpose_a;
    counted.sums += node.primitive == &primitives::kAdd;
  }
  return counted;
}

// h = x W, [6, 4]; slices of it along an axis, each with a factor of its own, in the given order;
// what is left of the shorter ones is cut off.
struct Part {
  std::int64_t start;
  std::int64_t end;
  std::int64_t axis = 1;
};
OnnxBuilder Sliced(const std::vector<Part>& parts) {
  OnnxBuilder b({6, 3});
  b.Weight("w", {3, 4}, Numbers(12)).Node("MatMul", {"x", "w"}, {"h"});
  std::string sum;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const std::string n = std::to_string(k);
    b.Integers("s" + n, {parts[k].start}).Integers("e" + n, {parts[k].end});
    b.Integers("a" + n, {parts[k].axis});
    b.Node("Slice", {"h", "s" + n, "e" + n, "a" + n}, {"p" + n});
    b.Constant("c" + n, {}, {0.5F + static_cast<float>(k)});
    b.Node("Mul", {"p" + n, "c" + n}, {"m" + n}).Node("Tanh", {"m" + n}, {"t" + n});
    b.Node("ReduceSum", {"t" + n}, {"r" + n}, {Int("keepdims", 0), testing::Ints("axes", {1, 2})});
    if (k > 0) b.Node("Add", {sum, "r" + n}, {"u" + n});
    sum = k > 0 ? "u" + n : "r" + n;
  }
  b.Node("Identity", {sum}, {"y"});
  return b.Output("y");
}

TEST(GradientSum, SlicesThatCoverTheWholeArePutSideBySideInAnyOrder) {
  for (const std::vector<Part>& parts : {std::vector<Part>{{0, 2}, {2, 3}, {3, 6}},
                                         {{3, 6}, {0, 2}, {2, 3}},
                                         {{2, 3}, {3, 6}, {0, 2}},
                                         {{0, 1, 2}, {1, 4, 2}}}) {
    const OnnxBuilder b = Sliced(parts);
    ExpectGradients(b);
    const Counted counted = Count(b);
    EXPECT_EQ(counted.joins, 1U);
    EXPECT_EQ(counted.pads, 0U);
    EXPECT_EQ(counted.sums, 0U);
  }
}

TEST(GradientSum, ARunOfSlicesHasZerosAroundIt) {
  const OnnxBuilder b = Sliced({{3, 5}, {1, 3}});
  ExpectGradients(b);
  EXPECT_EQ(Count(b).joins, 1U);
  EXPECT_EQ(Count(b).pads, 1U);
  EXPECT_EQ(Count(b).sums, 0U);
}

TEST(GradientSum, SlicesThatOverlapOrLieApartAreAdded) {
  for (const std::vector<Part>& parts : {std::vector<Part>{{0, 3}, {2, 6}},
                                         {{0, 2}, {3, 6}},
                                         {{0, 2}, {0, 2}},
                                         {{0, 3, 1}, {0, 2, 2}}}) {
    const OnnxBuilder b = Sliced(parts);
    ExpectGradients(b);
    EXPECT_EQ(Count(b).joins, 0U);
    EXPECT_EQ(Count(b).pads, 2U);
    EXPECT_EQ(Count(b).sums, 1U);
  }
  // Two runs, of which one is joined, and a slice along the other axis.
  const OnnxBuilder mixed = Sliced({{0, 1}, {1, 2}, {4, 6}, {1, 4, 2}, {0, 6}});
  ExpectGradients(mixed);
  EXPECT_EQ(Count(mixed).joins, 1U);
  EXPECT_EQ(Count(mixed).sums, 3U);
}

// h_t = tanh(h_(t-1) W + x), the weights being used `times` times; they also scale the result.
OnnxBuilder Recurrent(int times, bool also_otherwise) {
  OnnxBuilder b({2, 3});
  b.Weight("w", {3, 3}, Numbers(9));
  std::string h = "x";
  for (int t = 0; t < times; ++t) {
    const std::string n = std::to_string(t);
    b.Node("MatMul", {h, "w"}, {"p" + n}).Node("Add", {"p" + n, "x"}, {"q" + n});
    b.Node("Tanh", {"q" + n}, {"h" + n});
    h = "h" + n;
  }
  b.Node("Flatten", {h}, {"f"});
  b.Node(also_otherwise ? "ReduceSum" : "Identity", {also_otherwise ? "w" : "f"}, {"g"},
         also_otherwise ? std::vector{Int("keepdims", 0)} : std::vector<onnx::AttributeProto>{});
  b.Node("Mul", {"f", "g"}, {"y"});
  return b.Output("y");
}

TEST(GradientSum, ProductsOfOneWeightAreOneProduct) {
  for (const int times : {1, 2, 5}) {
    SCOPED_TRACE(times);
    const OnnxBuilder b = Recurrent(times, false);
    ExpectGradients(b);
    const Counted counted = Count(b);
    EXPECT_EQ(counted.products, 1U);
    EXPECT_EQ(counted.joins, times > 1 ? 2U : 0U);
  }
  const OnnxBuilder tied = Recurrent(3, true);
  ExpectGradients(tied);
  EXPECT_EQ(Count(tied).products, 1U);
}

}  // namespace
}  // namespace anchorhold::graph
