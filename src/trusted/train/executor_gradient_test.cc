// The gradient of every operator against central finite differences. The same programs as the
// executor's run here in double precision, so that a wrong derivative cannot hide in rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/executor_program.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {
namespace {

using graph::testing::Float;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;

class DoubleExecutor {
 public:
  DoubleExecutor(const graph::Model& model, const LossOptions& loss, const TrainingGoal& training)
      : loss_(loss),
        positions_(graph::ElementCount(model.outputs()[0].shape) /
                   ClassCount(model.outputs()[0].shape)),
        program_(
            Program<double>::Make(training.graph, training.goal, ParameterOffsets(model)).value()),
        arena_(program_.arena_size()),
        scratch_(program_.scratch_size()),
        gradient_(model.parameter_count()) {}

  double Run(const std::vector<double>& parameters, const std::vector<double>& input,
             const std::vector<float>& targets, std::int64_t class_index) {
    const void* inputs[] = {input.data()};
    const Program<double>::Memory memory{parameters.data(), inputs, gradient_.data(), arena_.data(),
                                         scratch_.data()};
    program_.Forward(memory);
    const auto output = program_.Output(memory);
    const std::vector<std::int64_t> classes(positions_, class_index);
    Label label{.classes = classes};
    if (IsRegression(loss_.kind)) label = {.targets = std::span(targets).first(output.size())};
    const double loss = LossAndSeed<double>(loss_, output, label, program_.Seed(memory));
    program_.Backward(memory);
    return loss;
  }
  const std::vector<double>& gradient() const { return gradient_; }

 private:
  LossOptions loss_;
  std::size_t positions_;
  Program<double> program_;
  std::vector<std::byte> arena_;
  std::vector<const void*> scratch_;
  std::vector<double> gradient_;
};

// Checks each parameter's derivative at the model's own weights and a fixed input in [0.5, 1.5].
void ExpectGradient(const OnnxBuilder& builder, const LossOptions& loss = Loss::kMeanSquaredError) {
  const Result<graph::Model> model = graph::ImportOnnx(builder.Write());
  ASSERT_TRUE(model.ok()) << model.error().message();
  const Result<TrainingGoal> training = MakeTrainingGoal(*model, loss);
  ASSERT_TRUE(training.ok()) << training.error().message();
  DoubleExecutor executor(*model, loss, *training);

  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(0.5, 1.5);
  std::vector<double> input(model->input_width());
  for (double& value : input) value = uniform(random);
  std::vector<float> targets(graph::ElementCount(model->outputs()[0].shape));
  for (float& value : targets) value = static_cast<float>(uniform(random));
  std::vector<double> parameters;
  for (const graph::Parameter& parameter : model->parameters()) {
    parameters.insert(parameters.end(), parameter.values.begin(), parameter.values.end());
  }
  ASSERT_FALSE(parameters.empty());

  executor.Run(parameters, input, targets, 1);
  const std::vector<double> gradient = executor.gradient();
  double largest = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double h = 1e-5;
    std::vector<double> moved = parameters;
    moved[i] = parameters[i] + h;
    const double up = executor.Run(moved, input, targets, 1);
    moved[i] = parameters[i] - h;
    const double down = executor.Run(moved, input, targets, 1);
    const double expected = (up - down) / (2 * h);
    EXPECT_NEAR(gradient[i], expected, 1e-8 + 1e-7 * std::abs(expected)) << "parameter " << i;
    largest = std::max(largest, std::abs(expected));
  }
  EXPECT_GT(largest, 1e-6) << "all derivatives are zero: the test would see nothing";
}

std::vector<float> Numbers(std::size_t n) {
  std::mt19937 random(static_cast<unsigned>(n));
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(random);
  return values;
}

// x [N, 4] times a weight, so that what follows is differentiated with respect to its input.
OnnxBuilder Scaled(int opset = 17) {
  OnnxBuilder b({4}, opset);
  b.Weight("w", {4}, {0.7F, -0.6F, 0.5F, -0.4F}).Node("Mul", {"x", "w"}, {"h"});
  return b;
}

