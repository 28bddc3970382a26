// train: a model on datasets that nobody in this process can see.
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/optimizer_options.h"
#include "client/cli/outcome.h"
#include "client/cli/terms.h"
#include "client/core/model_file.h"
#include "client/core/number.h"
#include "trusted/graph/freeze.h"

namespace anchorhold::client {
namespace {

// Defaults for a few hundred to a few thousand rows and a small model; all are printed.
struct TrainOptions {
  std::string model;
  std::vector<std::string> datasets;
  LossFlags loss;
  std::string epsilon;
  std::string delta;
  OptimizerOptions optimizer;
  std::string sampling_probability = "0.25";
  std::string steps = "40";
  std::string max_grad_norm = "1";
  std::string clipping = "flat";
  OutcomeFolder out;
  bool force = false;
};

Result<wire::proto::TrainingOptions> ReadOptions(const TrainOptions& options) {
  wire::proto::TrainingOptions out;
  train::TrainerConfig config;
  AH_ASSIGN_OR_RETURN(config.loss, options.loss.Read());
  AH_ASSIGN_OR_RETURN(config.optimizer, options.optimizer.Read());
  AH_ASSIGN_OR_RETURN(const Epsilon epsilon, ParseEpsilon("--epsilon", options.epsilon));
  AH_ASSIGN_OR_RETURN(const Delta delta, ParseDelta("--delta", options.delta));
  AH_ASSIGN_OR_RETURN(
      const auto probability,
      ParseSamplingProbability("--sampling-probability", options.sampling_probability));
  AH_ASSIGN_OR_RETURN(const std::uint64_t steps, ParseSteps("--steps", options.steps));
  AH_ASSIGN_OR_RETURN(const double norm, ParsePositive("--max-grad-norm", options.max_grad_norm));
  AH_ASSIGN_OR_RETURN(config.schedule,
                      options.optimizer.ReadSchedule(config.optimizer.learning_rate, steps));
  const auto clipping = train::ParseClipping(options.clipping);
  if (!clipping.ok()) return clipping.error().At("--clipping");
  config.clipping = *clipping;
  WriteConfig(config, out);
  for (const std::string& pattern : options.optimizer.freeze) out.add_frozen(pattern);
  out.set_epsilon(epsilon.value());
  out.set_delta(delta.value());
  out.set_sampling_probability(probability.value());
  out.set_steps(steps);
  out.set_max_grad_norm(norm);
  return out;
}

std::string TermsText(const TrainOptions& options, const wire::proto::TrainingOptions& terms) {
  Facts facts = {{"training", options.model + " on " + Join(options.datasets)},
                 {"privacy", "epsilon at most " + ShortNumber(terms.epsilon()) + " at delta " +
                                 ShortNumber(terms.delta()) + ", clipping norm " +
                                 ShortNumber(terms.max_grad_norm())}};
  const Facts details = TermsFacts(terms);
  facts.insert(facts.end(), details.begin(), details.end());
  return FactLines(facts);
}

Status RunTrain(const App& app, TrainOptions& options) {
  TrainingRequest request;
  AH_ASSIGN_OR_RETURN(request.options, ReadOptions(options));
  request.datasets = options.datasets;
  AH_ASSIGN_OR_RETURN(ModelFile model, ReadModelFile(options.model));
  if (!options.optimizer.freeze.empty()) {
    const auto frozen = graph::Freeze(model.model, options.optimizer.freeze);
    if (!frozen.ok()) return frozen.error().At("--freeze");
  }
  request.model = std::move(model.onnx);
  options.out.if_exists = options.force ? IfExists::kReplace : IfExists::kRefuse;
  AH_RETURN_IF_ERROR(options.out.CheckFree());
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  app.Print(TermsText(options, request.options));
  const Result<JobOutcome> outcome = [&] {
    JobProgressView view(app.progress_stream(), request.options.epsilon());
    return Train(session, request, [&](const auto& progress) { view.Show(progress); });
  }();
  if (!outcome.ok()) return outcome.error();
  return PresentOutcome(app, options.out, *outcome);
}

void AddTermsOptions(CLI::App* command, TrainOptions& options) {
  const auto add = [command](const char* name, std::string& value, const char* type,
                             const char* help) {
    return command->add_option(name, value, help)->type_name(type);
  };
  options.loss.AddTo(command);
  add("--epsilon", options.epsilon, "E", "Privacy that this job may cost; above 0 and finite.")
      ->required();
  add("--delta", options.delta, "D", "Between 0 and 1, and below 1/rows of every dataset.")
      ->required();
  options.optimizer.AddTo(command);
  add("--sampling-probability", options.sampling_probability, "Q",
      "Chance of each row to be in a step's batch; above 0, at most 1. Default: 0.25.");
  add("--steps", options.steps, "N",
      "Training steps; 1 to 10000000. More steps ask for more noise in each. Default: 40.");
  add("--max-grad-norm", options.max_grad_norm, "C",
      "Clipping norm: the largest L2 norm of one row's gradient; above 0. Default: 1.");
  AddClippingOption(command, options.clipping);
}

}  // namespace

void AddTrainCommand(App& app, CLI::App& cli) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App* const train = app.AddCommand(
      cli, "train",
      "Train a model privately on one or more datasets, and fetch weights and receipt.",
      "anchorhold train --model logistic.onnx --data cancer-centre --data screening-clinic\n"
      "    --loss binary-cross-entropy --epsilon 1 --delta 1e-4 --out result",
      [&app, options] { return RunTrain(app, *options); });
  train->add_option("--model", options->model, "The model, ONNX.")->type_name("FILE")->required();
  train->add_option("--data", options->datasets, "Dataset to train on. Repeatable.")
      ->type_name("NAME")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->required();
  AddTermsOptions(train, *options);
  AddOutcomeOptions(train, options->out, options->force);
  app.AddConnectOptions(train);
  app.AddJsonOption(train);
}

}  // namespace anchorhold::client
