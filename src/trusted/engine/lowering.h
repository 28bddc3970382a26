// Lowering: from a graph for one example to a Program for a group of them.
//
// Every value that depends on an input is held once an example, the examples one after another; a
// node becomes a step that computes it for the whole group. That is right by construction: a value
// of an example is computed from values of that example alone. Steps take the fast kernels where
// those serve a node, and the reference kernels, example by example, where not.
//
//   elementwise nodes        grown into chains: a node joins its consumers' chain if it is that of
//                            all, so that what only the chain reads is never written to memory
//   product or convolution   takes the bias and the Relu or Clip behind it along
//   Relu', Clip'             as steps read the activation's output instead of its input, which need
//                            not be kept then (both tell on which side of the kink it was)
//   normalisation's parts    dx, dscale and dshift in one step, and the activation's derivative
//                            behind it, whose argument comes of the normalisation's input again
//   weights of convolutions  put into the order of the kernels once, in the prologue
//   parameters' gradients    not formed where the sum over the group can be contracted at once
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/engine/plan.h"
#include "trusted/engine/program.h"
#include "trusted/engine/sum_types.h"
#include "trusted/graph/graph.h"

namespace anchorhold::engine {

// What is to be computed, as values of the graph. The graph is for one example
// (graph::Differentiate), or, for inference, the model's own.
struct Goal {
  graph::ValueId result = graph::kNoValue;
  graph::ValueId seed = graph::kNoValue;       // written between forward and backward
  std::vector<graph::ValueId> gradients;       // by parameter
  std::vector<std::size_t> parameter_offsets;  // in the flat vector, and its size at the end
};

struct LoweredProgram {
  std::vector<Step> prologue;  // once for new parameters; examples = 1
  std::size_t first_pack = 0;  // steps of the prologue from here on do not need each other
  std::vector<Step> forward;
  std::vector<Step> backward;
  std::vector<Points> points;
  std::vector<simd::PointInput> point_inputs;
  std::vector<Operand> point_operands;
  std::vector<simd::PointInstruction> instructions;
  std::vector<std::uint8_t> output_registers;
  std::vector<Operand> output_operands;
  std::vector<const graph::Node*> naive;  // by Step::index; of `graph`
  std::vector<std::vector<Operand>> naive_inputs;
  std::shared_ptr<const graph::Graph> graph;

  std::vector<float> reals;  // constants
  std::vector<std::int64_t> integers;
  struct Input {
    bool real = true;
    bool used = false;
    Operand operand;
  };
  std::vector<Input> inputs;  // by the model's inputs
  Operand result;
  Operand seed;
  std::vector<GradientSum> sums;  // by parameter

  std::size_t group = 1;
  std::size_t arena_bytes = 0;
  std::size_t shared_bytes = 0;
  std::size_t naive_steps = 0;
  std::size_t minimal_steps = 0;  // convolutions by minimal filtering
  double multiply_adds = 0;
  std::vector<ParameterPlan> parameters;  // names are left empty

  StepTables Tables() const;
};

struct LoweringOptions {
  Mode mode = Mode::kInference;
  Kernels kernels;  // without: reference kernels only
  std::size_t group = 1;
  std::size_t input_count = 0;
  // Tests: forces kGhost or kInstantiate where both can be had.
  std::optional<Method> norms{};
};

// kLimitExceeded if the arena would be over limits::kArenaBytesMax.
Result<LoweredProgram> Lower(std::shared_ptr<const graph::Graph> graph, const Goal& goal,
                             const LoweringOptions& options);

// kInternal if two buffers of the arena that live at the same time overlap, or a step reads what
// was not written.
Status CheckProgram(const LoweredProgram& program);

}  // namespace anchorhold::engine
