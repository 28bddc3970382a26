#include "trusted/train/batch_trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "shared/base/check.h"
#include "trusted/graph/value_type.h"
#include "trusted/kernels/convert.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/loss_value.h"

namespace anchorhold::train {
namespace {

// The model for whole batches: every input gets the batch's size as its first axis.
Result<graph::Model> ImportBatch(ByteSpan onnx, const graph::Model& model, std::size_t batch_size) {
  graph::ImportOptions options;
  options.examples = false;
  options.track_statistics = true;
  for (const graph::Port& input : model.inputs()) {
    graph::KnownInput known{input.element, {static_cast<std::int64_t>(batch_size)}, {}};
    known.shape.insert(known.shape.end(), input.shape.begin(), input.shape.end());
    options.inputs.emplace(input.name, std::move(known));
  }
  AH_ASSIGN_OR_RETURN(graph::Model batch, graph::ImportOnnx(onnx, options));
  bool same = batch.parameters().size() == model.parameters().size();
  for (std::size_t p = 0; same && p < batch.parameters().size(); ++p) {
    same = batch.parameters()[p].name == model.parameters()[p].name;
  }
  if (!same) return Unsupported("the model trains other weights than it is used with");
  for (const graph::RunningStatistic& statistic : batch.statistics()) {
    if (statistic.updated == graph::kNoValue) {
      return Unsupported("the running statistic '" + statistic.name + "' never changes");
    }
  }
  return batch;
}

// Binary cross-entropy reads a batch of classes as a row of targets.
void AppendLabels(const LossOptions& loss, const ExampleSet& set, std::size_t row,
                  std::vector<std::int64_t>& classes, std::vector<float>& targets) {
  if (set.target_width > 0) {
    const std::span<const float> numbers(set.targets);
    const auto label = numbers.subspan(row * set.target_width, set.target_width);
    targets.insert(targets.end(), label.begin(), label.end());
    return;
  }
  const std::span<const std::int64_t> labels(set.classes);
  for (const std::int64_t label : labels.subspan(row * set.class_width, set.class_width)) {
    if (loss.kind == Loss::kBinaryCrossEntropy) {
      targets.push_back(static_cast<float>(label));
    } else {
      classes.push_back(label);
    }
  }
}

}  // namespace

Result<BatchTrainer> BatchTrainer::Create(ByteSpan onnx, const graph::Model& model,
                                          std::vector<const ExampleSet*> sets,
                                          const TrainerConfig& config, std::size_t batch_size,
                                          std::uint64_t seed) {
  for (const ExampleSet* set : sets) AH_RETURN_IF_ERROR(CheckFits(model, config.loss, *set));
  AH_ASSIGN_OR_RETURN(RowPool pool, RowPool::Create(std::move(sets)));
  const std::size_t rows = pool.rows();
  const std::size_t batch = batch_size == 0 ? rows : std::min(batch_size, rows);
  if (batch < 2) {
    return InvalidInput("BatchNormalization needs batches of two rows or more to train on");
  }
  AH_ASSIGN_OR_RETURN(graph::Model batch_model, ImportBatch(onnx, model, batch));
  AH_ASSIGN_OR_RETURN(TrainingGoal training, MakeTrainingGoal(batch_model, config.loss));
  for (const graph::RunningStatistic& statistic : batch_model.statistics()) {
    training.goal.also.push_back(statistic.updated);
  }
  AH_ASSIGN_OR_RETURN(Program<float> program,
                      Program<float>::Make(std::move(training.graph), training.goal,
                                           ParameterOffsets(batch_model)));
  AH_ASSIGN_OR_RETURN(Optimizer optimizer,
                      Optimizer::Create(config.optimizer, batch_model.parameter_count()));
  return BatchTrainer(std::move(batch_model), std::move(program), std::move(pool), config, batch,
                      seed, std::move(optimizer));
}

BatchTrainer::BatchTrainer(graph::Model batch_model, Program<float> program, RowPool pool,
                           const TrainerConfig& config, std::size_t batch_size, std::uint64_t seed,
                           Optimizer optimizer)
    : model_(std::move(batch_model)),
      program_(std::move(program)),
      pool_(std::move(pool)),
      config_(config),
      batch_size_(batch_size),
      random_(std::make_unique<crypto::InsecureSeededRandom>(seed)),
      optimizer_(std::move(optimizer)),
      parameters_(FlatParameters(model_)),
      gradient_(parameters_.size()),
      arena_(program_.arena_size()),
      scratch_(program_.scratch_size()),
      order_(pool_.rows()) {
  for (const graph::RunningStatistic& statistic : model_.statistics()) {
    statistics_.push_back(statistic.values);
  }
  for (const graph::Port& port : model_.inputs()) {
    const std::size_t size = graph::ElementCount(port.shape);
    Input input;
    input.width = size / batch_size_;
    graph::IsReal(port.element) ? input.reals.resize(size) : input.integers.resize(size);
    inputs_.push_back(std::move(input));
  }
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
  next_ = order_.size();
}

// Fisher and Yates.
void BatchTrainer::Shuffle() {
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[random_->NextU64() % i]);
  }
  next_ = 0;
}

