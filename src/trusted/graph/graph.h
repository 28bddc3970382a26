// The intermediate representation: a list of nodes in execution order, each applying one primitive
// (primitive.h) to earlier values and making one value. Values are immutable once made; a pass
// reads a Graph and builds another one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/primitive.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::graph {

using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;

enum class Source : unsigned char {
  kInput,      // one of the model's inputs; `index` is its place in Model::inputs()
  kParameter,  // trainable; `index` is its place in Model::parameters()
  kConstant,   // `index` is its place in Graph::constants()
  kSeed,       // the loss's gradient with respect to the value that Differentiate started from
  kNode,       // `index` is its place in Graph::nodes()
};

struct Value {
  ValueType type;
  Source source = Source::kNode;
  std::size_t index = 0;
};

struct Node {
  const Primitive* primitive = nullptr;
  std::vector<ValueId> inputs;
  ValueId output = kNoValue;
  Attributes attributes;
};

class Graph {
 public:
  const std::vector<Value>& values() const { return values_; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  const ValueType& type(ValueId id) const { return value(id).type; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<ConstantData>& constants() const { return constants_; }
  // The node that makes `id`, or nullptr.
  const Node* producer(ValueId id) const;

  // The model's outputs; empty in a graph under construction.
  const std::vector<ValueId>& outputs() const { return outputs_; }

  // Which values the given ones are computed from (themselves included), by id.
  std::vector<bool> Ancestors(std::span<const ValueId> of) const;

 private:
  friend class GraphBuilder;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ConstantData> constants_;
  std::vector<ValueId> outputs_;
};

// Builds a graph value by value. Emit applies the primitive's type rule, so a built graph is a
// checked one.
class GraphBuilder {
 public:
  GraphBuilder() = default;
  // Goes on from `graph`, whose values keep their ids.
  static GraphBuilder From(const Graph& graph);
  // The same with example axes erased and all reals of one type: the differentiated graph is for
  // one example alone, where summing over that example's positions is what a gradient does.
  static GraphBuilder ForOneExample(const Graph& graph);

  const Graph& graph() const { return graph_; }
  const ValueType& type(ValueId id) const { return graph_.type(id); }

  ValueId AddInput(ValueType type, std::size_t index = 0) {
    return Add(std::move(type), Source::kInput, index);
  }
  ValueId AddParameter(Shape shape, std::size_t index, ElementType element = ElementType::kFloat32);
  // Numbers that the model brings. What a rule computes goes through the two functions below.
  ValueId AddConstant(Shape shape, ConstantData data, ElementType element = ElementType::kFloat32);
  // Numbers that a rule computed. kLimitExceeded when all of them together are too many: a few
  // bytes of a model must not become gigabytes.
  Result<ValueId> AddReals(Shape shape, std::vector<float> numbers,
                           ElementType element = ElementType::kFloat32);
  Result<ValueId> AddIntegers(Shape shape, std::vector<std::int64_t> numbers,
                              ElementType element = ElementType::kInt64);
  // To be asked before computing that many numbers for AddReals or AddIntegers.
  Status CheckComputed(std::size_t count) const;
  ValueId AddSeed(Shape shape);
  // A node whose inputs are all constants is computed at once, within a budget of work; beyond it,
  // it stays a node. Errors are the type rule's.
  Result<ValueId> Emit(const Primitive& primitive, std::vector<ValueId> inputs,
                       Attributes attributes = {});

  // A constant's data, or nullptr where the value is none.
  const ConstantData* constant(ValueId id) const;

  // Turns a parameter into a constant, or gives it another index.
  void FreezeParameter(ValueId id, ConstantData data);
  void RenumberParameter(ValueId id, std::size_t index);

  std::shared_ptr<const Graph> Finish(std::vector<ValueId> outputs) &&;

 private:
  ValueId Add(ValueType type, Source source, std::size_t index);
  bool CanFold(const std::vector<ValueId>& inputs, const ValueType& type);
  ValueId Fold(const Primitive& primitive, const std::vector<ValueId>& inputs,
               const Attributes& attributes, const ValueType& type);

  Graph graph_;
  std::size_t folding_work_left_ = std::size_t{1} << 26;
  std::size_t computed_left_ = std::size_t{1} << 26;
};

}  // namespace anchorhold::graph
