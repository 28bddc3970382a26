#include "tests/random_graph.h"

#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

// Makes the input one of tokens instead of numbers.
void TakeTokens(GraphWriter& w, RandomGraph& graph) {
  graph.vocabulary = w.random().Between(2, 7);
  w.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
}

// The embedding of tokens [N, S].
Value Embedded(GraphWriter& w, std::int64_t length, const RandomGraph& graph) {
  Random& random = w.random();
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

// What kind of network it is, and the sizes of its input.
std::string DrawKind(Random& random, Sizes& input) {
  switch (random.Between(0, 8)) {
    case 0:
    case 1:
      input = {random.Between(1, 4), random.Between(4, 8)};
      if (random.Chance(80)) input.push_back(random.Between(4, 8));
      return "image";
    case 2:
    case 3:
      input = {random.Between(2, 6)};
      if (random.Chance(50)) return "text";
      input.push_back(random.Between(2, 8));
      return "sequence";
    case 4:
      input = {random.Between(1, 3), random.Between(1, 4), random.Between(2, 4),
               random.Between(2, 5)};
      return "volume";
    case 5:
      // Now and then more images than are convolved at once.
      input = {random.Chance(25) ? random.Between(9, 11) : random.Between(1, 4),
               random.Between(1, 3), random.Between(2, 5)};
      if (random.Chance(80)) input.push_back(random.Between(2, 5));
      return "frames";
    case 6:
      input = {random.Between(1, 6)};
      if (random.Chance(30)) input.push_back(random.Between(1, 4));
      return "bag";
    default:
      input = {random.Between(1, 10)};
      return "table";
  }
}

}  // namespace

RandomGraph MakeRandomGraph(std::uint64_t seed) {
  Random random(seed);
  RandomGraph graph;
  const auto opset = static_cast<int>(random.Between(13, 21));
  Sizes input;
  const std::string kind = DrawKind(random, input);
  GraphWriter w(random, opset, input);
  Value x = {"x", input};
  if (kind == "text" || kind == "bag") TakeTokens(w, graph);
  if (kind == "text") x = Embedded(w, input[0], graph);
  if (kind == "image" || kind == "volume") {
    x = ImageNetwork(w, x);
  } else if (kind == "frames") {
    x = FramesNetwork(w, x);
  } else if (kind == "bag") {
    x = BagNetwork(w, graph.vocabulary, x);
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
