#include "trusted/train/optimizer.h"

#include <cmath>
#include <string>

namespace anchorhold::train {
namespace {

Status CheckPositive(const char* name, double value) {
  if (std::isfinite(value) && value > 0) return Ok();
  return InvalidInput(std::string(name) + " must be a positive finite number; got " +
                      std::to_string(value));
}

Status CheckBelowOne(const char* name, double value) {
  if (value >= 0 && value < 1) return Ok();
  return InvalidInput(std::string(name) + " must be at least 0 and below 1; got " +
                      std::to_string(value));
}

}  // namespace

std::string_view OptimizerName(OptimizerKind kind) {
  return kind == OptimizerKind::kSgd ? "sgd" : "adam";
}

Result<OptimizerKind> ParseOptimizer(std::string_view name) {
  if (name == "sgd") return OptimizerKind::kSgd;
  if (name == "adam") return OptimizerKind::kAdam;
  return InvalidInput("unknown optimizer \"" + std::string(name.substr(0, 40)) +
                      "\"; known are sgd and adam");
}

Status ValidateOptimizer(const OptimizerConfig& config) {
  AH_RETURN_IF_ERROR(CheckPositive("learning rate", config.learning_rate));
  switch (config.kind) {
    case OptimizerKind::kSgd:
      AH_RETURN_IF_ERROR(CheckBelowOne("momentum", config.momentum));
      if (config.nesterov && config.momentum == 0) {
        return InvalidInput("nesterov needs a momentum above 0");
      }
      return Ok();
    case OptimizerKind::kAdam:
      AH_RETURN_IF_ERROR(CheckBelowOne("beta1", config.beta1));
      AH_RETURN_IF_ERROR(CheckBelowOne("beta2", config.beta2));
      return CheckPositive("epsilon of adam", config.epsilon);
  }
  return InvalidInput("unknown kind of optimizer");
}

Result<Optimizer> Optimizer::Create(const OptimizerConfig& config, std::size_t parameter_count) {
  AH_RETURN_IF_ERROR(ValidateOptimizer(config));
  return Optimizer(config, parameter_count);
}

Optimizer::Optimizer(const OptimizerConfig& config, std::size_t parameter_count) : config_(config) {
  if (config.kind == OptimizerKind::kAdam || config.momentum > 0) first_.resize(parameter_count);
  if (config.kind == OptimizerKind::kAdam) second_.resize(parameter_count);
}

void Optimizer::Step(std::span<float> parameters, std::span<const float> gradient) {
  AH_CHECK(parameters.size() == gradient.size());
  AH_CHECK(first_.empty() || first_.size() == gradient.size());
  ++steps_done_;
  if (config_.kind == OptimizerKind::kAdam) {
    StepAdam(parameters, gradient);
  } else {
    StepSgd(parameters, gradient);
  }
}

void Optimizer::StepSgd(std::span<float> parameters, std::span<const float> gradient) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    double direction = gradient[i];
    if (!first_.empty()) {
      const double velocity = config_.momentum * first_[i] + direction;
      first_[i] = static_cast<float>(velocity);
      direction = config_.nesterov ? direction + config_.momentum * velocity : velocity;
    }
    parameters[i] = static_cast<float>(parameters[i] - config_.learning_rate * direction);
  }
}

void Optimizer::StepAdam(std::span<float> parameters, std::span<const float> gradient) {
  const auto t = static_cast<double>(steps_done_);
  const double first_correction = 1 - std::pow(config_.beta1, t);
  const double second_correction = 1 - std::pow(config_.beta2, t);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = gradient[i];
    const double m = config_.beta1 * first_[i] + (1 - config_.beta1) * g;
    const double s = config_.beta2 * second_[i] + (1 - config_.beta2) * g * g;
    first_[i] = static_cast<float>(m);
    second_[i] = static_cast<float>(s);
    const double update =
        (m / first_correction) / (std::sqrt(s / second_correction) + config_.epsilon);
    parameters[i] = static_cast<float>(parameters[i] - config_.learning_rate * update);
  }
}

}  // namespace anchorhold::train
