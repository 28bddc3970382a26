#include "trusted/graph/operators.h"

namespace anchorhold::graph {

const OperatorDefinition* FindOperator(std::string_view name, int opset) {
  for (const auto& family :
       {LinearOperators(), ElementwiseOperators(), ActivationOperators(), NormalisationOperators(),
        ReductionOperators(), LayoutOperators(), SlicingOperators(), ShapeOperators(),
        LogicOperators(), IndexingOperators(), OrderingOperators(), ConvolutionOperators(),
        PoolingOperators(), ImageOperators(), RecurrentOperators(), EinsumOperators(),
        AttentionOperators(), LossOperators(), RefusedOperators()}) {
    for (const OperatorDefinition& definition : family) {
      if (definition.name == name && opset >= definition.opset_first &&
          opset <= definition.opset_last) {
        return &definition;
      }
    }
  }
  return nullptr;
}

const OperatorDefinition* FindTrainingOperator(std::string_view name) {
  for (const OperatorDefinition& definition : OptimizerOperators()) {
    if (definition.name == name) return &definition;
  }
  return nullptr;
}

}  // namespace anchorhold::graph
