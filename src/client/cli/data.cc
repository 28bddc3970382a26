// data check, put, list, show: datasets, from the owner's table to what is left of their budget.
#include <algorithm>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "client/core/catalog.h"
#include "client/core/messages.h"
#include "client/core/upload.h"

namespace anchorhold::client {
namespace {

using wire::proto::DatasetView;

struct FileOptions {
  std::string csv;
  std::string schema;
  std::string contract;
};

Json ClampedJson(const Table& table) {
  Json out = Json::object();
  for (const auto& column : table.clamped) out[column.column] = column.cells;
  return out;
}

std::string ClampedText(const Table& table) {
  std::string out;
  for (const auto& column : table.clamped) {
    out += std::to_string(column.cells) + (column.cells == 1 ? " cell" : " cells") +
           " clamped to the public range in column '" + column.column + "'\n";
  }
  return out;
}

Status RunCheck(const App& app, const FileOptions& options) {
  AH_ASSIGN_OR_RETURN(const SchemaFile schema, ReadSchemaFile(options.schema));
  AH_ASSIGN_OR_RETURN(const Table table, ReadTableFile(options.csv, schema.schema));
  if (app.json()) {
    app.PrintJson({{"rows", table.examples.rows},
                   {"features", table.examples.feature_width},
                   {"clamped", ClampedJson(table)}});
  }
  app.Print("ok: " + std::to_string(table.examples.rows) + " rows, " +
            std::to_string(table.examples.feature_width) +
            " features; nothing has left this machine\n" + ClampedText(table));
  return Ok();
}

Status RunPut(const App& app, const FileOptions& options) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const auto key, home.LoadKey());
  AH_ASSIGN_OR_RETURN(const PreparedUpload upload,
                      PrepareUpload(options.csv, options.schema, options.contract, key.public_key(),
                                    app.clock().Now()));
  app.Print("read " + std::to_string(upload.table.examples.rows) + " rows, " +
            std::to_string(upload.table.examples.feature_width) + " features\n" +
            ClampedText(upload.table));
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  Result<StoredDataset> stored = [&] {
    ProgressLine line(app.progress_stream());
    return Upload(session, upload, [&](std::uint64_t sent, std::uint64_t total) {
      line.Show(
          sent, total,
          std::to_string(sent) + " of " + std::to_string(total) + " bytes of ciphertext sent");
    });
  }();
  if (!stored.ok()) return stored.error();
  if (app.json()) {
    app.PrintJson({{"dataset", stored->name},
                   {"object_id", stored->object_id.hex()},
                   {"object_bytes", stored->object_bytes},
                   {"ledger_index", stored->ledger_index},
                   {"rows", upload.table.examples.rows},
                   {"clamped", ClampedJson(upload.table)}});
  }
  app.Print(FactLines({{"stored", stored->name + ", sealed to the enclave; the host has only "
                                                 "ciphertext"},
                       {"object", stored->object_id.hex()},
                       {"ledger", "entry " + std::to_string(stored->ledger_index)}}));
  return Ok();
}

double EpsilonLeft(const DatasetView& view) {
  return std::max(0.0, view.epsilon_budget() - view.epsilon_spent());
}

Json DatasetJson(const DatasetView& view) {
  Json events = Json::array();
  for (const auto& event : view.events()) {
    events.push_back({{"job", event.job()},
                      {"researcher", ToHex(AsBytes(event.researcher()))},
                      {"sampling_probability", event.sampling_probability()},
                      {"noise_multiplier", event.noise_multiplier()},
                      {"steps", event.steps()},
                      {"state", event.state()}});
  }
  return {{"name", view.name()},
          {"owner", ToHex(AsBytes(view.owner()))},
          {"public_rows", view.public_rows()},
          {"epsilon_budget", view.epsilon_budget()},
          {"epsilon_spent", view.epsilon_spent()},
          {"epsilon_left", EpsilonLeft(view)},
          {"delta", view.delta()},
          {"added", FormatTime(UnixSeconds(view.added_unix_seconds()))},
          {"object_id", ToHex(AsBytes(view.object_id()))},
          {"contract", view.contract()},
          {"schema", view.schema()},
          {"events", events}};
}

