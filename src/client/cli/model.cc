// model check, and the group of the commands on models.
#include "trusted/graph/model.h"

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/core/catalog.h"
#include "client/core/messages.h"
#include "client/core/model_file.h"
#include "client/core/table.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

struct CheckOptions {
  std::string model;
  std::string dataset;
  std::string schema;
  DimOptions dims;
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

Json NodesJson(const graph::CheckReport& report) {
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

// What --json says of a model that has been checked, with or without an error beside it. Null: not
// known, or not asked for.
struct CheckSummary {
  bool accepted = false;
  Json parameters = nullptr;
  Json fits_schema = nullptr;
};

Json CheckJson(const CheckSummary& summary, ByteSpan onnx, const graph::CheckReport& report) {
  return {{"accepted", summary.accepted},
          {"parameters", summary.parameters},
          {"fits_schema", summary.fits_schema},
          {"model_sha256", crypto::Sha256(onnx).hex()},
          {"nodes", NodesJson(report)}};
}

Status RunCheck(App& app, const CheckOptions& options) {
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  const graph::CheckReport report = graph::CheckOnnx(onnx, import);
  CheckSummary summary;
  app.set_failure_details(CheckJson(summary, onnx, report));
  if (!report.nodes.empty()) app.Print(CheckText(report));
  if (!report.status.ok()) return report.status.error().At(options.model);
  AH_ASSIGN_OR_RETURN(const graph::Model model, graph::ImportOnnx(onnx, import));
  summary = {true, model.parameter_count(), nullptr};
  app.set_failure_details(CheckJson(summary, onnx, report));
  AH_ASSIGN_OR_RETURN(const auto schema, SchemaToFit(app, options));
  if (schema.has_value()) {
    const Status fits = CheckFitsSchema(model, *schema);
    summary.fits_schema = fits.ok();
    app.set_failure_details(CheckJson(summary, onnx, report));
    if (!fits.ok()) return fits.error().At(options.model);
  }
  if (app.json()) app.PrintJson(CheckJson(summary, onnx, report));
  app.Print("ok: no node mixes examples; " + std::to_string(model.parameter_count()) +
            " parameters" + (schema.has_value() ? "; the shapes fit the schema" : "") + "\n");
  return Ok();
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
  options->dims.AddTo(check);
  app.AddConnectOptions(check);
  app.AddJsonOption(check);
}

}  // namespace

void AddModelCommands(App& app, CLI::App& cli) {
  CLI::App* const model =
      app.AddGroup(cli, "model", "Check, run, evaluate and fit models on this machine.");
  AddCheckCommand(app, *model);
  AddFixCommand(app, *model);
  AddShowCommand(app, *model);
  AddRunCommand(app, *model);
  AddGradCommand(app, *model);
  AddPlanCommand(app, *model);
  AddBenchCommand(app, *model);
  AddCompileCommand(app, *model);
  AddEvaluateCommand(app, *model);
  AddFitCommand(app, *model);
}

}  // namespace anchorhold::client
