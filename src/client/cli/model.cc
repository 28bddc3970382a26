// model check, evaluate, fit: what can be done with a model on one's own machine.
#include "trusted/graph/model.h"

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/optimizer_options.h"
#include "client/cli/render.h"
#include "client/core/catalog.h"
#include "client/core/messages.h"
#include "client/core/model_file.h"
#include "client/core/number.h"
#include "client/core/table.h"
#include "shared/base/limits.h"
#include "trusted/train/evaluate.h"
#include "trusted/train/trainer.h"

namespace anchorhold::client {
namespace {

struct CheckOptions {
  std::string model;
  std::string dataset;
  std::string schema;
};

struct EvaluateOptions {
  std::string model;
  std::string weights;
  std::string csv;
  std::string schema;
  std::string loss;
};

struct FitOptions {
  std::string model;
  std::vector<std::string> csvs;
  std::string schema;
  std::string loss;
  OptimizerOptions optimizer;
  std::string steps = "500";
  std::string batch_size = "0";
  std::string seed = "1";
  bool insecure_no_privacy = false;
  std::string out;
  bool force = false;
};

// The schema to hold the model against: a dataset's, a file's, or none.
Result<std::optional<wire::Schema>> SchemaToFit(const App& app, const CheckOptions& options) {
  using Found = std::optional<wire::Schema>;
  if (!options.schema.empty()) {
    AH_ASSIGN_OR_RETURN(SchemaFile file, ReadSchemaFile(options.schema));
    return Found(std::move(file.schema));
  }
  if (options.dataset.empty()) return Found();
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  AH_ASSIGN_OR_RETURN(const auto view, ShowDataset(session, options.dataset));
  AH_ASSIGN_OR_RETURN(wire::Schema schema, wire::ParseSchema(AsBytes(view.schema())));
  return Found(std::move(schema));
}

Json CheckJson(const graph::CheckReport& report) {
  Json nodes = Json::array();
  for (const auto& node : report.nodes) {
    nodes.push_back({{"node", node.node},
                     {"op", node.op},
                     {"output", node.output},
                     {"verdict", node.verdict},
                     {"accepted", node.accepted}});
  }
  return nodes;
}

std::string CheckText(const graph::CheckReport& report) {
  TextTable table({"NODE", "OPERATOR", "OUTPUT", "VERDICT"});
  for (const auto& node : report.nodes) {
    // A refusal's whole text is the error's; the table stays narrow.
    table.AddRow({OneLine(node.node), OneLine(node.op), node.output,
                  node.accepted ? node.verdict : "refused"});
  }
  return table.Text();
}

Status RunCheck(const App& app, const CheckOptions& options) {
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  const graph::CheckReport report = graph::CheckOnnx(onnx);
  if (!report.nodes.empty()) app.Print(CheckText(report));
  if (!report.status.ok()) return report.status.error().At(options.model);
  AH_ASSIGN_OR_RETURN(const graph::Model model, graph::ImportOnnx(onnx));
  AH_ASSIGN_OR_RETURN(const auto schema, SchemaToFit(app, options));
  if (schema.has_value()) {
    const Status fits = CheckFitsSchema(model, *schema);
    if (!fits.ok()) return fits.error().At(options.model);
  }
  if (app.json()) {
    app.PrintJson({{"accepted", true},
                   {"parameters", model.parameter_count()},
                   {"fits_schema", schema.has_value() ? Json(true) : Json(nullptr)},
                   {"model_sha256", crypto::Sha256(onnx).hex()},
                   {"nodes", CheckJson(report)}});
  }
  app.Print("ok: no node mixes examples; " + std::to_string(model.parameter_count()) +
            " parameters" + (schema.has_value() ? "; the shapes fit the schema" : "") + "\n");
  return Ok();
}

Status RunEvaluate(const App& app, const EvaluateOptions& options) {
  const auto loss = train::ParseLoss(options.loss);
  if (!loss.ok()) return loss.error().At("--loss");
  AH_ASSIGN_OR_RETURN(const ModelFile model, ReadModelFile(options.model));
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(options.weights, limits::kObjectBytesMax));
  const auto parameters = ParseWeights(file, model.model);
  if (!parameters.ok()) return parameters.error().At(options.weights);
  AH_ASSIGN_OR_RETURN(const SchemaFile schema, ReadSchemaFile(options.schema));
  AH_ASSIGN_OR_RETURN(const Table table, ReadTableFile(options.csv, schema.schema));
  AH_RETURN_IF_ERROR(train::CheckFits(model.model, *loss, table.examples));
  AH_ASSIGN_OR_RETURN(auto executor, train::Executor::ForTraining(model.model, *loss));
  const auto result = train::Evaluate(executor, *loss, *parameters, table.examples);
  if (app.json()) {
    app.PrintJson({{"rows", result.rows},
                   {"accuracy", result.accuracy ? Json(*result.accuracy) : Json(nullptr)},
                   {"mean_loss", result.mean_loss}});
    return Ok();
  }
  std::vector<std::pair<std::string, std::string>> facts = {{"rows", std::to_string(result.rows)}};
  if (result.accuracy) facts.emplace_back("accuracy", ShortNumber(*result.accuracy));
  facts.emplace_back("mean loss", ShortNumber(result.mean_loss));
  app.Print(FactLines(facts));
  return Ok();
}

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
  const auto loss = train::ParseLoss(options.loss);
  if (!loss.ok()) return loss.error().At("--loss");
  plan.config.loss = *loss;
  AH_ASSIGN_OR_RETURN(plan.config.optimizer, options.optimizer.Read());
  AH_ASSIGN_OR_RETURN(plan.steps, ParseSteps("--steps", options.steps));
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

Status RunFit(const App& app, const FitOptions& options) {
  AH_ASSIGN_OR_RETURN(const FitPlan plan, ReadFitPlan(options));
  AH_ASSIGN_OR_RETURN(const ModelFile model, ReadModelFile(options.model));
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
  AH_ASSIGN_OR_RETURN(auto trainer, train::NonPrivateTrainer::Create(model.model, sets, plan.config,
                                                                     plan.batch_size, plan.seed));
  {
    ProgressLine line(app.progress_stream());
    for (std::uint64_t step = 1; step <= plan.steps; ++step) {
      AH_RETURN_IF_ERROR(trainer.Step());
      line.Show(step, plan.steps,
                "step " + std::to_string(step) + "/" + std::to_string(plan.steps) + "  mean loss " +
                    ShortNumber(trainer.last_mean_loss()));
    }
  }
  const Bytes weights = SerializeWeights(model.model, trainer.parameters());
  AH_RETURN_IF_ERROR(
      WriteWholeFile(options.out, weights, options.force ? IfExists::kReplace : IfExists::kRefuse));
  if (app.json()) {
    app.PrintJson({{"weights", options.out},
                   {"rows", rows},
                   {"steps", plan.steps},
                   {"mean_loss", trainer.last_mean_loss()},
                   {"private", false}});
  }
  app.Print("Wrote " + options.out + ", fitted to " + std::to_string(rows) +
            " rows WITHOUT any privacy: whoever has it can learn about them.\n");
  return Ok();
}

CLI::Option* Required(CLI::App* command, const char* name, std::string& value, const char* type,
                      const char* help) {
  return command->add_option(name, value, help)->type_name(type)->required();
}

void AddCheckCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* const check = app.AddCommand(
      model, "check", "Check, as the enclave will, that a model cannot mix examples.",
      "anchorhold model check logistic.onnx --data cancer-centre",
      [&app, options] { return RunCheck(app, *options); });
  Required(check, "model", options->model, "FILE", "The model, ONNX.");
  CLI::Option* const data =
      check
          ->add_option("--data", options->dataset,
                       "Also check the model's shape against this dataset of the enclave.")
          ->type_name("NAME");
  check
      ->add_option("--schema", options->schema,
                   "Also check the model's shape against this schema file.")
      ->type_name("FILE")
      ->excludes(data);
  app.AddConnectOptions(check);
  app.AddJsonOption(check);
}

void AddEvaluateCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* const evaluate = app.AddCommand(
      model, "evaluate", "Measure a model on a table of your own, on this machine.",
      "anchorhold model evaluate logistic.onnx --weights result/weights.safetensors\n"
      "    --csv test.csv --schema schema.toml --loss binary-cross-entropy",
      [&app, options] { return RunEvaluate(app, *options); });
  Required(evaluate, "model", options->model, "FILE", "The model, ONNX.");
  Required(evaluate, "--weights", options->weights, "FILE", "Its weights, safetensors.");
  Required(evaluate, "--csv", options->csv, "FILE", "The table.");
  Required(evaluate, "--schema", options->schema, "FILE", "The table's schema.");
  Required(evaluate, "--loss", options->loss, "LOSS",
           "cross-entropy, binary-cross-entropy or mse.");
  app.AddJsonOption(evaluate);
}

void AddFitCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<FitOptions>();
  CLI::App* const fit = app.AddCommand(
      model, "fit", "Train without privacy on tables of your own, to compare with.",
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
  Required(fit, "--loss", options->loss, "LOSS", "cross-entropy, binary-cross-entropy or mse.");
  options->optimizer.AddTo(fit);
  fit->add_option("--steps", options->steps, "Training steps; 1 to 10000000. Default: 500.")
      ->type_name("N");
  fit->add_option("--batch-size", options->batch_size, "Rows a step; 0 for all. Default: 0.")
      ->type_name("ROWS");
  fit->add_option("--seed", options->seed, "Seed of the rows' order. Default: 1.")->type_name("N");
  fit->add_flag("--insecure-no-privacy", options->insecure_no_privacy,
                "The consent to no privacy at all; required.");
  Required(fit, "--out", options->out, "FILE", "Where to write the weights, safetensors.");
  fit->add_flag("--force", options->force, "Replace a file that is there.");
  app.AddJsonOption(fit);
}

}  // namespace

void AddModelCommands(App& app, CLI::App& cli) {
  CLI::App* const model =
      app.AddGroup(cli, "model", "Check, evaluate and fit models on this machine.");
  AddCheckCommand(app, *model);
  AddEvaluateCommand(app, *model);
  AddFitCommand(app, *model);
}

}  // namespace anchorhold::client
