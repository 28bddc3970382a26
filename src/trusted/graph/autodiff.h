// Reverse-mode differentiation as a pass: Graph -> Graph with the backward nodes appended.
//
// For a value z of the graph and a scalar loss l(z), the pass adds a seed value, which stands for
// dl/dz, and walks the nodes backward, adding to each input's gradient by the chain rule (Griewank
// & Walther, Evaluating Derivatives, 2nd ed., chapter 3). Where a value is used more than once, its
// gradients are added: so are those of a parameter that several layers share.
#pragma once

#include <memory>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/graph.h"

namespace anchorhold::graph {

struct Differentiated {
  std::shared_ptr<const Graph> graph;  // for one example; forward values keep their ids
  ValueId output = kNoValue;           // z
  ValueId seed = kNoValue;             // dl/dz, of z's shape
  // dl/dparameter, by parameter index; kNoValue where z does not depend on it (the gradient is 0).
  std::vector<ValueId> gradients;
};

// `parameter_count` is the number of parameters (not of their elements). kLimitExceeded if a
// gradient's intermediate value is over the limits; kUnsupported if z depends on no parameter.
Result<Differentiated> Differentiate(const Graph& graph, ValueId at, std::size_t parameter_count);

// What a gradient rule sees of the node it differentiates.
class GradientScope {
 public:
  GradientScope(GraphBuilder& builder, const Node& node, ValueId gradient,
                const std::vector<bool>& wanted, std::vector<std::vector<ValueId>>& contributions)
      : builder_(builder),
        node_(node),
        gradient_(gradient),
        wanted_(wanted),
        contributions_(contributions) {}

  ValueId input(std::size_t i) const { return node_.inputs[i]; }
  std::size_t input_count() const { return node_.inputs.size(); }
  ValueId output() const { return node_.output; }
  ValueId gradient() const { return gradient_; }  // of the output
  const Attributes& attributes() const { return node_.attributes; }
  Shape shape(ValueId id) const { return builder_.type(id).shape; }
  // Whether input i depends on a parameter; a rule may skip the others.
  bool wants(std::size_t i) const { return wanted_[static_cast<std::size_t>(node_.inputs[i])]; }

  // A backward node. After a failure (see status()) returns kNoValue, which every call accepts.
  ValueId Emit(const Primitive& primitive, std::vector<ValueId> inputs, Attributes attributes = {});
  ValueId Reshape(ValueId value, const Shape& to);
  // Undoes broadcasting: sums `value` down to `to`.
  ValueId SumTo(ValueId value, const Shape& to);
  // Adds `value` to the gradient of input i.
  void Contribute(std::size_t i, ValueId value);

  const Status& status() const { return status_; }

 private:
  GraphBuilder& builder_;
  const Node& node_;
  ValueId gradient_;
  const std::vector<bool>& wanted_;
  std::vector<std::vector<ValueId>>& contributions_;  // to each value's gradient
  Status status_;
};

}  // namespace anchorhold::graph
