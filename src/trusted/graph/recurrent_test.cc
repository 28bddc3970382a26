// LSTM, GRU and RNN against their definition, written as loops over one example; their gradients;
// and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

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
using testing::Text;

constexpr std::size_t kSteps = 4;
constexpr std::size_t kInputs = 3;
constexpr std::size_t kHidden = 2;

onnx::AttributeProto Texts(const std::string& name, const std::vector<std::string>& values) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::STRINGS);
  for (const std::string& value : values) attribute.add_strings(value);
  return attribute;
}

onnx::AttributeProto FloatList(const std::string& name, const std::vector<float>& values) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOATS);
  for (const float value : values) attribute.add_floats(value);
  return attribute;
}

using Function = std::function<double(double)>;
double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

struct Cell {
  std::string op = "LSTM";
  std::string direction = "forward";
  bool batch_first = false;  // layout 1
  bool bias = true;
  bool peepholes = false;
  bool initial = false;
  bool lengths = false;  // the second input of the model
  double clip = 0;
  bool input_forget = false;
  bool linear_before_reset = false;
  std::vector<onnx::AttributeProto> activations{};
  // The meaning of `activations` for each direction: f, g, h.
  std::vector<std::vector<Function>> functions{};

  std::size_t gates() const { return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1; }
  std::size_t directions() const { return direction == "bidirectional" ? 2 : 1; }
  std::vector<Function> Functions(std::size_t d) const {
    if (!functions.empty()) return functions[d];
    const auto tanh = [](double x) { return std::tanh(x); };
    if (op == "RNN") return {tanh};
    return {Logistic, tanh, tanh};
  }
};

struct Weights {
  explicit Weights(const Cell& options) {
    Draws draws(5);
    const std::size_t d = options.directions();
    const std::size_t rows = options.gates() * kHidden;
    w = draws.Floats(d * rows * kInputs);
    r = draws.Floats(d * rows * kHidden);
    b = draws.Floats(d * 2 * rows);
    p = draws.Floats(d * 3 * kHidden);
    h = draws.Floats(d * kHidden);
    c = draws.Floats(d * kHidden);
  }
  std::vector<float> w, r, b, p, h, c;
};

// "x" [B, S, I], "lengths" [B]; outputs "y" [B, S, D, H], "yh" and, of an LSTM, "yc" [B, D, H].
OnnxBuilder Build(const Cell& options) {
  const Weights weights(options);
  const auto d = static_cast<std::int64_t>(options.directions());
  const auto rows = static_cast<std::int64_t>(options.gates() * kHidden);
  constexpr auto kI = static_cast<std::int64_t>(kInputs);
  constexpr auto kH = static_cast<std::int64_t>(kHidden);
  OnnxBuilder b({static_cast<std::int64_t>(kSteps), kI});
  b.Weight("w", {d, rows, kI}, weights.w).Weight("r", {d, rows, kH}, weights.r);
  std::vector<std::string> inputs = {"x", "w", "r", "", "", "", "", ""};
  if (options.bias) b.Weight(inputs[3] = "b", {d, 2 * rows}, weights.b);
  if (options.lengths) {
    b.Input(inputs[4] = "lengths", {});
    b.proto()
        .mutable_graph()
        ->mutable_input(1)
        ->mutable_type()
        ->mutable_tensor_type()
        ->set_elem_type(onnx::TensorProto::INT32);
  }
  const auto state = [&](const std::string& name, const std::vector<float>& values) {
    // A learned state, the same for each example: repeated along the batch.
    const Shape shape = options.batch_first ? Shape{1, d, kH} : Shape{d, 1, kH};
    b.Weight(name + "0", shape, values);
    b.Constant(name + "_none", {1, 1, 1}, {0});
    b.Node("ReduceMean", {"x"}, {name + "_mean"}, {Ints("axes", {1, 2})});
    b.Node("Mul", {name + "_mean", name + "_none"}, {name + "_batch"});  // [B, 1, 1]
    if (!options.batch_first) {
      b.Node("Transpose", {name + "_batch"}, {name + "_t"}, {Ints("perm", {1, 0, 2})});
    }
    b.Node("Add", {name + (options.batch_first ? "_batch" : "_t"), name + "0"}, {name});
    return name;
  };
  if (options.initial) inputs[5] = state("h", weights.h);
  if (options.initial && options.op == "LSTM") inputs[6] = state("c", weights.c);
  if (options.peepholes) b.Weight(inputs[7] = "p", {d, 3 * kH}, weights.p);
  while (inputs.back().empty()) inputs.pop_back();
  std::vector<onnx::AttributeProto> attributes = {Int("hidden_size", kH),
                                                  Text("direction", options.direction)};
  if (options.batch_first) attributes.push_back(Int("layout", 1));
  if (options.clip != 0) attributes.push_back(Float("clip", static_cast<float>(options.clip)));
  if (options.input_forget) attributes.push_back(Int("input_forget", 1));
  if (options.linear_before_reset) attributes.push_back(Int("linear_before_reset", 1));
  attributes.insert(attributes.end(), options.activations.begin(), options.activations.end());
  const bool cell = options.op == "LSTM";
  if (options.batch_first) {
    b.Node(options.op, inputs,
           cell ? std::vector<std::string>{"y", "yh", "yc"} : std::vector<std::string>{"y", "yh"},
           attributes);
  } else {
    b.Node("Transpose", {"x"}, {"xt"}, {Ints("perm", {1, 0, 2})});
    inputs[0] = "xt";
    b.Node(
        options.op, inputs,
        cell ? std::vector<std::string>{"yt", "yht", "yct"} : std::vector<std::string>{"yt", "yht"},
        attributes);
    b.Node("Transpose", {"yt"}, {"y"}, {Ints("perm", {2, 0, 1, 3})});
    b.Node("Transpose", {"yht"}, {"yh"}, {Ints("perm", {1, 0, 2})});
    if (cell) b.Node("Transpose", {"yct"}, {"yc"}, {Ints("perm", {1, 0, 2})});
  }
  b.Output("y").Output("yh");
  if (cell) b.Output("yc");
  return b;
}

