// Attention and RotaryEmbedding: gradients, masks, and what is refused. Their values are held
// against the operators' definition, in loops.
#include <gtest/gtest.h>

#include <cmath>

#include "trusted/graph/gradient_check_for_test.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph {
namespace {

using testing::Draws;
using testing::ExpectGradients;
using testing::Float;
using testing::Int;
using testing::Ints;
using testing::OnnxBuilder;

constexpr int kOpset = 24;

void SetType(OnnxBuilder& b, int input, std::int32_t type) {
  b.proto()
      .mutable_graph()
      ->mutable_input(input)
      ->mutable_type()
      ->mutable_tensor_type()
      ->set_elem_type(type);
}

std::vector<Tensor<double>> Compute(const OnnxBuilder& builder,
                                    const std::vector<Tensor<double>>& inputs) {
  const Result<Model> model = ImportOnnx(builder.Write());
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  Bindings<double> bindings{inputs, ParameterValues<double>(*model), {}};
  auto out = Interpret<double>(model->graph(), bindings, model->graph().outputs());
  EXPECT_TRUE(out.ok()) << out.error().message();
  return out.ok() ? *out : std::vector<Tensor<double>>{};
}

struct Heads {
  std::size_t queries = 3, keys = 4, q_heads = 4, kv_heads = 2, size = 2, v_size = 3;
};

// One example, by the definition; allowed(i, j) says whether query i attends to key j.
template <typename Allowed>
std::vector<double> Define(const Heads& n, const std::vector<double>& q,
                           const std::vector<double>& k, const std::vector<double>& v, double scale,
                           double softcap, Allowed allowed) {
  std::vector<double> y(n.q_heads * n.queries * n.v_size, 0);
  for (std::size_t h = 0; h < n.q_heads; ++h) {
    const std::size_t g = h / (n.q_heads / n.kv_heads);
    for (std::size_t i = 0; i < n.queries; ++i) {
      std::vector<double> weight(n.keys, 0);
      double sum = 0;
      for (std::size_t j = 0; j < n.keys; ++j) {
        double score = 0;
        for (std::size_t d = 0; d < n.size; ++d) {
          score += scale * q[(h * n.queries + i) * n.size + d] * k[(g * n.keys + j) * n.size + d];
        }
        if (softcap != 0) score = softcap * std::tanh(score / softcap);
        weight[j] = allowed(i, j) ? std::exp(score) : 0;
        sum += weight[j];
      }
      for (std::size_t j = 0; j < n.keys; ++j) {
        for (std::size_t d = 0; d < n.v_size; ++d) {
          y[(h * n.queries + i) * n.v_size + d] +=
              weight[j] / sum * v[(g * n.keys + j) * n.v_size + d];
        }
      }
    }
  }
  return y;
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-7) << i;
}

// Inputs "x" (Q), "k", "v" with four axes.
OnnxBuilder FourAxes(const Heads& n) {
  const auto i = [](std::size_t s) { return static_cast<std::int64_t>(s); };
  OnnxBuilder b({i(n.q_heads), i(n.queries), i(n.size)}, kOpset);
  b.Input("k", {i(n.kv_heads), i(n.keys), i(n.size)});
  return b.Input("v", {i(n.kv_heads), i(n.keys), i(n.v_size)});
}

std::vector<Tensor<double>> DrawHeads(const Heads& n) {
  Draws draws(9);
  std::vector<Tensor<double>> inputs(3);
  inputs[0].reals = draws.List(n.q_heads * n.queries * n.size);
  inputs[1].reals = draws.List(n.kv_heads * n.keys * n.size);
  inputs[2].reals = draws.List(n.kv_heads * n.keys * n.v_size);
  return inputs;
}

TEST(Attention, SharedHeadsScaleAndSoftcap) {
  const Heads n;
  const auto inputs = DrawHeads(n);
  OnnxBuilder b = FourAxes(n);
  b.Node("Attention", {"x", "k", "v"}, {"y"}, {Float("scale", 0.5F), Float("softcap", 0.25F)});
  const auto y = Compute(b.Output("y"), inputs);
  ASSERT_EQ(y.size(), 1U);
  ExpectNear(y[0].reals, Define(n, inputs[0].reals, inputs[1].reals, inputs[2].reals, 0.5, 0.25,
                                [](std::size_t, std::size_t) { return true; }));
}