Status RunList(const App& app) {
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  AH_ASSIGN_OR_RETURN(const auto datasets, ListDatasets(session));
  if (app.json()) {
    Json list = Json::array();
    for (const auto& view : datasets) list.push_back(DatasetJson(view));
    app.PrintJson({{"datasets", list}});
    return Ok();
  }
  if (datasets.empty()) {
    app.Print("No datasets yet. An owner adds one with 'anchorhold data put'.\n");
    return Ok();
  }
  TextTable table({"NAME", "OWNER", "ROWS", "EPSILON", "SPENT", "LEFT", "DELTA"});
  for (const auto& view : datasets) {
    table.AddRow({OneLine(view.name()), ShortHex(ToHex(AsBytes(view.owner()))),
                  std::to_string(view.public_rows()), ShortNumber(view.epsilon_budget()),
                  ShortNumber(view.epsilon_spent()), ShortNumber(EpsilonLeft(view)),
                  ShortNumber(view.delta())});
  }
  app.Print(table.Text());
  return Ok();
}

Status RunShow(const App& app, const std::string& name) {
  AH_ASSIGN_OR_RETURN(Session session, app.Connect());
  AH_ASSIGN_OR_RETURN(const DatasetView view, ShowDataset(session, name));
  if (app.json()) {
    app.PrintJson(DatasetJson(view));
    return Ok();
  }
  app.Print(FactLines({{"dataset", view.name()},
                       {"owner", ToHex(AsBytes(view.owner()))},
                       {"rows", std::to_string(view.public_rows()) + " (as the contract tells)"},
                       {"added", FormatTime(UnixSeconds(view.added_unix_seconds()))},
                       {"budget", "epsilon " + ShortNumber(view.epsilon_budget()) + " at delta " +
                                      ShortNumber(view.delta())},
                       {"spent", "epsilon " + ShortNumber(view.epsilon_spent()) +
                                     ", all jobs composed, reservations included"},
                       {"left", "epsilon " + ShortNumber(EpsilonLeft(view))}}));
  if (view.events().empty()) {
    app.Print("No job has used it yet.\n");
    return Ok();
  }
  TextTable table({"JOB", "STATE", "RESEARCHER", "SAMPLING", "NOISE", "STEPS"});
  for (const auto& event : view.events()) {
    table.AddRow({std::to_string(event.job()), OneLine(event.state()),
                  ShortHex(ToHex(AsBytes(event.researcher()))),
                  ShortNumber(event.sampling_probability()), ShortNumber(event.noise_multiplier()),
                  std::to_string(event.steps())});
  }
  app.Print("\n" + table.Text());
  return Ok();
}

void AddFileOptions(CLI::App* command, FileOptions& options) {
  command
      ->add_option("csv", options.csv,
                   "The table: comma-separated, the schema's column names in the first line.")
      ->type_name("CSV")
      ->required();
  command->add_option("--schema", options.schema, "What the columns mean, in public.")
      ->type_name("FILE")
      ->required();
}

}  // namespace

void AddDataCommands(App& app, CLI::App& cli) {
  CLI::App* const data = app.AddGroup(cli, "data", "Check, upload, list and inspect datasets.");

  const auto options = std::make_shared<FileOptions>();
  CLI::App* const check = app.AddCommand(
      *data, "check", "Read a table against its schema on this machine; nothing leaves it.",
      "anchorhold data check patients.csv --schema schema.toml",
      [&app, options] { return RunCheck(app, *options); });
  AddFileOptions(check, *options);
  app.AddJsonOption(check);

  CLI::App* const put = app.AddCommand(
      *data, "put", "Check a table, seal it to the attested enclave, and upload the ciphertext.",
      "anchorhold data put patients.csv --schema schema.toml --contract contract.toml",
      [&app, options] { return RunPut(app, *options); });
  AddFileOptions(put, *options);
  put->add_option("--contract", options->contract,
                  "Your signed contract, with its signature in FILE.sig beside it.")
      ->type_name("FILE")
      ->required();
  app.AddConnectOptions(put);
  app.AddJsonOption(put);

  CLI::App* const list = app.AddCommand(
      *data, "list", "List the enclave's datasets and what is left of their budgets.",
      "anchorhold data list", [&app] { return RunList(app); });
  app.AddConnectOptions(list);
  app.AddJsonOption(list);

  const auto name = std::make_shared<std::string>();
  CLI::App* const show = app.AddCommand(
      *data, "show", "Show a dataset's budget and every job that has drawn on it.",
      "anchorhold data show cancer-centre", [&app, name] { return RunShow(app, *name); });
  show->add_option("name", *name, "The dataset's name.")->type_name("NAME")->required();
  app.AddConnectOptions(show);
  app.AddJsonOption(show);
}

}  // namespace anchorhold::client