// The definition, for one example of `length` steps.
class Reference {
 public:
  Reference(const Cell& options, std::vector<double> x, std::size_t length)
      : options_(options), weights_(options), x_(std::move(x)), length_(length) {}

  // y [S, D, H], yh [D, H], yc [D, H].
  std::vector<std::vector<double>> Run() {
    const std::size_t directions = options_.directions();
    std::vector<std::vector<double>> out(options_.op == "LSTM" ? 3 : 2);
    out[0].assign(kSteps * directions * kHidden, 0);
    for (direction_ = 0; direction_ < directions; ++direction_) {
      h_.assign(kHidden, 0);
      c_.assign(kHidden, 0);
      for (std::size_t k = 0; options_.initial && k < kHidden; ++k) {
        h_[k] = static_cast<double>(weights_.h[direction_ * kHidden + k]);
        c_[k] = static_cast<double>(weights_.c[direction_ * kHidden + k]);
      }
      const bool reverse = options_.direction == "reverse" || direction_ == 1;
      for (std::size_t i = 0; i < length_; ++i) {
        const std::size_t t = reverse ? length_ - 1 - i : i;
        Step(t);
        for (std::size_t k = 0; k < kHidden; ++k) {
          out[0][(t * directions + direction_) * kHidden + k] = h_[k];
        }
      }
      out[1].insert(out[1].end(), h_.begin(), h_.end());
      if (out.size() == 3) out[2].insert(out[2].end(), c_.begin(), c_.end());
    }
    return out;
  }