TEST(Gradient, ElementwiseOperators) {
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "Neg", "Exp", "Identity", "LeakyRelu"}) {
    SCOPED_TRACE(op);
    OnnxBuilder b = Scaled();
    ExpectGradient(b.Node(op, {"h"}, {"y"}).Output("y"));
  }
  for (const char* op : {"Log", "Sqrt"}) {  // of positive numbers
    SCOPED_TRACE(op);
    OnnxBuilder b = Scaled();
    ExpectGradient(
        b.Node("Exp", {"h"}, {"e"}).Node(op, {"e"}, {"l"}).Node("Exp", {"l"}, {"y"}).Output("y"));
  }
}

TEST(Gradient, ElementwiseOperatorsWithAttributes) {
  OnnxBuilder leaky = Scaled();
  ExpectGradient(leaky.Node("LeakyRelu", {"h"}, {"y"}, {Float("alpha", 0.3F)}).Output("y"));
  OnnxBuilder clip = Scaled();
  clip.Weight("low", {}, {-0.3F}).Weight("high", {}, {0.6F});
  ExpectGradient(clip.Node("Clip", {"h", "low", "high"}, {"y"}).Output("y"));
  OnnxBuilder dropout = Scaled();
  dropout.Weight("ratio", {}, {0.5F});
  ExpectGradient(dropout.Node("Dropout", {"h", "ratio"}, {"y"}).Output("y"));
  OnnxBuilder cast = Scaled();
  ExpectGradient(cast.Node("Cast", {"h"}, {"y"}, {Int("to", 1)}).Output("y"));
}

TEST(Gradient, BinaryOperatorsAndTheirBroadcasting) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{3, 4}, {4}, {3, 1}, {1}, {}, {1, 3, 4}}) {
      for (const bool left : {true, false}) {
        SCOPED_TRACE(std::string(op) + " " + std::to_string(shape.size()) + (left ? " l" : " r"));
        std::size_t size = 1;
        for (const std::int64_t d : shape) size *= static_cast<std::size_t>(d);
        OnnxBuilder b({3, 4});
        std::vector<float> values = Numbers(size);
        for (float& value : values) value += value < 0 ? -0.5F : 0.5F;
        b.Weight("w", shape, values).Weight("v", {4}, {1.1F, -0.9F, 0.8F, 1.3F});
        b.Node("Mul", {"x", "v"}, {"h"});
        b.Node(op, left ? std::vector<std::string>{"w", "h"} : std::vector<std::string>{"h", "w"},
               {"y"});
        ExpectGradient(b.Output("y"));
      }
    }
  }
}

TEST(Gradient, GemmInAllItsForms) {
  for (const bool transpose_b : {false, true}) {
    for (const bool scaled : {false, true}) {
      OnnxBuilder b = Scaled();
      b.Weight("m", transpose_b ? std::vector<std::int64_t>{3, 4} : std::vector<std::int64_t>{4, 3},
               Numbers(12));
      b.Weight("c", {3}, Numbers(3));
      b.Node("Gemm", {"h", "m", "c"}, {"y"},
             {Int("transB", transpose_b ? 1 : 0), Float("alpha", scaled ? 0.5F : 1.0F),
              Float("beta", scaled ? -2.0F : 1.0F)});
      ExpectGradient(b.Output("y"));
    }
  }
}

TEST(Gradient, GemmWithTransposedWeightsOnTheLeft) {
  // The examples are the columns of the right operand: y^T = op(A) h^T.
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      OnnxBuilder b = Scaled();
      b.Weight("m", transpose_a ? std::vector<std::int64_t>{4, 3} : std::vector<std::int64_t>{3, 4},
               Numbers(12));
      std::string right = "h";
      if (!transpose_b) b.Node("Transpose", {"h"}, {right = "ht"});
      b.Node("Gemm", {"m", right}, {"p"},
             {Int("transA", transpose_a ? 1 : 0), Int("transB", transpose_b ? 1 : 0)});
      ExpectGradient(b.Node("Transpose", {"p"}, {"y"}).Output("y"));
    }
  }
}

