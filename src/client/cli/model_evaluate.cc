// model evaluate: how good a model is on a table of one's own.
#include <memory>

#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/core/files.h"
#include "client/core/messages.h"
#include "client/core/model_file.h"
#include "client/core/table.h"
#include "shared/base/limits.h"
#include "trusted/train/evaluate.h"
#include "trusted/train/trainer.h"

namespace anchorhold::client {
namespace {

// Of more classes, a terminal shows the averages only.
constexpr std::size_t kClassesShownMax = 30;

struct EvaluateOptions {
  std::string model;
  std::string weights;
  std::string csv;
  std::string schema;
  LossFlags loss;
  ThreadsOption threads;
};

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// A class's name: the schema's, or its number where there is none.
std::string ClassName(const wire::Schema& schema, std::size_t index) {
  const std::vector<std::string>& names = schema.label()->classes;
  return index < names.size() ? names[index] : std::to_string(index);
}

Json ClassesJson(const train::Evaluation& result, const wire::Schema& schema) {
  Json classes = Json::array();
  for (std::size_t c = 0; c < result.classes.size(); ++c) {
    const train::ClassScore& score = result.classes[c];
    classes.push_back({{"class", ClassName(schema, c)},
                       {"rows", score.support},
                       {"predicted", score.predicted},
                       {"precision", score.precision()},
                       {"recall", score.recall()},
                       {"f1", score.f1()}});
  }
  return classes;
}

// One list a label, of how often each class was predicted for it; null if there is no such matrix.
Json ConfusionJson(const train::Evaluation& result) {
  if (result.confusion.empty()) return nullptr;
  const std::size_t count = result.classes.size();
  Json rows = Json::array();
  for (std::size_t label = 0; label < count; ++label) {
    Json row = Json::array();
    for (std::size_t c = 0; c < count; ++c) row.push_back(result.confusion[label * count + c]);
    rows.push_back(row);
  }
  return rows;
}

Json EvaluationJson(const train::Evaluation& result, const wire::Schema& schema,
                    const std::vector<std::string>& frozen) {
  return {{"rows", result.rows},
          {"accuracy", Optional(result.accuracy)},
          {"mean_loss", result.mean_loss},
          {"top_5_accuracy", Optional(result.top_five)},
          {"macro_f1", Optional(result.macro_f1)},
          {"auc", Optional(result.auc)},
          {"classes", ClassesJson(result, schema)},
          {"confusion", ConfusionJson(result)},
          {"mean_absolute_error", Optional(result.mean_absolute_error)},
          {"root_mean_squared_error", Optional(result.root_mean_squared_error)},
          {"r_squared", Optional(result.r_squared)},
          {"from_model", frozen}};
}

std::string EvaluationText(const train::Evaluation& result, const wire::Schema& schema,
                           const std::vector<std::string>& frozen) {
  std::vector<std::pair<std::string, std::string>> facts = {{"rows", std::to_string(result.rows)}};
  const auto add = [&facts](const char* name, const std::optional<double>& value) {
    if (value) facts.emplace_back(name, ShortNumber(*value));
  };
  add("accuracy", result.accuracy);
  add("top-5 accuracy", result.top_five);
  add("macro F1", result.macro_f1);
  add("AUC", result.auc);
  add("mean loss", result.mean_loss);
  add("mean absolute error", result.mean_absolute_error);
  add("root mean squared error", result.root_mean_squared_error);
  add("R squared", result.r_squared);
  if (!frozen.empty()) facts.emplace_back("from the model", OneLine(Join(frozen)));
  std::string text = FactLines(facts);
  if (result.classes.empty() || result.classes.size() > kClassesShownMax) return text;
  TextTable table({"CLASS", "ROWS", "PREDICTED", "PRECISION", "RECALL", "F1"});
  for (std::size_t c = 0; c < result.classes.size(); ++c) {
    const train::ClassScore& score = result.classes[c];
    table.AddRow({OneLine(ClassName(schema, c)), std::to_string(score.support),
                  std::to_string(score.predicted), ShortNumber(score.precision()),
                  ShortNumber(score.recall()), ShortNumber(score.f1())});
  }
  return text + "\n" + table.Text();
}

Status RunEvaluate(const App& app, const EvaluateOptions& options) {
  AH_ASSIGN_OR_RETURN(const train::LossOptions loss, options.loss.Read());
  AH_ASSIGN_OR_RETURN(ModelFile model, ReadLocalModelFile(options.model));
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(options.weights, limits::kObjectBytesMax));
  std::vector<std::string> frozen;
  if (model.batch_statistics) {
    const Status applied = ApplyWeights(file, model);
    if (!applied.ok()) return applied.error().At(options.weights);
  }
  const auto parameters = model.batch_statistics
                              ? Result<std::vector<float>>(train::FlatParameters(model.model))
                              : ParseWeights(file, model.model, &frozen);
  if (!parameters.ok()) return parameters.error().At(options.weights);
  AH_ASSIGN_OR_RETURN(const SchemaFile schema, ReadSchemaFile(options.schema));
  AH_ASSIGN_OR_RETURN(const Table table, ReadTableFile(options.csv, schema.schema));
  AH_RETURN_IF_ERROR(train::CheckFits(model.model, loss, table.examples));
  AH_ASSIGN_OR_RETURN(auto pool, options.threads.MakePool());
  AH_ASSIGN_OR_RETURN(auto engine,
                      train::TrainingEngine::Create(model.model, loss, {}, std::move(pool)));
  const train::Evaluation result = train::Evaluate(engine, loss, *parameters, table.examples);
  if (app.json()) app.PrintJson(EvaluationJson(result, schema.schema, frozen));
  app.Print(EvaluationText(result, schema.schema, frozen));
  return Ok();
}

}  // namespace

void AddEvaluateCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* const evaluate = app.AddCommand(
      model, "evaluate",
      "Measure a model on a table of your own, on this machine. Errors of a regression are in the "
      "schema's scale, in which the label's range is -1 to 1.",
      "anchorhold model evaluate logistic.onnx --weights result/weights.safetensors\n"
      "    --csv test.csv --schema schema.toml --loss binary-cross-entropy",
      [&app, options] { return RunEvaluate(app, *options); });
  Required(evaluate, "model", options->model, "FILE", "The model, ONNX.");
  Required(evaluate, "--weights", options->weights, "FILE",
           "Its weights, safetensors. Parameters that are not among them, because they were "
           "frozen, have the model's own numbers.");
  Required(evaluate, "--csv", options->csv, "FILE", "The table.");
  Required(evaluate, "--schema", options->schema, "FILE", "The table's schema.");
  options->loss.AddTo(evaluate);
  options->threads.AddTo(evaluate);
  app.AddJsonOption(evaluate);
}

}  // namespace anchorhold::client
