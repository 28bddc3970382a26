#include "trusted/enclave/training_options.h"

#include <initializer_list>

#include "trusted/graph/freeze.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;
using train::OptimizerKind;

// An optimizer's option that is set must be one of its own.
Status CheckOwned(OptimizerKind kind, const char* option, bool set,
                  std::initializer_list<OptimizerKind> owners) {
  if (!set) return Ok();
  std::string names;
  for (const OptimizerKind owner : owners) {
    if (owner == kind) return Ok();
    names += (names.empty() ? "" : ", ") + std::string(train::OptimizerName(owner));
  }
  return InvalidInput(std::string(option) + " belongs to " + names + "; " +
                      std::string(train::OptimizerName(kind)) + " takes none");
}

Status CheckAllOwned(OptimizerKind kind, const proto::TrainingOptions& options) {
  using Kind = OptimizerKind;
  const proto::OptimizerOptions& more = options.optimizer_options();
  AH_RETURN_IF_ERROR(
      CheckOwned(kind, "momentum", options.momentum() != 0, {Kind::kSgd, Kind::kRmsProp}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "nesterov", more.nesterov(), {Kind::kSgd}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "beta1", more.beta1() != 0, {Kind::kAdam, Kind::kAdamW}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "beta2", more.beta2() != 0, {Kind::kAdam, Kind::kAdamW}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "epsilon of the optimizer", more.epsilon() != 0,
                                {Kind::kAdam, Kind::kAdamW, Kind::kRmsProp, Kind::kAdagrad}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "alpha", more.alpha() != 0, {Kind::kRmsProp}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "centered", more.centered(), {Kind::kRmsProp}));
  AH_RETURN_IF_ERROR(CheckOwned(kind, "lr_decay", more.lr_decay() != 0, {Kind::kAdagrad}));
  return CheckOwned(kind, "initial_accumulator", more.initial_accumulator() != 0, {Kind::kAdagrad});
}

Result<train::OptimizerConfig> ReadOptimizer(const proto::TrainingOptions& options) {
  const proto::OptimizerOptions& more = options.optimizer_options();
  train::OptimizerConfig config;
  AH_ASSIGN_OR_RETURN(config.kind, train::ParseOptimizer(options.optimizer()));
  AH_RETURN_IF_ERROR(CheckAllOwned(config.kind, options));
  config.learning_rate = options.learning_rate();
  config.momentum = options.momentum();
  config.nesterov = more.nesterov();
  config.beta1 = more.beta1();
  config.beta2 = more.beta2();
  config.epsilon = more.epsilon();
  config.weight_decay = more.weight_decay();
  config.alpha = more.alpha();
  config.centered = more.centered();
  config.lr_decay = more.lr_decay();
  config.initial_accumulator = more.initial_accumulator();
  AH_RETURN_IF_ERROR(train::ValidateOptimizer(config));
  return config;
}

Result<train::LossOptions> ReadLoss(const proto::TrainingOptions& options) {
  const proto::LossOptions& more = options.loss_options();
  AH_ASSIGN_OR_RETURN(const train::Loss kind, train::ParseLoss(options.loss()));
  train::LossOptions loss = kind;
  loss.class_weights.assign(more.class_weights().begin(), more.class_weights().end());
  loss.label_smoothing = more.label_smoothing();
  if (more.has_ignore_index()) loss.ignore_index = more.ignore_index();
  loss.positive_weights.assign(more.positive_weights().begin(), more.positive_weights().end());
  if (kind != train::Loss::kHuber && more.huber_delta() != 0) {
    return InvalidInput("a delta belongs to the loss huber; " + options.loss() + " takes none");
  }
  if (kind == train::Loss::kHuber) loss.huber_delta = more.huber_delta();
  AH_RETURN_IF_ERROR(train::ValidateLoss(loss));
  return loss;
}

Result<train::LearningRateSchedule> ReadSchedule(const proto::TrainingOptions& options) {
  train::LearningRateSchedule schedule;
  schedule.steps = options.steps();
  if (options.has_schedule()) {
    const proto::LearningRateSchedule& asked = options.schedule();
    AH_ASSIGN_OR_RETURN(schedule.kind, train::ParseScheduleKind(asked.kind()));
    schedule.every = asked.every();
    schedule.gamma = asked.gamma();
    schedule.minimum = asked.minimum();
    schedule.warmup = asked.warmup();
  }
  AH_RETURN_IF_ERROR(train::ValidateSchedule(schedule, options.learning_rate()));
  return schedule;
}

}  // namespace

Result<train::TrainerConfig> ReadTrainerConfig(const proto::TrainingOptions& options) {
  train::TrainerConfig config;
  AH_ASSIGN_OR_RETURN(config.loss, ReadLoss(options));
  AH_ASSIGN_OR_RETURN(config.optimizer, ReadOptimizer(options));
  AH_ASSIGN_OR_RETURN(config.schedule, ReadSchedule(options));
  if (!options.clipping().empty()) {
    AH_ASSIGN_OR_RETURN(config.clipping, train::ParseClipping(options.clipping()));
  }
  return config;
}

Result<std::vector<std::string>> ReadFrozen(const proto::TrainingOptions& options) {
  if (static_cast<std::size_t>(options.frozen_size()) > graph::kFreezePatternsMax) {
    return LimitExceeded("a job may have at most " + std::to_string(graph::kFreezePatternsMax) +
                         " patterns of frozen parameters");
  }
  std::vector<std::string> patterns(options.frozen().begin(), options.frozen().end());
  AH_RETURN_IF_ERROR(graph::CheckFreezePatterns(patterns));
  return patterns;
}

void WriteTerms(const proto::TrainingOptions& options, proto::TrainingTerms& terms) {
  terms.set_loss(options.loss());
  terms.set_optimizer(options.optimizer());
  terms.set_learning_rate(options.learning_rate());
  terms.set_momentum(options.momentum());
  if (options.has_optimizer_options()) {
    const proto::OptimizerOptions& from = options.optimizer_options();
    proto::OptimizerOptions& to = *terms.mutable_optimizer_options();
    to.set_nesterov(from.nesterov());
    to.set_weight_decay(from.weight_decay());
    to.set_beta1(from.beta1());
    to.set_beta2(from.beta2());
    to.set_epsilon(from.epsilon());
    to.set_alpha(from.alpha());
    to.set_centered(from.centered());
    to.set_lr_decay(from.lr_decay());
    to.set_initial_accumulator(from.initial_accumulator());
  }
  if (options.has_schedule()) {
    const proto::LearningRateSchedule& from = options.schedule();
    proto::LearningRateSchedule& to = *terms.mutable_schedule();
    to.set_kind(from.kind());
    to.set_every(from.every());
    to.set_gamma(from.gamma());
    to.set_minimum(from.minimum());
    to.set_warmup(from.warmup());
  }
  if (options.has_loss_options()) {
    const proto::LossOptions& from = options.loss_options();
    proto::LossOptions& to = *terms.mutable_loss_options();
    *to.mutable_class_weights() = from.class_weights();
    to.set_label_smoothing(from.label_smoothing());
    if (from.has_ignore_index()) to.set_ignore_index(from.ignore_index());
    *to.mutable_positive_weights() = from.positive_weights();
    to.set_huber_delta(from.huber_delta());
  }
  *terms.mutable_frozen() = options.frozen();
  terms.set_clipping(options.clipping());
}

}  // namespace anchorhold::enclave