TEST(Attention, CausalWithPast) {
  const Heads n{.queries = 3, .keys = 5, .q_heads = 2, .kv_heads = 2};
  const auto all = DrawHeads(n);
  // The first two keys are the past.
  std::vector<Tensor<double>> inputs(5);
  inputs[0] = all[0];
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const std::size_t width = all[i].reals.size() / (n.kv_heads * n.keys);
    for (std::size_t h = 0; h < n.kv_heads; ++h) {
      const auto head = all[i].reals.begin() + static_cast<std::ptrdiff_t>(h * n.keys * width);
      const auto split = head + static_cast<std::ptrdiff_t>(2 * width);
      inputs[i + 2].reals.insert(inputs[i + 2].reals.end(), head, split);
      inputs[i].reals.insert(inputs[i].reals.end(), split,
                             head + static_cast<std::ptrdiff_t>(n.keys * width));
    }
  }
  OnnxBuilder b({2, 3, 2}, kOpset);
  b.Input("k", {2, 3, 2}).Input("v", {2, 3, 3}).Input("pk", {2, 2, 2}).Input("pv", {2, 2, 3});
  b.Node("Attention", {"x", "k", "v", "", "pk", "pv"}, {"y", "key", "value"},
         {Int("is_causal", 1)});
  const auto out = Compute(b.Output("y").Output("key").Output("value"), inputs);
  ASSERT_EQ(out.size(), 3U);
  const double scale = 1 / std::sqrt(2.0);
  ExpectNear(out[0].reals, Define(n, all[0].reals, all[1].reals, all[2].reals, scale, 0,
                                  [](std::size_t i, std::size_t j) { return j <= i + 2; }));
  ExpectNear(out[1].reals, all[1].reals);
  ExpectNear(out[2].reals, all[2].reals);
}

TEST(Attention, TruthMaskPaddingAndCausal) {
  const Heads n{.queries = 2, .keys = 4, .q_heads = 2, .kv_heads = 1};
  auto inputs = DrawHeads(n);
  OnnxBuilder b = FourAxes(n);
  b.Input("mask", {1, 2, 3}).Input("used", {});  // [B, 1, 2, 3]: the last key is excluded
  SetType(b, 3, onnx::TensorProto::BOOL);
  SetType(b, 4, onnx::TensorProto::INT64);
  inputs.push_back({ElementType::kBool, {}, {}, {1, 1, 0, 0, 1, 1}});
  inputs.push_back({ElementType::kInt64, {}, {}, {3}});
  b.Node("Attention", {"x", "k", "v", "mask", "", "", "used"}, {"y"}, {Int("is_causal", 1)});
  const auto y = Compute(b.Output("y"), inputs);
  ASSERT_EQ(y.size(), 1U);
  const bool allowed[2][4] = {{true, true, false, false}, {false, true, true, false}};
  ExpectNear(y[0].reals,
             Define(n, inputs[0].reals, inputs[1].reals, inputs[2].reals, 1 / std::sqrt(2.0), 0,
                    [&](std::size_t i, std::size_t j) { return allowed[i][j]; }));
}

// "x" [B, S, 4] through three matrices.
OnnxBuilder Projected(const std::vector<onnx::AttributeProto>& attributes,
                      const std::vector<std::string>& more = {}) {
  OnnxBuilder b({3, 4}, kOpset);
  for (const char* name : {"q", "k", "v"}) {
    const std::int64_t width = name[0] == 'q' ? 8 : 4;
    b.Weight(
        std::string("w") + name, {4, width},
        Draws(static_cast<std::uint64_t>(name[0])).Floats(static_cast<std::size_t>(4 * width)));
    b.Node("MatMul", {"x", std::string("w") + name}, {name});
  }
  std::vector<onnx::AttributeProto> all = {Int("q_num_heads", 4), Int("kv_num_heads", 2)};
  all.insert(all.end(), attributes.begin(), attributes.end());
  std::vector<std::string> inputs = {"q", "k", "v"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  return b.Node("Attention", inputs, {"y"}, all).Output("y");
}

TEST(Attention, Gradients) {
  ExpectGradients(Projected({}));
  ExpectGradients(Projected({Int("is_causal", 1), Float("softcap", 0.5F)}));
  OnnxBuilder masked = Projected({Int("is_causal", 1)}, {"mask"});
  masked.Weight("mask", {3, 3}, Draws(4).Floats(9));
  ExpectGradients(masked);
  const Result<Model> model = ImportOnnx(masked.Write());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->parameters().size(), 3U) << "a mask is not trained";
}

