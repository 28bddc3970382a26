// The reference: runs a graph one primitive after another, every value in memory of its own, with
// the primitives' naive kernels. No arena, no reuse, no fusion; it is slow and meant to be
// obviously right. Every faster path is held against it, in float32 and, for finite differences and
// error bounds, in float64. `anchorhold model run` uses it too.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

// A value: row-major reals or integers, by its element type.
template <typename T>
struct Tensor {
  ElementType element = ElementType::kFloat32;
  Shape shape;
  std::vector<T> reals;
  std::vector<std::int64_t> integers;

  friend bool operator==(const Tensor&, const Tensor&) = default;
};

// What a graph reads, by its sources. The spans must outlive the interpreter's run.
template <typename T>
struct Bindings {
  std::vector<Tensor<T>> inputs;           // by input
  std::vector<std::vector<T>> parameters;  // by parameter
  Tensor<T> seed;                          // for a differentiated graph
};

// The model's own parameter values.
template <typename T>
std::vector<std::vector<T>> ParameterValues(const Model& model);

// The values `wanted`, in their order. kInvalidInput if an input's or a parameter's size is not the
// graph's. Only what the wanted values depend on is computed.
template <typename T>
Result<std::vector<Tensor<T>>> Interpret(const Graph& graph, const Bindings<T>& bindings,
                                         std::span<const ValueId> wanted);

}  // namespace anchorhold::graph
