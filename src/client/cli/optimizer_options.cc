#include "client/cli/optimizer_options.h"

#include "client/core/number.h"
#include "client/core/training_message.h"

namespace anchorhold::client {
namespace {

using train::OptimizerConfig;
using Kind = train::OptimizerKind;

// One option: where it goes, and the optimizers that take it.
struct NumberOption {
  const char* name;
  const std::string& text;
  double OptimizerConfig::*field;
  std::vector<Kind> owners;
};

Status CheckOwner(const char* name, bool given, Kind kind, const std::vector<Kind>& owners) {
  if (!given) return Ok();
  std::string names;
  for (const Kind owner : owners) {
    if (owner == kind) return Ok();
    names += (names.empty() ? "" : ", ") + std::string(train::OptimizerName(owner));
  }
  return InvalidInput("is for --optimizer " + names + " only; leave it out").At(name);
}

Status ReadNumber(const NumberOption& option, OptimizerConfig& config) {
  AH_RETURN_IF_ERROR(CheckOwner(option.name, !option.text.empty(), config.kind, option.owners));
  if (option.text.empty()) return Ok();
  AH_ASSIGN_OR_RETURN(config.*option.field, ParseNonNegative(option.name, option.text));
  return Ok();
}

}  // namespace

void OptimizerOptions::AddTo(CLI::App* command) {
  const auto add = [command](const char* name, std::string& value, const char* type,
                             const char* help) {
    return command->add_option(name, value, help)->type_name(type);
  };
  add("--optimizer", optimizer, "NAME", "sgd, adam, adamw, rmsprop or adagrad. Default: sgd.");
  add("--learning-rate", learning_rate, "R", "Above 0. Default: 1 for sgd, 0.05 for the others.");
  add("--lr-schedule", schedule, "SCHEDULE",
      "How the learning rate goes from step to step: constant, step:every=N,gamma=G, "
      "exponential:gamma=G, cosine:min=R or linear:min=R, each also with warmup=N. "
      "Default: constant.");
  add("--momentum", momentum, "M", "sgd, rmsprop: from 0 to below 1. Default: 0.");
  command->add_flag("--nesterov", nesterov, "sgd: look ahead by the momentum.");
  add("--weight-decay", weight_decay, "D",
      "L2 penalty, decoupled for adamw; at least 0. Default: 0.01 for adamw, 0 for the others.");
  add("--beta1", beta1, "B", "adam, adamw: from 0 to below 1. Default: 0.9.");
  add("--beta2", beta2, "B", "adam, adamw: from 0 to below 1. Default: 0.999.");
  add("--optimizer-epsilon", epsilon, "E",
      "All but sgd: added to the root; above 0. Default: 1e-10 for adagrad, 1e-8 for the others.");
  add("--alpha", alpha, "A", "rmsprop: from 0 to below 1. Default: 0.99.");
  command->add_flag("--centered", centered, "rmsprop: divide by the deviation.");
  add("--lr-decay", lr_decay, "D", "adagrad: at least 0. Default: 0.");
  add("--initial-accumulator", initial_accumulator, "S", "adagrad: at least 0. Default: 0.");
  command
      ->add_option("--freeze", freeze,
                   "Parameters that are not trained, by name; * and ? stand for others. They keep "
                   "the model's numbers and are not among the weights. Repeatable.")
      ->type_name("PATTERN")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
}

Result<OptimizerConfig> OptimizerOptions::Read() const {
  const auto kind = train::ParseOptimizer(optimizer);
  if (!kind.ok()) return kind.error().At("--optimizer");
  OptimizerConfig config = train::DefaultsOf(*kind);
  const std::string default_rate = *kind == Kind::kSgd ? "1" : "0.05";
  AH_ASSIGN_OR_RETURN(
      config.learning_rate,
      ParsePositive("--learning-rate", learning_rate.empty() ? default_rate : learning_rate));
  const NumberOption numbers[] = {
      {"--momentum", momentum, &OptimizerConfig::momentum, {Kind::kSgd, Kind::kRmsProp}},
      {"--weight-decay", weight_decay, &OptimizerConfig::weight_decay, {*kind}},
      {"--beta1", beta1, &OptimizerConfig::beta1, {Kind::kAdam, Kind::kAdamW}},
      {"--beta2", beta2, &OptimizerConfig::beta2, {Kind::kAdam, Kind::kAdamW}},
      {"--optimizer-epsilon",
       epsilon,
       &OptimizerConfig::epsilon,
       {Kind::kAdam, Kind::kAdamW, Kind::kRmsProp, Kind::kAdagrad}},
      {"--alpha", alpha, &OptimizerConfig::alpha, {Kind::kRmsProp}},
      {"--lr-decay", lr_decay, &OptimizerConfig::lr_decay, {Kind::kAdagrad}},
      {"--initial-accumulator",
       initial_accumulator,
       &OptimizerConfig::initial_accumulator,
       {Kind::kAdagrad}}};
  for (const NumberOption& number : numbers) AH_RETURN_IF_ERROR(ReadNumber(number, config));
  AH_RETURN_IF_ERROR(CheckOwner("--nesterov", nesterov, *kind, {Kind::kSgd}));
  AH_RETURN_IF_ERROR(CheckOwner("--centered", centered, *kind, {Kind::kRmsProp}));
  config.nesterov = nesterov;
  config.centered = centered;
  if (config.momentum >= 1) return InvalidInput("must be below 1").At("--momentum");
  const Status valid = train::ValidateOptimizer(config);
  if (!valid.ok()) return valid.error().At("--optimizer " + optimizer);
  return config;
}

Result<train::LearningRateSchedule> OptimizerOptions::ReadSchedule(double rate,
                                                                   std::uint64_t steps) const {
  const auto read = ParseSchedule(schedule, steps);
  if (!read.ok()) return read.error().At("--lr-schedule");
  const Status valid = train::ValidateSchedule(*read, rate);
  if (!valid.ok()) return valid.error().At("--lr-schedule");
  return *read;
}

}  // namespace anchorhold::client