TEST(Attention, ScoresAsOutput) {
  for (const std::int64_t mode : {0, 3}) {
    OnnxBuilder b({2, 3, 2}, kOpset);
    b.Node("Attention", {"x", "x", "x"}, {"y", "", "", "scores"},
           {Int("qk_matmul_output_mode", mode), Float("scale", 1)});
    std::vector<Tensor<double>> inputs(1);
    inputs[0].reals = Draws(2).List(12);
    const auto out = Compute(b.Output("y").Output("scores"), inputs);
    ASSERT_EQ(out.size(), 2U);
    ASSERT_EQ(out[1].reals.size(), 18U);
    double sum = 0;
    for (std::size_t j = 0; j < 3; ++j) sum += out[1].reals[j];
    const auto& x = inputs[0].reals;
    const double first = x[0] * x[0] + x[1] * x[1];
    EXPECT_NEAR(mode == 3 ? sum : out[1].reals[0], mode == 3 ? 1 : first, 1e-9);
  }
}

void ExpectRefused(const OnnxBuilder& builder, ErrorCode code,
                   const std::vector<std::string>& words) {
  const Result<Model> model = ImportOnnx(builder.Write());
  ASSERT_FALSE(model.ok()) << "accepted";
  EXPECT_EQ(ErrorCodeName(model.error().code()), ErrorCodeName(code)) << model.error().message();
  for (const std::string& word : words) {
    EXPECT_NE(model.error().message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << model.error().message();
  }
}

TEST(AttentionRefused, ExamplesMixed) {
  // [S, B, E] read as [B, S, E]: each example would attend to the others.
  OnnxBuilder b({3, 4}, kOpset);
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 0, 2})});
  b.Node("Attention", {"t", "t", "t"}, {"y"}, {Int("q_num_heads", 2), Int("kv_num_heads", 2)});
  ExpectRefused(b.Output("y"), ErrorCode::kPrivacyRefused, {"(Attention", "attend to others"});
  // A mask with a row for each place in the batch.
  OnnxBuilder masked = Projected({}, {"mask"});
  masked.Weight("mask", {2, 1, 3, 3}, Draws(4).Floats(18));
  ExpectRefused(masked, ErrorCode::kPrivacyRefused, {"place in the batch"});
}

// The first step that fails is what the refusal names; the steps after it are not tried.
TEST(AttentionRefused, AStepThatFailsEndsIt) {
  for (const int heads : {2, 4}) {  // one product for each head, and two heads for each of k and v
    OnnxBuilder b({heads, 3, 2}, kOpset);
    b.Input("k", {2, 3, 2}).Input("v", {2, 3, 2});
    SetType(b, 0, onnx::TensorProto::INT64);
    b.Node("Attention", {"x", "k", "v"}, {"y"}, {Float("scale", 0.5F)}).Output("y");
    ExpectRefused(b, ErrorCode::kUnsupported, {"node 'n0' (Attention"});
  }
}

TEST(AttentionRefused, AbsurdAttributes) {
  const auto refused = [](const onnx::AttributeProto& attribute) {
    OnnxBuilder b({3, 4}, kOpset);
    std::vector<onnx::AttributeProto> attributes = {attribute};
    if (attribute.name() != "q_num_heads") attributes.push_back(Int("q_num_heads", 2));
    if (attribute.name() != "kv_num_heads") attributes.push_back(Int("kv_num_heads", 2));
    b.Node("Attention", {"x", "x", "x"}, {"y", "", "", "s"}, attributes).Output("y");
    const Result<Model> model = ImportOnnx(b.Write());
    EXPECT_FALSE(model.ok()) << attribute.name();
  };
  refused(Int("q_num_heads", 0));
  refused(Int("q_num_heads", -2));
  refused(Int("q_num_heads", 3));
  refused(Int("kv_num_heads", 1LL << 62));
  refused(Int("kv_num_heads", 4));  // more than q_num_heads
  refused(Float("softcap", -1));
  refused(Int("qk_matmul_output_mode", 1));
  refused(Int("qk_matmul_output_mode", 7));
}

