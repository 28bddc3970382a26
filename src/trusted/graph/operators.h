// ONNX operators: for each, how it is rewritten into primitives, whose type rules then decide.
//
// Adding an operator is adding one OperatorDefinition to its family's table (operators_*.cc): its
// name, opset range, number of inputs and its rule. An operator that needs new arithmetic also adds
// a Primitive.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "trusted/graph/model.h"  // kOpsetMin, kOpsetMax

namespace anchorhold::graph {

class NodeContext;  // node_context.h

struct OperatorDefinition {
  std::string_view name;
  int opset_first;
  int opset_last;
  int inputs_min;
  int inputs_max;
  // Reads the node and sets its outputs, or refuses.
  Status (*rule)(NodeContext& node);
};

// The definition of `name` in `opset` of the default domain, or in the training domain; or nullptr.
const OperatorDefinition* FindOperator(std::string_view name, int opset);
const OperatorDefinition* FindTrainingOperator(std::string_view name);

// Optimiser steps, of the domain ai.onnx.preview.training (operators_optimizer.cc).
inline constexpr std::string_view kTrainingDomain = "ai.onnx.preview.training";
std::span<const OperatorDefinition> OptimizerOperators();

// The families of the default domain.
std::span<const OperatorDefinition> LinearOperators();
std::span<const OperatorDefinition> ElementwiseOperators();
std::span<const OperatorDefinition> ActivationOperators();
std::span<const OperatorDefinition> NormalisationOperators();
std::span<const OperatorDefinition> ReductionOperators();
std::span<const OperatorDefinition> LayoutOperators();
std::span<const OperatorDefinition> SlicingOperators();
std::span<const OperatorDefinition> ShapeOperators();
std::span<const OperatorDefinition> LogicOperators();
std::span<const OperatorDefinition> IndexingOperators();
std::span<const OperatorDefinition> OrderingOperators();
std::span<const OperatorDefinition> ConvolutionOperators();
std::span<const OperatorDefinition> PoolingOperators();
std::span<const OperatorDefinition> ImageOperators();
std::span<const OperatorDefinition> RecurrentOperators();
std::span<const OperatorDefinition> EinsumOperators();
std::span<const OperatorDefinition> AttentionOperators();
std::span<const OperatorDefinition> LossOperators();
// Known, not supported, and refused with the privacy reason where they would mix examples.
std::span<const OperatorDefinition> RefusedOperators();

}  // namespace anchorhold::graph
