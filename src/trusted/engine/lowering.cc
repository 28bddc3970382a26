#include "trusted/engine/lowering.h"

#include <utility>

#include "trusted/engine/lowerer.h"

namespace anchorhold::engine {

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kNone:
      break;
    case Method::kInstantiate:
      return "instantiate";
    case Method::kGhost:
      return "ghost";
    case Method::kContract:
      return "contract";
    case Method::kSparse:
      return "sparse";
  }
  return "none";
}

Result<LoweredProgram> Lowerer::Run() {
  out_.group = options_.group;
  const std::size_t values = graph_.values().size();
  buffer_of_.assign(values, -1);
  reals_of_.assign(values, -1);
  kept_.assign(values, false);

  SelectNodes();
  FindRoots();
  FindByExample();
  if (fast()) ReadKinksFromOutputs();
  kept_[Index(Root(goal_.result))] = true;
  if (goal_.seed != graph::kNoValue) kept_[Index(Root(goal_.seed))] = true;
  FindUsers();
  FindSums();
  FindUsers();
  TakeKinksAlong();
  FindUsers();
  TakeBiasesAlong();
  TakeFactorsAlong();
  TakeRowsAlong();
  FindUsers();
  GrowChains();

  EmitSteps();
  EmitSums();
  PlaceInputs();
  FindLives();
  AH_RETURN_IF_ERROR(PlaceBuffers());
  PatchAll();
  return std::move(out_);
}

Result<LoweredProgram> Lower(std::shared_ptr<const graph::Graph> graph, const Goal& goal,
                             const LoweringOptions& options) {
  return Lowerer(std::move(graph), goal, options).Run();
}

namespace {

// One example after the other, by the reference kernels.
void RunNaive(const void* context, const Step& step, const Frame& frame) {
  const auto& program = *static_cast<const LoweredProgram*>(context);
  const graph::Node& node = *program.naive[step.index];
  const std::vector<Operand>& operands = program.naive_inputs[step.index];
  std::vector<const void*> inputs(operands.size());
  std::vector<graph::ValueType> types;
  types.reserve(operands.size());
  for (const graph::ValueId id : node.inputs) types.push_back(program.graph->type(id));
  const std::size_t examples = step.out[0].space == Space::kArena ? frame.examples : 1;
  for (std::size_t e = 0; e < examples; ++e) {
    for (std::size_t i = 0; i < operands.size(); ++i) inputs[i] = At(operands[i], frame, e);
    const graph::Call<float> call{inputs, At(step.out[0], frame, e), types,
                                  program.graph->type(node.output), node.attributes};
    node.primitive->Run<float>(call);
  }
}

}  // namespace

StepTables LoweredProgram::Tables() const {
  return {points,           point_inputs,    point_operands, instructions,
          output_registers, output_operands, &RunNaive,      this};
}

}  // namespace anchorhold::engine
