#include "trusted/train/executor.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/check.h"
#include "trusted/graph/autodiff.h"
#include "trusted/graph/graph.h"
#include "trusted/kernels/convert.h"
#include "trusted/train/example_row.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/executor_program.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {

// The programs are shared between clones; the memory that they run in is each executor's own.
class Executor::Plan {
 public:
  static Result<std::unique_ptr<Plan>> Make(const graph::Model& model, const LossOptions* loss);
  std::unique_ptr<Plan> Clone() const { return std::unique_ptr<Plan>(new Plan(shared_)); }

  void Infer(std::span<const float> parameters, std::span<const float> input,
             std::span<float> output);
  float LossAndGradient(std::span<const float> parameters, std::span<const float> input,
                        const Label& label, std::span<float> gradient);
  float LossAndPrediction(std::span<const float> parameters, std::span<const float> input,
                          const Label& label, std::span<float> prediction);

  struct Shared {
    std::size_t parameter_count = 0;
    std::size_t input_width = 0;
    std::size_t output_width = 0;
    struct Input {
      std::size_t width = 0;
      bool real = true;
    };
    std::vector<Input> inputs;
    Program<float> inference;
    std::optional<Program<float>> training;
    LossOptions loss = Loss::kMeanSquaredError;  // meaningful with `training`
  };
  const Shared& shared() const { return *shared_; }

 private:
  explicit Plan(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {
    const auto fit = [this](const Program<float>& program) {
      arena_.resize(std::max(arena_.size(), program.arena_size()));
      scratch_.resize(std::max(scratch_.size(), program.scratch_size()));
    };
    fit(shared_->inference);
    if (shared_->training) fit(*shared_->training);
    inputs_.resize(shared_->inputs.size());
    std::size_t integers = 0;
    for (const Shared::Input& input : shared_->inputs) integers += input.real ? 0 : input.width;
    integers_.resize(integers);
  }

  // Points inputs_ at the numbers of one row; integers are converted.
  void ReadRow(std::span<const float> row);

  std::shared_ptr<const Shared> shared_;
  std::vector<std::byte> arena_;
  std::vector<const void*> scratch_;
  std::vector<const void*> inputs_;
  std::vector<std::int64_t> integers_;  // the integer inputs of one row, one after another
};

Result<std::unique_ptr<Executor::Plan>> Executor::Plan::Make(const graph::Model& model,
                                                             const LossOptions* loss) {
  auto shared = std::make_shared<Shared>();
  shared->parameter_count = model.parameter_count();
  shared->input_width = model.input_width();
  shared->output_width = model.output_width();
  for (const graph::Port& input : model.inputs()) {
    shared->inputs.push_back({graph::ElementCount(input.shape), graph::IsReal(input.element)});
  }
  const std::vector<std::size_t> offsets = ParameterOffsets(model);
  // The inference program runs the model's graph as it is: examples come one at a time.
  const auto graph = std::make_shared<const graph::Graph>(model.graph());
  AH_ASSIGN_OR_RETURN(
      shared->inference,
      Program<float>::Make(graph, {graph->outputs()[0], graph::kNoValue, {}}, offsets));
  if (loss != nullptr) {
    AH_ASSIGN_OR_RETURN(TrainingGoal training, MakeTrainingGoal(model, *loss));
    AH_ASSIGN_OR_RETURN(shared->training,
                        Program<float>::Make(std::move(training.graph), training.goal, offsets));
    shared->loss = *loss;
  }
  return std::unique_ptr<Plan>(new Plan(std::move(shared)));
}

void Executor::Plan::ReadRow(std::span<const float> row) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Shared::Input& input = shared_->inputs[i];
    const std::span<const float> numbers = row.first(input.width);
    row = row.subspan(input.width);
    inputs_[i] = numbers.data();
    if (input.real) continue;
    inputs_[i] = &integers_[next];
    for (const float number : numbers) integers_[next++] = kernels::ToInteger(number);
  }
}

