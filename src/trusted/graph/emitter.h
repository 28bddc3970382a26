// Emits primitives in a row for rules that need many. After the first failure, which status()
// tells, every call returns kNoValue, and every call accepts it.
#pragma once

#include <utility>
#include <vector>

#include "trusted/graph/node_context.h"

namespace anchorhold::graph {

class Emitter {
 public:
  explicit Emitter(NodeContext& node) : node_(node) {}

  const Status& status() const { return status_; }
  // Of kNoValue: a scalar without examples.
  ValueType type(ValueId id) const { return id == kNoValue ? ValueType{} : node_.Type(id); }
  // What a call that returned a Result made; its failure becomes the status.
  ValueId Take(Result<ValueId> made);
  ValueId Emit(const Primitive& primitive, std::vector<ValueId> inputs, Attributes attributes = {});

  ValueId Add(ValueId a, ValueId b);
  ValueId Sub(ValueId a, ValueId b);
  ValueId Mul(ValueId a, ValueId b);
  ValueId Scale(ValueId x, double factor);
  // a b, or a b^T.
  ValueId MatMul(ValueId a, ValueId b, bool transpose_b = false);
  ValueId Slice(ValueId x, int axis, std::int64_t start, std::int64_t size);
  ValueId Concat(std::vector<ValueId> parts, int axis);
  // The value itself where nothing changes.
  ValueId Transpose(ValueId x, Shape permutation);
  ValueId Reshape(ValueId x, Shape shape, int example_axis);
  // One number in a shape that broadcasts: `rank` axes of size 1.
  ValueId Number(int rank, float number, ElementType element = ElementType::kFloat32);

 private:
  NodeContext& node_;
  Status status_;
};

}  // namespace anchorhold::graph
