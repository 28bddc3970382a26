// The meaning of the type check, put to the test: a model that is accepted gives each example of a
// real batch the output that it gives the example alone. The batch is run through the plain mode of
// the importer, which knows of no example axis, so nothing of the type system is taken on trust.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "tests/random_graph.h"
#include "trusted/graph/interpreter.h"
#include "trusted/graph/model.h"

namespace anchorhold::testing {

// Numbers for all inputs of one example: reals in [-1, 1], integers in [0, vocabulary).
std::vector<float> DrawRow(Random& random, const graph::Model& model, std::int64_t vocabulary);

// A row as the model's inputs.
template <typename T>
std::vector<graph::Tensor<T>> SplitRow(const graph::Model& model, std::span<const float> row);

struct Independence {
  bool holds = true;
  bool compared = true;  // false: the plain mode does not run this model, for want of an operator
  std::string what;      // how it fails, or why nothing was compared
};

// Runs `rows` as one batch, each row alone, and each with other neighbours; compares all outputs.
// `model` is `onnx` as imported with examples. A model that declares its batch's size as a number
// is given as many rows, and is run with neighbours only.
Independence CheckIndependence(ByteSpan onnx, const graph::Model& model,
                               const std::vector<std::vector<float>>& rows);

}  // namespace anchorhold::testing
