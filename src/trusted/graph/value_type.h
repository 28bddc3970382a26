// The type of a value in the graph: its shape, and where in it the examples lie.
//
// A model is written for a batch of B examples, B unknown. A value either depends on the examples,
// and then exactly one of its axes, the example axis, has size p * B * m, or it does not (a
// parameter, a constant). Along the example axis, index (o * B + b) * m + i belongs to example b,
// for every o < p and i < m: m is the inner multiplicity, p the outer one. `shape` is the shape for
// a batch of one: the example axis has size p * m. So [B, 30] is {1, 30} with example axis 0; [B,
// S, d] folded to [B * S, d] is {S, d} with m = S; and [S, B, d] folded to [S * B, d], as
// sequence-first models do, is {S, d} with p = S.
//
// The one invariant behind the privacy type check: element (.., (o * B + b) * m + i, ..) of a value
// with an example axis is a function of example b, the parameters and the constants alone, and not
// of B. Every primitive's type rule (primitive.h) keeps it or refuses.
//
// Numbers are real (computed in float32 whatever the ONNX type; float64 in the reference) or
// integers, booleans among them (held as int64). The integers by which exporters compute shapes are
// resolved while importing (integers.h) and do not reach the graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "shared/base/result.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

inline constexpr int kNoExampleAxis = -1;

struct ValueType {
  Shape shape;  // for a batch of one
  int example_axis = kNoExampleAxis;
  ElementType element = ElementType::kFloat32;
  std::int64_t outer = 1;  // p; GraphBuilder::Emit carries it from inputs to outputs

  bool is_real() const { return IsReal(element); }

  bool has_examples() const { return example_axis != kNoExampleAxis; }
  int rank() const { return static_cast<int>(shape.size()); }
  // Size of the example axis for one example: p * m. Precondition: has_examples().
  std::int64_t multiplicity() const { return shape[static_cast<std::size_t>(example_axis)]; }
  friend bool operator==(const ValueType&, const ValueType&) = default;
};

// The number of elements. kInvalidInput for a size below 1, kLimitExceeded for a rank over
// limits::kTensorRankMax or a product over limits::kTensorElementsMax.
Result<std::size_t> CheckedElementCount(std::span<const std::int64_t> shape);

// The same, for a shape that is known to be within the limits.
std::size_t ElementCount(std::span<const std::int64_t> shape);

// "float32", "int64", ...: ONNX's names in lower case.
const char* ElementName(ElementType element);

// p of `to`, a reshaping of `in`, both with examples; 0 if no p tells the examples apart there. The
// numbers of a value lie as [before * p, B, m * after], before and after being the products of the
// sizes around the example axis, and a reshaping does not move them: examples stay apart exactly if
// the target is cut at the same place.
std::int64_t OuterAfterReshape(const ValueType& in, const ValueType& to);

// "30x1", "scalar".
std::string FormatShape(std::span<const std::int64_t> shape);
// "example x 30 float32"; m = 4 reads "example*4 x 30 float32", p = 3 "3*example x 30 float32".
std::string FormatType(const ValueType& type);

// Negative axes count from the end. kInvalidInput if `axis` is not in [-rank, rank).
Result<int> NormaliseAxis(std::int64_t axis, int rank);

}  // namespace anchorhold::graph