TEST(Gradient, MatMulOfEachRank) {
  OnnxBuilder folded({5, 4});  // [N, 5, 4] x [4, 3]
  folded.Weight("w", {4, 3}, Numbers(12)).Weight("v", {4}, Numbers(4));
  folded.Node("Mul", {"x", "v"}, {"h"}).Node("MatMul", {"h", "w"}, {"y"});
  ExpectGradient(folded.Output("y"));

  OnnxBuilder vector = Scaled();
  vector.Weight("u", {4}, Numbers(4)).Node("MatMul", {"h", "u"}, {"y"});
  ExpectGradient(vector.Output("y"));

  OnnxBuilder row({3, 4});  // [3] x [N, 3, 4]
  row.Weight("u", {3}, Numbers(3)).Node("MatMul", {"u", "x"}, {"y"});
  ExpectGradient(row.Output("y"));

  OnnxBuilder heads({1, 5, 4});  // [N, 1, 5, 4] x [2, 4, 3]: broadcasting both ways
  heads.Weight("w", {2, 4, 3}, Numbers(24)).Weight("v", {4}, Numbers(4));
  heads.Node("Mul", {"x", "v"}, {"h"}).Node("MatMul", {"h", "w"}, {"y"});
  ExpectGradient(heads.Output("y"));

  OnnxBuilder attention({5, 4});  // h h^T within each example
  attention.Weight("v", {4}, Numbers(4)).Node("Mul", {"x", "v"}, {"h"});
  attention.Node("Transpose", {"h"}, {"t"}, {Ints("perm", {0, 2, 1})});
  attention.Node("MatMul", {"h", "t"}, {"y"});
  ExpectGradient(attention.Output("y"));
}

TEST(Gradient, SoftmaxAndLogSoftmax) {
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    for (const int axis : {1, 2, -1}) {
      OnnxBuilder b({3, 4});
      b.Weight("v", {4}, Numbers(4)).Node("Mul", {"x", "v"}, {"h"});
      ExpectGradient(b.Node(op, {"h"}, {"y"}, {Int("axis", axis)}).Output("y"));
    }
  }
}

TEST(Gradient, Reductions) {
  for (const char* op : {"ReduceMean", "ReduceSum"}) {
    for (const bool keep : {true, false}) {
      for (const std::vector<std::int64_t>& axes :
           {std::vector<std::int64_t>{1}, {2}, {1, 2}, {-1}}) {
        OnnxBuilder b({3, 4}, 18);
        b.Weight("v", {4}, Numbers(4)).Node("Mul", {"x", "v"}, {"h"}).Integers("axes", axes);
        b.Node(op, {"h", "axes"}, {"y"}, {Int("keepdims", keep ? 1 : 0)});
        ExpectGradient(b.Output("y"));
      }
    }
  }
}

TEST(Gradient, Layout) {
  OnnxBuilder b({2, 3, 4});
  b.Weight("v", {3, 4}, Numbers(12)).Integers("axes", {1}).Integers("target", {0, -1});
  b.Node("Mul", {"x", "v"}, {"h"}).Node("Transpose", {"h"}, {"t"}, {Ints("perm", {0, 3, 1, 2})});
  b.Node("Unsqueeze", {"t", "axes"}, {"u"}).Node("Squeeze", {"u", "axes"}, {"s"});
  b.Node("Reshape", {"s", "target"}, {"r"}).Weight("w", {24, 2}, Numbers(48));
  b.Node("Flatten", {"r"}, {"f"}).Node("MatMul", {"f", "w"}, {"y"});
  ExpectGradient(b.Output("y"));
}

