// What a step reads and writes.
#pragma once

#include "trusted/engine/lowering.h"

namespace anchorhold::engine {

// Calls visit(operand, written) for every operand of a step.
template <typename Program, typename StepType, typename Visit>
void ForOperands(Program& program, StepType& step, Visit visit) {
  if (step.kind == StepKind::kNaive) {
    for (auto& operand : program.naive_inputs[step.index]) visit(operand, false);
    visit(step.out[0], true);
    return;
  }
  if (step.kind == StepKind::kPointwise) {
    const Points& points = program.points[step.index];
    for (std::size_t i = 0; i < points.inputs; ++i) {
      visit(program.point_operands[points.first_input + i], false);
    }
    for (std::size_t i = 0; i < points.outputs; ++i) {
      visit(program.output_operands[points.first_output + i], true);
    }
    return;
  }
  if (step.kind == StepKind::kConcat) {
    for (std::size_t i = 0; i < step.n; ++i) visit(program.point_operands[step.index + i], false);
  }
  for (auto& operand : step.in) {
    if (operand.size > 0) visit(operand, false);
  }
  for (auto& operand : step.out) {
    if (operand.size > 0) visit(operand, true);
  }
}

}  // namespace anchorhold::engine
