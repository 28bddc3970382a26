#include "client/cli/optimizer_options.h"

#include "client/core/number.h"

namespace anchorhold::client {

void OptimizerOptions::AddTo(CLI::App* command) {
  command->add_option("--optimizer", optimizer, "sgd or adam. Default: sgd.")->type_name("NAME");
  command
      ->add_option("--learning-rate", learning_rate, "Above 0. Default: 1 for sgd, 0.05 for adam.")
      ->type_name("R");
  command->add_option("--momentum", momentum, "From 0 to below 1; sgd only. Default: 0.")
      ->type_name("M");
}

Result<train::OptimizerConfig> OptimizerOptions::Read() const {
  train::OptimizerConfig config;
  const auto kind = train::ParseOptimizer(optimizer);
  if (!kind.ok()) return kind.error().At("--optimizer");
  config.kind = *kind;
  const bool sgd = *kind == train::OptimizerKind::kSgd;
  const std::string default_rate = sgd ? "1" : "0.05";
  AH_ASSIGN_OR_RETURN(
      config.learning_rate,
      ParsePositive("--learning-rate", learning_rate.empty() ? default_rate : learning_rate));
  AH_ASSIGN_OR_RETURN(config.momentum, ParseNonNegative("--momentum", momentum));
  if (!sgd && config.momentum > 0) {
    return InvalidInput("is for --optimizer sgd only; leave it out").At("--momentum");
  }
  if (config.momentum >= 1) return InvalidInput("must be below 1").At("--momentum");
  AH_RETURN_IF_ERROR(train::ValidateOptimizer(config));
  return config;
}

}  // namespace anchorhold::client