TEST(Gradient, Concat) {
  OnnxBuilder b({3, 4});
  b.Weight("v", {4}, Numbers(4)).Weight("w", {3, 1}, Numbers(3)).Weight("m", {4, 2}, Numbers(8));
  b.Node("Mul", {"x", "v"}, {"h"}).Node("Mul", {"x", "w"}, {"i"}).Node("MatMul", {"x", "m"}, {"j"});
  b.Node("Concat", {"h", "x", "i", "j"}, {"c"}, {Int("axis", 2)});
  b.Weight("o", {14, 2}, Numbers(28)).Node("MatMul", {"c", "o"}, {"y"});
  ExpectGradient(b.Output("y"));
  OnnxBuilder middle({3, 4});
  middle.Weight("v", {4}, Numbers(4)).Node("Mul", {"x", "v"}, {"h"});
  middle.Node("Concat", {"h", "x", "h"}, {"c"}, {Int("axis", 1)}).Node("Tanh", {"c"}, {"y"});
  ExpectGradient(middle.Output("y"));
}

TEST(Gradient, BatchNormalization) {
  OnnxBuilder b({3, 4});
  b.Weight("v", {4}, Numbers(4)).Node("Mul", {"x", "v"}, {"h"});
  b.Weight("scale", {3}, {1.5F, -0.5F, 2}).Weight("bias", {3}, Numbers(3));
  b.Weight("mean", {3}, Numbers(3)).Weight("var", {3}, {1, 2, 0.5F});
  b.Node("BatchNormalization", {"h", "scale", "bias", "mean", "var"}, {"y"});
  ExpectGradient(b.Output("y"));
}

TEST(Gradient, SharedWeightsAreAdded) {
  OnnxBuilder b({3});
  b.Weight("w", {3, 3}, Numbers(9)).Weight("b", {3}, Numbers(3));
  b.Node("Gemm", {"x", "w", "b"}, {"h"}).Node("Tanh", {"h"}, {"t"});
  b.Node("Gemm", {"t", "w", "b"}, {"g"}, {Int("transB", 1)}).Node("Add", {"g", "b"}, {"a"});
  b.Node("Add", {"a", "x"}, {"y"}).Output("y");  // and a residual connection
  ExpectGradient(b);
}

TEST(Gradient, OfTransformedWeights) {
  OnnxBuilder b({3});
  b.Weight("w", {2, 3}, Numbers(6)).Weight("s", {1}, {0.5F}).Node("Transpose", {"w"}, {"t"});
  b.Node("Exp", {"t"}, {"e"}).Node("Mul", {"e", "s"}, {"m"}).Node("MatMul", {"x", "m"}, {"y"});
  ExpectGradient(b.Output("y"));
}

TEST(Gradient, WithEachLoss) {
  OnnxBuilder classes({4});
  classes.Weight("w", {4, 3}, Numbers(12)).Weight("b", {3}, Numbers(3));
  classes.Node("Gemm", {"x", "w", "b"}, {"z"}).Output("z");
  ExpectGradient(classes, Loss::kCrossEntropy);
  OnnxBuilder probabilities = classes;
  probabilities.proto().mutable_graph()->clear_output();
  ExpectGradient(probabilities.Node("Softmax", {"z"}, {"p"}).Output("p"), Loss::kCrossEntropy);
  OnnxBuilder logs = classes;
  logs.proto().mutable_graph()->clear_output();
  ExpectGradient(logs.Node("LogSoftmax", {"z"}, {"p"}).Output("p"), Loss::kCrossEntropy);
  OnnxBuilder binary({4});
  binary.Weight("w", {4, 1}, Numbers(4)).Node("MatMul", {"x", "w"}, {"z"});
  binary.Node("Sigmoid", {"z"}, {"p"}).Output("p");
  ExpectGradient(binary, Loss::kBinaryCrossEntropy);
}

TEST(Gradient, AParameterThatIsTheGradientOfAReshape) {
  OnnxBuilder b({2, 2});
  b.Weight("w", {4}, Numbers(4)).Integers("square", {2, 2});
  b.Node("Reshape", {"w", "square"}, {"r"}).Node("Add", {"x", "r"}, {"y"}).Output("y");
  ExpectGradient(b);
}

}  // namespace
}  // namespace anchorhold::train