 private:
  double W(std::size_t gate, std::size_t k, std::size_t t) const {
    const std::size_t row = (direction_ * options_.gates() + gate) * kHidden + k;
    double sum = 0;
    for (std::size_t i = 0; i < kInputs; ++i) {
      sum += static_cast<double>(weights_.w[row * kInputs + i]) * x_[t * kInputs + i];
    }
    return sum;
  }
  double R(std::size_t gate, std::size_t k, const std::vector<double>& h) const {
    const std::size_t row = (direction_ * options_.gates() + gate) * kHidden + k;
    double sum = 0;
    for (std::size_t i = 0; i < kHidden; ++i) {
      sum += static_cast<double>(weights_.r[row * kHidden + i]) * h[i];
    }
    return sum;
  }
  double B(std::size_t gate, std::size_t k, bool of_r) const {
    if (!options_.bias) return 0;
    const std::size_t g = options_.gates();
    return static_cast<double>(
        weights_.b[((direction_ * 2 + (of_r ? 1 : 0)) * g + gate) * kHidden + k]);
  }
  double P(std::size_t gate, std::size_t k, const std::vector<double>& c) const {
    if (!options_.peepholes) return 0;
    return static_cast<double>(weights_.p[(direction_ * 3 + gate) * kHidden + k]) * c[k];
  }
  double Apply(std::size_t function, double x) const {
    if (options_.clip != 0) x = std::min(std::max(x, -options_.clip), options_.clip);
    return options_.Functions(direction_)[function](x);
  }
  double Sum(std::size_t gate, std::size_t k, std::size_t t) const {
    return W(gate, k, t) + R(gate, k, h_) + B(gate, k, false) + B(gate, k, true);
  }

  void Step(std::size_t t) {
    const std::vector<double> h = h_;
    const std::vector<double> c = c_;
    std::vector<double> next = h;
    std::vector<double> z(kHidden);
    std::vector<double> reset(kHidden);
    for (std::size_t k = 0; options_.op == "GRU" && k < kHidden; ++k) {
      z[k] = Apply(0, Sum(0, k, t));
      reset[k] = Apply(0, Sum(1, k, t)) * h[k];
    }
    for (std::size_t k = 0; k < kHidden; ++k) {
      if (options_.op == "RNN") {
        next[k] = Apply(0, Sum(0, k, t));
      } else if (options_.op == "GRU") {
        const double n = options_.linear_before_reset
                             ? W(2, k, t) + B(2, k, false) +
                                   Apply(0, Sum(1, k, t)) * (R(2, k, h) + B(2, k, true))
                             : W(2, k, t) + R(2, k, reset) + B(2, k, false) + B(2, k, true);
        next[k] = (1 - z[k]) * Apply(1, n) + z[k] * h[k];
      } else {
        const double i = Apply(0, Sum(0, k, t) + P(0, k, c));
        const double f = options_.input_forget ? 1 - i : Apply(0, Sum(2, k, t) + P(2, k, c));
        c_[k] = f * c[k] + i * Apply(1, Sum(3, k, t));
        next[k] = Apply(0, Sum(1, k, t) + P(1, k, c_)) * Apply(2, c_[k]);
      }
    }
    h_ = next;
  }

  const Cell& options_;
  Weights weights_;
  std::vector<double> x_;
  std::size_t length_;
  std::size_t direction_ = 0;
  std::vector<double> h_;
  std::vector<double> c_;
};

constexpr std::size_t kExamples = 3;
constexpr std::int64_t kLengths[] = {4, 2, 3};

// A batch of three through the plain mode, and each example through the typed graph, against the
// definition.
void ExpectDefinition(const Cell& options) {
  const OnnxBuilder builder = Build(options);
  Draws draws(11);
  const std::vector<double> x = draws.List(kExamples * kSteps * kInputs);
  const auto inputs = [&](std::size_t from, std::size_t count) {
    Bindings<double> bindings;
    const auto n = static_cast<std::int64_t>(count);
    const auto first = x.begin() + static_cast<std::ptrdiff_t>(from * kSteps * kInputs);
    bindings.inputs.push_back(
        {ElementType::kFloat32,
         {n, kSteps, kInputs},
         {first, first + static_cast<std::ptrdiff_t>(count * kSteps * kInputs)},
         {}});
    if (options.lengths) {
      bindings.inputs.push_back(
          {ElementType::kInt32, {n}, {}, {kLengths + from, kLengths + from + count}});
    }
    return bindings;
  };
  const auto compare = [&](const Model& model, Bindings<double> bindings, std::size_t from,
                           std::size_t count) {
    bindings.parameters = ParameterValues<double>(model);
    const auto out = Interpret<double>(model.graph(), bindings, model.graph().outputs());
    ASSERT_TRUE(out.ok()) << out.error().message();
    for (std::size_t e = 0; e < count; ++e) {
      const auto at = static_cast<std::ptrdiff_t>((from + e) * kSteps * kInputs);
      Reference reference(options, {x.begin() + at, x.begin() + at + kSteps * kInputs},
                          options.lengths ? static_cast<std::size_t>(kLengths[from + e]) : kSteps);
      const auto expected = reference.Run();
      ASSERT_EQ(out->size(), expected.size());
      for (std::size_t o = 0; o < expected.size(); ++o) {
        ASSERT_EQ((*out)[o].reals.size(), count * expected[o].size());
        for (std::size_t i = 0; i < expected[o].size(); ++i) {
          EXPECT_NEAR((*out)[o].reals[e * expected[o].size() + i], expected[o][i], 1e-7)
              << "output " << o << " example " << from + e << " element " << i;
        }
      }
    }
  };
  const Result<Model> typed = ImportOnnx(builder.Write());
  ASSERT_TRUE(typed.ok()) << typed.error().message();
  for (std::size_t e = 0; e < kExamples; ++e) compare(*typed, inputs(e, 1), e, 1);
  ImportOptions plain;
  plain.examples = false;
  plain.sizes["N"] = kExamples;
  const Result<Model> batch = ImportOnnx(builder.Write(), plain);
  ASSERT_TRUE(batch.ok()) << batch.error().message();
  compare(*batch, inputs(0, kExamples), 0, kExamples);
}