TEST(RotaryEmbedding, TurnsPairs) {
  for (const bool interleaved : {false, true}) {
    for (const bool positions : {false, true}) {
      SCOPED_TRACE(std::string(interleaved ? "interleaved " : "") + (positions ? "positions" : ""));
      // Two positions, two heads of six features, of which four turn.
      OnnxBuilder b({2, 12}, kOpset);
      Draws draws(6);
      std::vector<Tensor<double>> inputs(1);
      inputs[0].reals = draws.List(24);
      const std::vector<float> cos = draws.Floats(positions ? 10 : 4);
      const std::vector<float> sin = draws.Floats(positions ? 10 : 4);
      const std::int64_t places[2] = {positions ? 4 : 0, 1};
      std::vector<std::string> names = {"x", "cos", "sin"};
      if (positions) {
        b.Weight("cos", {5, 2}, cos)
            .Weight("sin", {5, 2}, sin)
            .Input(names.emplace_back("ids"), {2});
        SetType(b, 1, onnx::TensorProto::INT64);
        inputs.push_back({ElementType::kInt64, {}, {}, {places[0], places[1]}});
      } else {
        b.Weight("cos", {1, 2, 2}, cos).Weight("sin", {1, 2, 2}, sin);
      }
      b.Node("RotaryEmbedding", names, {"y"},
             {Int("num_heads", 2), Int("rotary_embedding_dim", 4),
              Int("interleaved", interleaved ? 1 : 0)});
      const auto y = Compute(b.Output("y"), inputs);
      ASSERT_EQ(y.size(), 1U);
      std::vector<double> expected = inputs[0].reals;
      for (std::size_t s = 0; s < 2; ++s) {
        for (std::size_t k = 0; k < 4; ++k) {  // head k / 2, pair k % 2
          const std::size_t head = s * 12 + (k / 2) * 6;
          const std::size_t first = head + (interleaved ? 2 * (k % 2) : k % 2);
          const std::size_t second = first + (interleaved ? 1 : 2);
          const auto angle = static_cast<std::size_t>(places[s]) * 2 + k % 2;
          const double c = static_cast<double>(cos[angle]);
          const double d = static_cast<double>(sin[angle]);
          const double x0 = inputs[0].reals[first];
          const double x1 = inputs[0].reals[second];
          expected[first] = c * x0 - d * x1;
          expected[second] = d * x0 + c * x1;
        }
      }
      ExpectNear(y[0].reals, expected);
    }
  }
}

TEST(RotaryEmbedding, Gradients) {
  OnnxBuilder b({3, 4}, kOpset);
  b.Weight("w", {4, 4}, Draws(1).Floats(16)).Weight("cos", {1, 3, 1}, Draws(2).Floats(3));
  b.Weight("sin", {1, 3, 1}, Draws(3).Floats(3)).Node("MatMul", {"x", "w"}, {"h"});
  b.Node("RotaryEmbedding", {"h", "cos", "sin"}, {"y"},
         {Int("num_heads", 2), Int("interleaved", 1)});
  ExpectGradients(b.Output("y"));
}

TEST(RotaryEmbeddingRefused, AbsurdAttributes) {
  const auto refused = [](const onnx::AttributeProto& attribute) {
    OnnxBuilder b({2, 4}, kOpset);
    b.Weight("cos", {1, 2, 1}, {1, 1}).Weight("sin", {1, 2, 1}, {0, 0});
    std::vector<onnx::AttributeProto> attributes = {attribute};
    if (attribute.name() != "num_heads") attributes.push_back(Int("num_heads", 2));
    b.Node("RotaryEmbedding", {"x", "cos", "sin"}, {"y"}, attributes).Output("y");
    ExpectRefused(b, ErrorCode::kInvalidInput, {"(RotaryEmbedding"});
  };
  refused(Int("num_heads", 0));
  refused(Int("num_heads", -1));
  refused(Int("num_heads", 1));
  refused(Int("rotary_embedding_dim", 1));
  refused(Int("rotary_embedding_dim", -2));
  refused(Int("rotary_embedding_dim", 1LL << 62));
}

}  // namespace
}  // namespace anchorhold::graph
