#include "tests/random_graph.h"

#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

// Tokens [N, S] instead of numbers, and their embedding.
Value Tokens(GraphWriter& w, std::int64_t length, RandomGraph& graph) {
  Random& random = w.random();
  graph.vocabulary = random.Between(2, 7);
  w.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  const std::int64_t width = random.Between(1, 4) * 2;
  return {w.Node("Gather", {w.Weight({graph.vocabulary, width}, 1), "x"}, {Int("axis", 0)}),
          {length, width}};
}

// The last layers: the width that the loss needs, now and then with its activation.
std::string Head(GraphWriter& w, const Value& x, RandomGraph& graph) {
  Random& random = w.random();
  switch (random.Between(0, 3)) {
    case 0: {
      graph.loss = train::Loss::kBinaryCrossEntropy;
      const std::string y = w.Linear(x, 1).name;
      return random.Chance(50) ? w.Node("Sigmoid", {y}) : y;
    }
    case 1:
      graph.loss = random.Chance(70) ? train::Loss::kMeanSquaredError : train::Loss::kHuber;
      return w.Linear(x, random.Between(1, 4)).name;
    default: {
      graph.loss = train::Loss::kCrossEntropy;
      const std::int64_t classes = random.Between(2, 5);
      if (random.Chance(30)) graph.loss.label_smoothing = 0.1;
      if (random.Chance(20)) {
        for (std::int64_t c = 0; c < classes; ++c) {
          graph.loss.class_weights.push_back(random.Uniform(0.5F, 2));
        }
      }
      const std::string y = w.Linear(x, classes).name;
      if (random.Chance(60)) return y;
      return w.Node(random.Chance(50) ? "Softmax" : "LogSoftmax", {y}, {Int("axis", -1)});
    }
  }
}

}  // namespace

RandomGraph MakeRandomGraph(std::uint64_t seed) {
  Random random(seed);
  RandomGraph graph;
  const auto opset = static_cast<int>(random.Between(13, 21));
  Sizes input;
  std::string kind;
  switch (random.Between(0, 2)) {
    case 0:
      kind = "image";
      input = {random.Between(1, 4), random.Between(4, 8)};
      if (random.Chance(80)) input.push_back(random.Between(4, 8));
      break;
    case 1:
      kind = random.Chance(50) ? "text" : "sequence";
      input = {random.Between(2, 6)};
      if (kind == "sequence") input.push_back(random.Between(2, 8));
      break;
    default:
      kind = "table";
      input = {random.Between(1, 10)};
  }
  GraphWriter w(random, opset, input);
  Value x = {"x", input};
  if (kind == "text") x = Tokens(w, input[0], graph);
  if (kind == "image") {
    x = ImageNetwork(w, x);
  } else if (kind == "table") {
    x = TableNetwork(w, x);
  } else {
    x = SequenceNetwork(w, x);
  }
  const std::string output = Head(w, x, graph);
  w.proto().mutable_graph()->add_output()->set_name(output);
  graph.onnx = CopyBytes(AsBytes(w.proto().SerializeAsString()));
  graph.description = kind + ", opset " + std::to_string(opset) + ":" + w.operators();
  return graph;
}

}  // namespace anchorhold::testing