TEST(Recurrent, Rnn) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (const bool batch_first : {false, true}) {
      SCOPED_TRACE(std::string(direction) + (batch_first ? " 1" : " 0"));
      ExpectDefinition({.op = "RNN", .direction = direction, .batch_first = batch_first});
      ExpectDefinition({.op = "RNN",
                        .direction = direction,
                        .batch_first = batch_first,
                        .bias = false,
                        .initial = true,
                        .lengths = true});
    }
  }
}

TEST(Recurrent, Gru) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (const bool before : {false, true}) {
      SCOPED_TRACE(std::string(direction) + (before ? " before" : " after"));
      ExpectDefinition({.op = "GRU", .direction = direction, .linear_before_reset = before});
      ExpectDefinition({.op = "GRU",
                        .direction = direction,
                        .batch_first = true,
                        .initial = true,
                        .lengths = true,
                        .clip = 0.3,
                        .linear_before_reset = before});
    }
  }
  ExpectDefinition({.op = "GRU", .bias = false, .linear_before_reset = true});
}

TEST(Recurrent, Lstm) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (const bool batch_first : {false, true}) {
      SCOPED_TRACE(std::string(direction) + (batch_first ? " 1" : " 0"));
      ExpectDefinition({.direction = direction, .batch_first = batch_first});
      ExpectDefinition({.direction = direction,
                        .batch_first = batch_first,
                        .peepholes = true,
                        .initial = true,
                        .lengths = true});
    }
  }
  ExpectDefinition({.bias = false, .peepholes = true, .clip = 0.25, .input_forget = true});
}

TEST(Recurrent, ActivationsWithNumbers) {
  Cell options{.op = "GRU", .direction = "bidirectional"};
  options.activations = {Texts("activations", {"HardSigmoid", "LeakyRelu", "Affine", "ScaledTanh"}),
                         FloatList("activation_alpha", {0.25F, 0.5F, 0.75F}),
                         FloatList("activation_beta", {0.125F})};
  // Numbers run out: the operators' own defaults stand in, as ScaledTanh's 1.
  options.functions = {{[](double x) { return std::min(std::max(0.25 * x + 0.125, 0.0), 1.0); },
                        [](double x) { return x > 0 ? x : 0.5 * x; }},
                       {[](double x) { return 0.75 * x; }, [](double x) { return std::tanh(x); }}};
  ExpectDefinition(options);

  Cell others{.op = "LSTM", .direction = "bidirectional"};
  others.activations = {
      Texts("activations", {"Softsign", "Softplus", "Elu", "Sigmoid", "Relu", "Tanh"})};
  others.functions = {
      {[](double x) { return x / (1 + std::abs(x)); },
       [](double x) { return std::log1p(std::exp(x)); },
       [](double x) { return x > 0 ? x : std::expm1(x); }},
      {Logistic, [](double x) { return std::max(x, 0.0); }, [](double x) { return std::tanh(x); }}};
  ExpectDefinition(others);
  ExpectGradients(Build(others));
}