void BatchTrainer::ReadInput(std::size_t input, std::size_t row, std::span<const float> numbers) {
  Input& to = inputs_[input];
  const std::size_t at = row * to.width;
  for (std::size_t k = 0; k < to.width; ++k) {
    if (!to.reals.empty()) {
      to.reals[at + k] = numbers[k];
    } else {
      to.integers[at + k] = kernels::ToInteger(numbers[k]);
    }
  }
}

void BatchTrainer::ReadBatch() {
  if (next_ + batch_size_ > order_.size()) Shuffle();
  classes_.clear();
  targets_.clear();
  for (std::size_t row = 0; row < batch_size_; ++row) {
    const RowPool::Place place = pool_.Find(order_[next_++]);
    const std::size_t width = place.set->feature_width;
    std::span<const float> features(place.set->features);
    features = features.subspan(place.row * width, width);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      ReadInput(i, row, features.first(inputs_[i].width));
      features = features.subspan(inputs_[i].width);
    }
    AppendLabels(config_.loss, *place.set, place.row, classes_, targets_);
  }
}

Status BatchTrainer::Step() {
  ReadBatch();
  std::vector<const void*> inputs;
  for (const Input& input : inputs_) {
    inputs.push_back(input.reals.empty() ? static_cast<const void*>(input.integers.data())
                                         : input.reals.data());
  }
  for (const std::vector<float>& statistic : statistics_) inputs.push_back(statistic.data());
  const Program<float>::Memory memory{parameters_.data(), inputs.data(), gradient_.data(),
                                      arena_.data(), scratch_.data()};
  program_.Forward(memory);
  last_mean_loss_ = static_cast<double>(LossAndSeed(config_.loss, program_.Output(memory),
                                                    {classes_, targets_}, program_.Seed(memory)));
  program_.Backward(memory);
  for (std::size_t i = 0; i < statistics_.size(); ++i) {
    const std::span<const float> updated = program_.Also(i, memory);
    statistics_[i].assign(updated.begin(), updated.end());
  }
  optimizer_.Step(
      parameters_, gradient_,
      LearningRateAt(config_.schedule, config_.optimizer.learning_rate, optimizer_.steps_done()));
  if (std::all_of(parameters_.begin(), parameters_.end(),
                  [](float x) { return std::isfinite(x); })) {
    return Ok();
  }
  return InvalidInput("the parameters grew beyond all numbers in step " +
                      std::to_string(optimizer_.steps_done()) + ": take a smaller learning rate");
}

std::vector<graph::RunningStatistic> BatchTrainer::Statistics() const {
  std::vector<graph::RunningStatistic> statistics = model_.statistics();
  for (std::size_t i = 0; i < statistics.size(); ++i) statistics[i].values = statistics_[i];
  return statistics;
}

}  // namespace anchorhold::train
