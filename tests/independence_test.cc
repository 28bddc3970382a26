// Thousands of graphs, written against the check or changed at random: whatever passes it keeps its
// examples apart when a real batch is run. And the comparison itself, which must see mixing where
// there is some.
#include "tests/independence.h"

#include <gtest/gtest.h>

#include "tests/mutated_graph.h"
#include "tests/random_attack.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {
namespace {

using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;

constexpr int kSlices = 10;
constexpr int kAttacksInSlice = 2000;
constexpr int kMutantsInSlice = 400;
constexpr std::size_t kBatch = 3;
// At least so many must be accepted and compared, and so many refused for mixing, or the test would
// show little.
constexpr int kShare = 10;  // of a slice: one in ten

std::vector<std::vector<float>> Rows(Random& random, const graph::Model& model,
                                     std::int64_t vocabulary) {
  std::vector<std::vector<float>> rows;
  for (std::size_t b = 0; b < kBatch; ++b) rows.push_back(DrawRow(random, model, vocabulary));
  return rows;
}

class Attacks : public ::testing::TestWithParam<int> {};

TEST_P(Attacks, ThatPassTheCheckKeepExamplesApart) {
  int compared = 0;
  int refused = 0;
  for (int k = 0; k < kAttacksInSlice && !HasFailure(); ++k) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * kAttacksInSlice + k);
    const RandomAttack attack = MakeRandomAttack(seed);
    const Result<graph::Model> model = graph::ImportOnnx(attack.onnx);
    if (!model.ok()) {
      refused += model.error().code() == ErrorCode::kPrivacyRefused ? 1 : 0;
      continue;
    }
    Random random(seed);
    const Independence verdict = CheckIndependence(attack.onnx, *model, Rows(random, *model, 0));
    EXPECT_TRUE(verdict.holds) << "attack " << seed << ":" << attack.description << "\n"
                               << verdict.what;
    compared += verdict.compared ? 1 : 0;
  }
  EXPECT_GE(compared, kAttacksInSlice / kShare);
  EXPECT_GE(refused, kAttacksInSlice / kShare);
}

INSTANTIATE_TEST_SUITE_P(Slices, Attacks, ::testing::Range(0, kSlices));

class Mutants : public ::testing::TestWithParam<int> {};

TEST_P(Mutants, ThatPassTheCheckKeepExamplesApart) {
  int compared = 0;
  for (int k = 0; k < kMutantsInSlice && !HasFailure(); ++k) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * kMutantsInSlice + k);
    const RandomGraph graph = MakeRandomGraph(seed % 1000);
    onnx::ModelProto proto;
    ASSERT_TRUE(proto.ParseFromArray(graph.onnx.data(), static_cast<int>(graph.onnx.size())));
    Random random(seed * 2 + 1);
    for (std::int64_t changes = random.Between(1, 4); changes > 0; --changes) Mutate(random, proto);
    if (random.Chance(15)) {  // the batch's size as a number
      proto.mutable_graph()
          ->mutable_input(0)
          ->mutable_type()
          ->mutable_tensor_type()
          ->mutable_shape()
          ->mutable_dim(0)
          ->set_dim_value(kBatch);
    }
    const Bytes onnx = CopyBytes(AsBytes(proto.SerializeAsString()));
    const Result<graph::Model> model = graph::ImportOnnx(onnx);
    if (!model.ok()) continue;
    const Independence verdict =
        CheckIndependence(onnx, *model, Rows(random, *model, graph.vocabulary));
    EXPECT_TRUE(verdict.holds) << "mutant " << seed << " of " << graph.description << "\n"
                               << verdict.what;
    compared += verdict.compared ? 1 : 0;
  }
  EXPECT_GE(compared, kMutantsInSlice / kShare);
}

INSTANTIATE_TEST_SUITE_P(Slices, Mutants, ::testing::Range(0, kSlices));

// What CheckIndependence finds in a model that the check refuses, taken as if its output had the
// type of `like`'s.
Independence Compared(const OnnxBuilder& mixing, const OnnxBuilder& like) {
  EXPECT_FALSE(graph::ImportOnnx(mixing.Write()).ok());
  const graph::Model model = graph::ImportOnnx(like.Write()).value();
  Random random(1);
  return CheckIndependence(mixing.Write(), model, Rows(random, model, 0));
}

TEST(Independence, SeesWhatMixes) {
  OnnxBuilder same({4});
  same.Node("Identity", {"x"}, {"y"}).Output("y");
  OnnxBuilder softmax({4});
  softmax.Node("Softmax", {"x"}, {"y"}, {Int("axis", 0)}).Output("y");
  EXPECT_FALSE(Compared(softmax, same).holds);
  OnnxBuilder mean({4});
  mean.Node("ReduceMean", {"x"}, {"m"}, {Ints("axes", {0})}).Node("Sub", {"x", "m"}, {"y"});
  EXPECT_FALSE(Compared(mean.Output("y"), same).holds);
  OnnxBuilder flipped({4});
  flipped.Integers("start", {-1}).Integers("end", {-9}).Integers("axis", {0}).Integers("by", {-1});
  flipped.Node("Slice", {"x", "start", "end", "axis", "by"}, {"y"}).Output("y");
  EXPECT_FALSE(Compared(flipped, same).holds);
  OnnxBuilder dropped({4});
  dropped.Integers("axis", {0}).Node("ReduceSum", {"x", "axis"}, {"y"}).Output("y");
  EXPECT_FALSE(Compared(dropped, same).holds);
}

}  // namespace
}  // namespace anchorhold::testing
