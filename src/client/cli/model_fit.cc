// model fit: training without privacy on tables of one's own.
#include <memory>

#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/optimizer_options.h"
#include "client/cli/render.h"
#include "client/core/files.h"
#include "client/core/model_file.h"
#include "client/core/number.h"
#include "client/core/table.h"
#include "trusted/graph/freeze.h"
#include "trusted/graph/initialise.h"
#include "trusted/train/batch_trainer.h"

namespace anchorhold::client {
namespace {

struct FitOptions {
  std::string model;
  std::vector<std::string> csvs;
  std::string schema;
  LossFlags loss;
  OptimizerOptions optimizer;
  ThreadsOption threads;
  std::string steps = "500";
  std::string batch_size = "0";
  std::string seed = "1";
  std::string init_seed;
  bool insecure_no_privacy = false;
  std::string out;
  bool force = false;
};

struct FitPlan {
  train::TrainerConfig config;
  std::uint64_t steps = 0;
  std::uint64_t batch_size = 0;
  std::uint64_t seed = 0;
};

Result<FitPlan> ReadFitPlan(const FitOptions& options) {
  if (!options.insecure_no_privacy) {
    return InvalidInput(
               "fitting a model without privacy gives its training rows away; say "
               "--insecure-no-privacy if they are yours to give")
        .At("model fit");
  }
  FitPlan plan;
  AH_ASSIGN_OR_RETURN(plan.config.loss, options.loss.Read());
  AH_ASSIGN_OR_RETURN(plan.config.optimizer, options.optimizer.Read());
  AH_ASSIGN_OR_RETURN(plan.steps, ParseSteps("--steps", options.steps));
  AH_ASSIGN_OR_RETURN(plan.config.schedule, options.optimizer.ReadSchedule(
                                                plan.config.optimizer.learning_rate, plan.steps));
  AH_ASSIGN_OR_RETURN(plan.config.pool, options.threads.MakePool());
  const auto batch_size = ParseCount(options.batch_size);
  if (!batch_size.ok()) return batch_size.error().At("--batch-size");
  plan.batch_size = *batch_size;
  const auto seed = ParseCount(options.seed);
  if (!seed.ok()) return seed.error().At("--seed");
  plan.seed = *seed;
  if (!options.force && PathExists(options.out)) {
    return AlreadyExists("already exists; give another --out or say --force").At(options.out);
  }
  return plan;
}

// The model to train: with values drawn anew and parameters frozen, as asked for.
Result<ModelFile> ModelToFit(const FitOptions& options) {
  AH_ASSIGN_OR_RETURN(ModelFile file, ReadLocalModelFile(options.model));
  if (file.batch_statistics && !(options.init_seed.empty() && options.optimizer.freeze.empty())) {
    return Unsupported(
               "--init-seed and --freeze do not go with BatchNormalization that trains; export "
               "the model in inference mode, or use GroupNormalization (model fix)")
        .At(options.model);
  }
  graph::Model& model = file.model;
  if (!options.init_seed.empty()) {
    const auto seed = ParseCount(options.init_seed);
    if (!seed.ok()) return seed.error().At("--init-seed");
    auto drawn = graph::Initialise(model, *seed);
    if (!drawn.ok()) return drawn.error().At("--init-seed");
    model = *std::move(drawn);
  }
  if (options.optimizer.freeze.empty()) return file;
  auto frozen = graph::Freeze(model, options.optimizer.freeze);
  if (!frozen.ok()) return frozen.error().At("--freeze");
  model = *std::move(frozen);
  return file;
}

// Runs all steps of a trainer, telling how far it is.
template <typename Trainer>
Status RunSteps(const App& app, Trainer& trainer, std::uint64_t steps) {
  ProgressLine line(app.progress_stream());
  for (std::uint64_t step = 1; step <= steps; ++step) {
    AH_RETURN_IF_ERROR(trainer.Step());
    line.Show(step, steps,
              "step " + std::to_string(step) + "/" + std::to_string(steps) + "  mean loss " +
                  ShortNumber(trainer.last_mean_loss()));
  }
  return Ok();
}

struct Fitted {
  Bytes weights;
  double mean_loss = 0;
};

Result<Fitted> Fit(const App& app, const ModelFile& file,
                   const std::vector<const train::ExampleSet*>& sets, const FitPlan& plan) {
  if (file.batch_statistics) {
    AH_ASSIGN_OR_RETURN(auto trainer,
                        train::BatchTrainer::Create(file.onnx, file.model, sets, plan.config,
                                                    plan.batch_size, plan.seed));
    AH_RETURN_IF_ERROR(RunSteps(app, trainer, plan.steps));
    return Fitted{SerializeWeights(file.model, trainer.parameters(), trainer.Statistics()),
                  trainer.last_mean_loss()};
  }
  AH_ASSIGN_OR_RETURN(auto trainer, train::NonPrivateTrainer::Create(file.model, sets, plan.config,
                                                                     plan.batch_size, plan.seed));
  AH_RETURN_IF_ERROR(RunSteps(app, trainer, plan.steps));
  return Fitted{SerializeWeights(file.model, trainer.parameters()), trainer.last_mean_loss()};
}

Status RunFit(const App& app, const FitOptions& options) {
  AH_ASSIGN_OR_RETURN(const FitPlan plan, ReadFitPlan(options));
  AH_ASSIGN_OR_RETURN(const ModelFile model, ModelToFit(options));
  AH_ASSIGN_OR_RETURN(const SchemaFile schema, ReadSchemaFile(options.schema));
  std::vector<Table> tables;
  for (const std::string& csv : options.csvs) {
    AH_ASSIGN_OR_RETURN(Table table, ReadTableFile(csv, schema.schema));
    tables.push_back(std::move(table));
  }
  std::vector<const train::ExampleSet*> sets;
  std::size_t rows = 0;
  for (const Table& table : tables) {
    sets.push_back(&table.examples);
    rows += table.examples.rows;
  }
  AH_ASSIGN_OR_RETURN(const Fitted fitted, Fit(app, model, sets, plan));
  AH_RETURN_IF_ERROR(WriteWholeFile(options.out, fitted.weights,
                                    options.force ? IfExists::kReplace : IfExists::kRefuse));
  if (app.json()) {
    app.PrintJson({{"weights", options.out},
                   {"rows", rows},
                   {"steps", plan.steps},
                   {"mean_loss", fitted.mean_loss},
                   {"batch_statistics", model.batch_statistics},
                   {"private", false}});
  }
  app.Print("Wrote " + options.out + ", fitted to " + std::to_string(rows) +
            " rows WITHOUT any privacy: whoever has it can learn about them.\n");
  return Ok();
}

}  // namespace

void AddFitCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<FitOptions>();
  CLI::App* const fit = app.AddCommand(
      model, "fit",
      "Train without privacy on tables of your own, to compare with. Also models with\n"
      "BatchNormalization exported in training mode, which private training refuses.",
      "anchorhold model fit logistic.onnx --csv mine.csv --schema schema.toml\n"
      "    --loss binary-cross-entropy --insecure-no-privacy --out plain.safetensors",
      [&app, options] { return RunFit(app, *options); });
  Required(fit, "model", options->model, "FILE", "The model, ONNX.");
  fit->add_option("--csv", options->csvs, "A table. Repeatable.")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->required();
  Required(fit, "--schema", options->schema, "FILE", "The schema of all tables.");
  options->loss.AddTo(fit);
  options->optimizer.AddTo(fit);
  fit->add_option("--steps", options->steps, "Training steps; 1 to 10000000. Default: 500.")
      ->type_name("N");
  fit->add_option("--batch-size", options->batch_size, "Rows a step; 0 for all. Default: 0.")
      ->type_name("ROWS");
  fit->add_option("--seed", options->seed, "Seed of the rows' order. Default: 1.")->type_name("N");
  fit->add_option("--init-seed", options->init_seed,
                  "Seed of the parameters for which the model's file has no numbers. "
                  "Default: 1, as in the enclave.")
      ->type_name("N");
  options->threads.AddTo(fit);
  fit->add_flag("--insecure-no-privacy", options->insecure_no_privacy,
                "The consent to no privacy at all; required.");
  Required(fit, "--out", options->out, "FILE", "Where to write the weights, safetensors.");
  fit->add_flag("--force", options->force, "Replace a file that is there.");
  app.AddJsonOption(fit);
}

}  // namespace anchorhold::client