TEST(Recurrent, Gradients) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    SCOPED_TRACE(op);
    Cell options{.op = op, .direction = "bidirectional", .initial = true, .lengths = true};
    options.peepholes = options.op == "LSTM";
    testing::GradientCheck check;
    check.inputs.resize(2);
    check.inputs[0].reals = Draws(8).List(kSteps * kInputs);
    check.inputs[1] = {ElementType::kInt32, {1}, {}, {3}};
    ExpectGradients(Build(options), check);
    options.batch_first = true;
    options.lengths = false;
    options.linear_before_reset = options.op == "GRU";
    options.input_forget = options.op == "LSTM";
    ExpectGradients(Build(options));
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

OnnxBuilder Direct(const Shape& example, const std::vector<onnx::AttributeProto>& attributes,
                   const std::vector<std::string>& more = {}) {
  OnnxBuilder b(example);
  b.Weight("w", {1, 2, 3}, Draws(1).Floats(6)).Weight("r", {1, 2, 2}, Draws(2).Floats(4));
  std::vector<std::string> inputs = {"x", "w", "r"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  b.Node("RNN", inputs, {"y"}, attributes);
  return b.Output("y");
}

TEST(RecurrentRefused, ExamplesAsSteps) {
  ExpectRefused(Direct({4, 3}, {}), ErrorCode::kPrivacyRefused,
                {"(RNN", "recurrence runs along the example axis", "axis 1"});
}

TEST(RecurrentRefused, ExamplesAsFeatures) {
  OnnxBuilder b({4, 5});
  b.Weight("w", {1, 2, 1}, Draws(1).Floats(2)).Weight("r", {1, 2, 2}, Draws(2).Floats(4));
  b.Node("Transpose", {"x"}, {"t"}, {Ints("perm", {1, 2, 0})});
  b.Node("RNN", {"t", "w", "r"}, {"y"}).Output("y");
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"features of a step"});
}

TEST(RecurrentRefused, StateByPlaceInTheBatch) {
  OnnxBuilder b = Direct({4, 3}, {Int("layout", 1)}, {"", "", "h"});
  b.Weight("h", {1, 1, 2}, {1, 2});
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"initial_h", "place"});
  b = Direct({4, 3}, {Int("layout", 1)}, {"", "", "h"});
  b.Weight("h", {5, 1, 2}, Draws(3).Floats(10));
  ExpectRefused(b, ErrorCode::kPrivacyRefused, {"initial_h", "place"});
}

TEST(RecurrentRefused, LengthsByPlaceInTheBatch) {
  OnnxBuilder b = Direct({4, 3}, {Int("layout", 1)}, {"", "lengths"});
  b.Integers("lengths", {4, 2});
  ExpectRefused(b, ErrorCode::kInvalidInput, {"sequence_lens"});
}

TEST(RecurrentRefused, AbsurdAttributes) {
  const auto refused = [](const onnx::AttributeProto& attribute, const std::string& word) {
    ExpectRefused(Direct({4, 3}, {Int("layout", 1), attribute}), ErrorCode::kInvalidInput, {word});
  };
  refused(Int("hidden_size", 1LL << 60), "hidden_size");
  refused(Int("hidden_size", -1), "hidden_size");
  refused(Text("direction", "sideways"), "sideways");
  refused(Float("clip", -1), "clip");
  refused(Float("clip", std::nanf("")), "clip");
  refused(Texts("activations", {"Tanh", "Tanh"}), "2 activations");
  ExpectRefused(Direct({4, 3}, {Int("layout", 1), Texts("activations", {"Sine"})}),
                ErrorCode::kUnsupported, {"'Sine'"});
  ExpectRefused(Direct({4, 2}, {Int("layout", 1)}), ErrorCode::kInvalidInput, {"W of"});
}

TEST(RecurrentRefused, TooManySteps) {
  ExpectRefused(Direct({1'000'000, 3}, {Int("layout", 1)}), ErrorCode::kLimitExceeded,
                {"1000000 steps"});
}

}  // namespace
}  // namespace anchorhold::graph
