// Model: an ONNX graph that has been imported, shape-checked and proved unable to mix examples.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::graph {

class Graph;  // graph.h: the typed intermediate representation

// Sizes of the axes, without the example axis; empty for a scalar.
using Shape = std::vector<std::int64_t>;

// A trainable initializer: one that the first output, the prediction, depends on through
// differentiable inputs. Running statistics, bounds and shapes are constants of the model.
struct Parameter {
  std::string name;  // the ONNX initializer's name
  Shape shape;
  std::vector<float> values;  // initial values, row-major
};

struct Port {
  std::string name;  // the ONNX value's name
  Shape shape;       // of one example; its rows come first where it has several ([B * S, d])
};

class Model {
 public:
  Model(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters, Port input,
        std::vector<Port> outputs);
  ~Model();

  const Graph& graph() const { return *graph_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::size_t parameter_count() const;  // numbers in all parameters together
  const Port& input() const { return input_; }
  const std::vector<Port>& outputs() const { return outputs_; }

 private:
  std::shared_ptr<const Graph> graph_;
  std::vector<Parameter> parameters_;
  Port input_;
  std::vector<Port> outputs_;
};

// Imports and checks an ONNX model (opset 13 to 21; float32). Refusals name the node and the
// remedy: kInvalidInput (not ONNX, truncated, inconsistent shapes), kUnsupported (operator, node,
// opset), kPrivacyRefused (the graph mixes examples), kLimitExceeded.
Result<Model> ImportOnnx(ByteSpan onnx);

// One line of `anchorhold model check`: what the checker found at a node.
struct NodeVerdict {
  std::string node;     // the node's name, or "#3" when it has none
  std::string op;       // "Gemm"
  std::string output;   // first output's type: "example x 30 float32", "30x1 float32"
  std::string verdict;  // "per example", "constant", or the refusal's text
  bool accepted = true;
};

struct CheckReport {
  std::vector<NodeVerdict> nodes;  // in execution order, up to and including the first refused one
  Status status;                   // the refusal, if there is one
};
CheckReport CheckOnnx(ByteSpan onnx);

}  // namespace anchorhold::graph
