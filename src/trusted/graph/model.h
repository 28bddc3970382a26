// Model: an ONNX graph that has been imported, shape-checked and proved unable to mix examples.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::graph {

class Graph;  // graph.h: the typed intermediate representation

// Sizes of the axes, without the example axis; empty for a scalar.
using Shape = std::vector<std::int64_t>;

// Versions of ONNX's default operator set that are accepted.
inline constexpr int kOpsetMin = 6;
inline constexpr int kOpsetMax = 24;

// What ONNX says that a value holds. Reals are computed with in float32; a Cast to a narrower type
// rounds. Integers and booleans are held as int64.
enum class ElementType : unsigned char {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUInt64,
  kUInt32,
  kUInt16,
  kUInt8,
  kBool,
};
inline bool IsReal(ElementType element) { return element <= ElementType::kFloat64; }

// Numbers that are known: one of the two, by the element type.
struct ConstantData {
  std::shared_ptr<const std::vector<float>> reals{};
  std::shared_ptr<const std::vector<std::int64_t>> integers{};
};

// A trainable initializer: one that the first output, the prediction, depends on through
// differentiable inputs. Running statistics, bounds and shapes are constants of the model.
struct Parameter {
  std::string name;  // the ONNX initializer's name
  Shape shape;
  std::vector<float> values;  // initial values, row-major
  bool carried = true;        // false: the file has none; drawn by InitialiseParameters
};

struct Port {
  std::string name;  // the ONNX value's name
  // Of one example; its rows come first where it has several ([B * S, d]). Of the whole value if
  // the model was imported without an example axis.
  Shape shape;
  ElementType element = ElementType::kFloat32;
};

// An input whose shape, and perhaps numbers, are known while importing.
struct KnownInput {
  ElementType element = ElementType::kFloat32;
  Shape shape;
  ConstantData data;  // may be empty
};

struct ImportOptions {
  // True: axis 0 of every input is the example axis, and the type check proves that no examples
  // mix. False: the graph as it is, for local runs on data of one's own: no axis is special.
  bool examples = true;
  // Without an example axis: what the inputs are, by name. Rules that need numbers while importing
  // (a Reshape's target) take them from here; others read the input when the model runs.
  std::map<std::string, KnownInput> inputs;
  // Sizes of axes that the model names (ONNX dim_param), the batch's excepted.
  std::map<std::string, std::int64_t> sizes;
  // A BatchNormalization that trains is read as one that uses its running statistics.
  bool inference = false;
  // Without an example axis: the running statistics of a BatchNormalization that trains become
  // Model::statistics(), which change from step to step.
  bool track_statistics = false;
  // Numbers that stand in for those of the file's initializers, by name: trained ones.
  std::map<std::string, std::vector<float>> numbers;
};

// A running statistic of a BatchNormalization that trains (ImportOptions::track_statistics): the
// graph reads it as an input, after Model::inputs(), and computes what it becomes.
struct RunningStatistic {
  std::string name;  // the ONNX initializer's name
  Shape shape;
  std::vector<float> values;  // initial
  std::int32_t updated = -1;  // the value of the graph (ValueId) that it becomes
};

class Model {
 public:
  Model(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters,
        std::vector<Port> inputs, std::vector<Port> outputs);
  ~Model();

  const Graph& graph() const { return *graph_; }
  std::shared_ptr<const Graph> share_graph() const { return graph_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::size_t parameter_count() const;  // numbers in all parameters together
  const std::vector<Port>& inputs() const { return inputs_; }
  std::size_t input_width() const;  // numbers of one example in all inputs together, in their order
  std::size_t output_width() const;  // numbers of one example in the first output
  const std::vector<Port>& outputs() const { return outputs_; }
  const std::vector<RunningStatistic>& statistics() const { return statistics_; }
  void SetStatistics(std::vector<RunningStatistic> statistics) {
    statistics_ = std::move(statistics);
  }
  // The same model with another graph of the same values, and the graph's parameters.
  Model With(std::shared_ptr<const Graph> graph, std::vector<Parameter> parameters) const;

 private:
  std::shared_ptr<const Graph> graph_;
  std::vector<Parameter> parameters_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  std::vector<RunningStatistic> statistics_;
};

// Imports and checks an ONNX model (opsets kOpsetMin to kOpsetMax). Refusals name the node and the
// remedy: kInvalidInput (not ONNX, truncated, inconsistent shapes), kUnsupported (operator, node,
// opset), kPrivacyRefused (the graph mixes examples), kLimitExceeded.
Result<Model> ImportOnnx(ByteSpan onnx, const ImportOptions& options = {});

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
CheckReport CheckOnnx(ByteSpan onnx, const ImportOptions& options = {});

// The declared inputs of a model, without importing it: names, element types, and sizes with -1
// where they are symbolic (the axis's name is then in `names`). Initializers are left out.
struct DeclaredInput {
  std::string name;
  ElementType element = ElementType::kFloat32;
  Shape shape;
  std::vector<std::string> names;  // by axis; "" for a number
};
Result<std::vector<DeclaredInput>> DeclaredInputs(ByteSpan onnx);

}  // namespace anchorhold::graph
