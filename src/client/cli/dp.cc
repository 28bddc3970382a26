// dp epsilon, dp noise: what a training run costs, and how much noise a budget asks for. Local.
#include <cmath>
#include <memory>

#include "client/cli/commands.h"
#include "client/core/number.h"
#include "trusted/dp/calibrate.h"
#include "trusted/dp/rdp.h"

namespace anchorhold::client {
namespace {

struct DpOptions {
  std::string sampling_probability;
  std::string noise_multiplier;
  std::string epsilon;
  std::string delta;
  std::string steps;
};

Status RunEpsilon(const App& app, const DpOptions& options) {
  dp::PoissonSampledGaussian event;
  AH_ASSIGN_OR_RETURN(
      event.sampling_probability,
      ParseSamplingProbability("--sampling-probability", options.sampling_probability));
  AH_ASSIGN_OR_RETURN(event.noise_multiplier,
                      ParseNoiseMultiplier("--noise-multiplier", options.noise_multiplier));
  AH_ASSIGN_OR_RETURN(event.steps, ParseSteps("--steps", options.steps));
  AH_ASSIGN_OR_RETURN(const Delta delta, ParseDelta("--delta", options.delta));
  AH_ASSIGN_OR_RETURN(const Epsilon epsilon, dp::EpsilonOf(event, delta));
  if (!std::isfinite(epsilon.value())) {
    return InvalidInput("epsilon is infinite with so little noise; raise --noise-multiplier");
  }
  if (app.json()) app.PrintJson({{"epsilon", epsilon.value()}});
  app.Print("epsilon " + FormatNumber(epsilon.value()) + "\n");
  return Ok();
}

Status RunNoise(const App& app, const DpOptions& options) {
  dp::CalibrationTarget target;
  AH_ASSIGN_OR_RETURN(target.epsilon, ParseEpsilon("--epsilon", options.epsilon));
  AH_ASSIGN_OR_RETURN(
      target.sampling_probability,
      ParseSamplingProbability("--sampling-probability", options.sampling_probability));
  AH_ASSIGN_OR_RETURN(target.steps, ParseSteps("--steps", options.steps));
  AH_ASSIGN_OR_RETURN(target.delta, ParseDelta("--delta", options.delta));
  AH_ASSIGN_OR_RETURN(const NoiseMultiplier noise, dp::CalibrateNoise(target));
  if (app.json()) app.PrintJson({{"noise_multiplier", noise.value()}});
  app.Print("noise multiplier " + FormatNumber(noise.value()) + "\n");
  return Ok();
}

void AddSharedOptions(CLI::App* command, DpOptions& options) {
  command
      ->add_option("--sampling-probability", options.sampling_probability,
                   "Chance of each row to be in a step's batch; above 0, at most 1.")
      ->type_name("Q")
      ->required();
  command->add_option("--steps", options.steps, "Training steps; 1 to 10000000.")
      ->type_name("N")
      ->required();
  command->add_option("--delta", options.delta, "Between 0 and 1; below 1/rows to mean anything.")
      ->type_name("D")
      ->required();
}

}  // namespace

void AddDpCommands(App& app, CLI::App& cli) {
  CLI::App* const dp =
      app.AddGroup(cli, "dp", "Compute the privacy cost of training, on this machine alone.");
  const auto options = std::make_shared<DpOptions>();

  CLI::App* const epsilon = app.AddCommand(
      *dp, "epsilon", "Print the epsilon that training with this much noise costs.",
      "anchorhold dp epsilon --sampling-probability 0.25 --noise-multiplier 5 --steps 40 "
      "--delta 1e-4",
      [&app, options] { return RunEpsilon(app, *options); });
  AddSharedOptions(epsilon, *options);
  epsilon
      ->add_option("--noise-multiplier", options->noise_multiplier,
                   "Standard deviation of the noise over the clipping norm; above 0.")
      ->type_name("S")
      ->required();
  app.AddJsonOption(epsilon);

  CLI::App* const noise = app.AddCommand(
      *dp, "noise", "Print the smallest noise multiplier with which training stays within epsilon.",
      "anchorhold dp noise --epsilon 1 --sampling-probability 0.25 --steps 40 --delta 1e-4",
      [&app, options] { return RunNoise(app, *options); });
  AddSharedOptions(noise, *options);
  noise->add_option("--epsilon", options->epsilon, "The budget; above 0 and finite.")
      ->type_name("E")
      ->required();
  app.AddJsonOption(noise);
}

}  // namespace anchorhold::client