void Executor::Plan::Infer(std::span<const float> parameters, std::span<const float> input,
                           std::span<float> output) {
  AH_CHECK(parameters.size() == shared_->parameter_count);
  AH_CHECK(input.size() == shared_->input_width);
  AH_CHECK(output.size() == shared_->output_width);
  ReadRow(input);
  const Program<float>::Memory memory{parameters.data(), inputs_.data(), nullptr, arena_.data(),
                                      scratch_.data()};
  shared_->inference.Forward(memory);
  const std::span<const float> result = shared_->inference.Output(memory);
  std::copy(result.begin(), result.end(), output.begin());
}

float Executor::Plan::LossAndGradient(std::span<const float> parameters,
                                      std::span<const float> input, const Label& label,
                                      std::span<float> gradient) {
  AH_CHECK(shared_->training.has_value());
  AH_CHECK(parameters.size() == shared_->parameter_count);
  AH_CHECK(gradient.size() == shared_->parameter_count);
  AH_CHECK(input.size() == shared_->input_width);
  const Program<float>& program = *shared_->training;
  ReadRow(input);
  const Program<float>::Memory memory{parameters.data(), inputs_.data(), gradient.data(),
                                      arena_.data(), scratch_.data()};
  program.Forward(memory);
  const float loss =
      LossAndSeed(shared_->loss, program.Output(memory), label, program.Seed(memory));
  program.Backward(memory);
  return loss;
}

float Executor::Plan::LossAndPrediction(std::span<const float> parameters,
                                        std::span<const float> input, const Label& label,
                                        std::span<float> prediction) {
  AH_CHECK(shared_->training.has_value());
  AH_CHECK(parameters.size() == shared_->parameter_count);
  AH_CHECK(input.size() == shared_->input_width);
  const Program<float>& program = *shared_->training;
  ReadRow(input);
  const Program<float>::Memory memory{parameters.data(), inputs_.data(), nullptr, arena_.data(),
                                      scratch_.data()};
  program.Forward(memory);
  const std::span<const float> result = program.Output(memory);
  AH_CHECK(result.size() == prediction.size());
  std::copy(result.begin(), result.end(), prediction.begin());
  return LossAndSeed(shared_->loss, result, label, program.Seed(memory));
}

Executor::Executor(std::unique_ptr<Plan> plan) : plan_(std::move(plan)) {}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

Result<Executor> Executor::ForInference(const graph::Model& model) {
  AH_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan, Plan::Make(model, nullptr));
  return Executor(std::move(plan));
}

Result<Executor> Executor::ForTraining(const graph::Model& model, const LossOptions& loss) {
  AH_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan, Plan::Make(model, &loss));
  return Executor(std::move(plan));
}

Executor Executor::Clone() const { return Executor(plan_->Clone()); }

std::size_t Executor::parameter_count() const { return plan_->shared().parameter_count; }
std::size_t Executor::input_width() const { return plan_->shared().input_width; }
std::size_t Executor::output_width() const { return plan_->shared().output_width; }

void Executor::Infer(std::span<const float> parameters, std::span<const float> input,
                     std::span<float> output) {
  plan_->Infer(parameters, input, output);
}

float Executor::LossAndGradient(std::span<const float> parameters, const ExampleSet& examples,
                                std::size_t row, std::span<float> gradient) {
  return plan_->LossAndGradient(parameters, FeaturesOf(examples, row),
                                LabelOf(plan_->shared().loss.kind, examples, row), gradient);
}

float Executor::LossAndPrediction(std::span<const float> parameters, const ExampleSet& examples,
                                  std::size_t row, std::span<float> prediction) {
  return plan_->LossAndPrediction(parameters, FeaturesOf(examples, row),
                                  LabelOf(plan_->shared().loss.kind, examples, row), prediction);
}

}  // namespace anchorhold::train
