// What the random networks are written with: nodes, weights and constants, each in one of the forms
// that the opset allows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "tests/random_graph.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {

using graph::testing::Float;
using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::Text;
using Sizes = std::vector<std::int64_t>;
using Attributes = std::vector<onnx::AttributeProto>;

std::int64_t Product(const Sizes& sizes);

// A value with the examples along axis 0, which `sizes` leaves out.
struct Value {
  std::string name;
  Sizes sizes;
};

class GraphWriter {
 public:
  GraphWriter(Random& random, int opset, const Sizes& input)
      : random_(random), opset_(opset), model_(input, opset) {}

  Random& random() { return random_; }
  int opset() const { return opset_; }
  onnx::ModelProto& proto() { return model_.proto(); }
  const std::string& operators() const { return operators_; }

  // A node with one output, whose name is returned.
  std::string Node(const std::string& op, const std::vector<std::string>& inputs,
                   const Attributes& attributes = {});
  std::vector<std::string> NodeOf(std::size_t outputs, const std::string& op,
                                  const std::vector<std::string>& inputs,
                                  const Attributes& attributes = {});

  // A trained tensor, uniform in [-limit, limit]; now and then an earlier one of the same shape.
  std::string Weight(const Sizes& sizes, float limit);
  // For a layer that sums `inputs` products: keeps values at the same scale.
  std::string LayerWeight(const Sizes& sizes, std::int64_t inputs);
  // A trained tensor of numbers in [low, high], never shared.
  std::string WeightIn(const Sizes& sizes, float low, float high);
  std::string Constant(const Sizes& sizes, const std::vector<float>& values);
  std::string Number(float value) { return Constant({}, {value}); }
  // An initializer or a Constant node.
  std::string Integers(const Sizes& values, bool scalar = false);

  // Forms that depend on the opset. Axes count the batch axis.
  std::string Reduce(const std::string& op, const std::string& x, const Sizes& axes, bool keep);
  std::string Unsqueeze(const std::string& x, std::int64_t axis) {
    return Node("Unsqueeze", {x, Integers({axis})});
  }
  std::string Slice(const std::string& x, std::int64_t start, std::int64_t end, std::int64_t axis,
                    std::int64_t step = 1);

  // The batch's size as a list of one, read from `x`, whose example axis is `axis`.
  std::string BatchSize(const std::string& x, std::int64_t axis = 0);
  // [x's batch, sizes..] by Reshape, the batch written as 0, -1 or computed.
  std::string Reshape(const std::string& x, const Sizes& sizes);
  // A matrix product with trained weights, with or without bias: along the last axis.
  Value Linear(const Value& x, std::int64_t width);

 private:
  std::string Fresh() { return "v" + std::to_string(next_++); }

  Random& random_;
  int opset_;
  graph::testing::OnnxBuilder model_;
  struct Shared {
    std::string name;
    Sizes sizes;
    float limit;
  };
  std::vector<Shared> weights_;
  std::string operators_;
  int next_ = 0;
};

// The axes of [N, C, ..] behind the channels.
inline std::size_t SpatialAxes(const Value& x) { return x.sizes.size() - 1; }

// Parts of networks (random_graph_parts.cc and the files of the kinds).
Value Activation(GraphWriter& w, const Value& x);
// x and a trained tensor, or x and a function of itself; any shape.
Value Mixing(GraphWriter& w, const Value& x);
// Moves, repeats or picks numbers along feature axis `axis` (counted without the batch).
Value Rearrangement(GraphWriter& w, const Value& x, std::size_t axis);
Value Normalisation(GraphWriter& w, const Value& x);  // along the last axis

// Any upsampling convolution with trained filters, of signals, images or volumes.
Value TransposedConvolution(GraphWriter& w, const Value& x);
Value ImageBlock(GraphWriter& w, Value x);  // [N, C, spatial axes] to the same

Value ImageNetwork(GraphWriter& w, Value x);   // [N, C, up to three spatial axes] to [N, f]
Value FramesNetwork(GraphWriter& w, Value x);  // [N, F, C, H, W] or [N, F, C, L] to [N, f]
Value BagNetwork(GraphWriter& w, std::int64_t vocabulary, const Value& x);  // integers to [N, f]
Value SequenceNetwork(GraphWriter& w, Value x);                             // [N, S, d] to [N, f]
Value TableNetwork(GraphWriter& w, Value x);                                // [N, f] to [N, g]

}  // namespace anchorhold::testing
