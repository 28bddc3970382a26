// receipt verify, receipt show: what a job did, checked offline.
#include "shared/receipt/receipt.h"

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/core/messages.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

struct ReceiptOptions {
  std::string file;
  std::string policy;
  std::string weights;
};

Status CheckWeights(const std::string& path, const wire::proto::JobReleased& released) {
  AH_ASSIGN_OR_RETURN(const Bytes weights, ReadWholeFile(path, limits::kObjectBytesMax));
  if (released.output_sha256() == AsText(crypto::Sha256(weights).span())) return Ok();
  return IntegrityError("these are not the weights that the receipt is for").At(path);
}

Status RunVerify(const App& app, const ReceiptOptions& options) {
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(options.file, limits::kReceiptBytesMax));
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const auto policy, home.LoadPolicy(options.policy));
  const EndorsementCache endorsements(home.endorsements_folder());
  const auto verified = receipt::VerifyReceipt(file, policy, app.clock().Now(), &endorsements);
  if (!verified.ok()) return verified.error().At(options.file);
  const auto& released = verified->entry.job_released();
  if (!options.weights.empty()) AH_RETURN_IF_ERROR(CheckWeights(options.weights, released));
  const std::string released_at = FormatTime(UnixSeconds(verified->entry.unix_seconds()));
  if (app.json()) {
    Json object = {{"valid", true}, {"weights_checked", !options.weights.empty()}};
    object.update(ReleaseJson(released));
    object["released_at"] = released_at;
    object["ledger_key"] = verified->tree_head.ledger_key.hex();
    object["ledger_index"] = verified->entry.index();
    object["ledger_size"] = verified->tree_head.size;
    object["warnings"] = verified->attestation.warnings();
    app.PrintJson(object);
    return Ok();
  }
  auto facts = ReleaseFacts(released);
  facts.emplace_back("released at", released_at);
  facts.emplace_back("ledger", "entry " + std::to_string(verified->entry.index()) + " of " +
                                   std::to_string(verified->tree_head.size));
  facts.emplace_back("ledger key", verified->tree_head.ledger_key.hex());
  app.Print(std::string("The receipt holds") +
            (options.weights.empty() ? "" : ", and the weights are those that it is for") + ".\n" +
            FactLines(facts));
  for (const std::string& warning : verified->attestation.warnings()) {
    app.Print(WarningText(warning));
  }
  return Ok();
}

Status RunShow(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(path, limits::kReceiptBytesMax));
  wire::proto::Receipt receipt;
  wire::proto::LedgerEntry entry;
  if (!ParseMessage(file, receipt) || !ParseMessage(AsBytes(receipt.entry()), entry) ||
      !entry.has_job_released()) {
    return InvalidInput("not a receipt; give the file 'receipt' of a job's --out folder").At(path);
  }
  if (app.json()) {
    Json object = {{"verified", false}};
    object.update(ReleaseJson(entry.job_released()));
    object["ledger_index"] = entry.index();
    app.PrintJson(object);
    return Ok();
  }
  const std::string mark = "UNVERIFIED  ";
  const std::string text =
      FactLines(ReleaseFacts(entry.job_released()), kScreenColumns - mark.size());
  std::string marked;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    marked += mark + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  app.Print(marked);
  return Ok();
}

}  // namespace

void AddReceiptCommands(App& app, CLI::App& cli) {
  CLI::App* const receipt =
      app.AddGroup(cli, "receipt", "Check what a job did, without asking any server.");
  const auto options = std::make_shared<ReceiptOptions>();
  const auto add = [&](const char* name, const char* purpose, const char* example,
                       std::function<Status()> run) {
    CLI::App* const command = app.AddCommand(*receipt, name, purpose, example, std::move(run));
    command->add_option("receipt", options->file, "The receipt.")->type_name("FILE")->required();
    app.AddJsonOption(command);
    return command;
  };
  CLI::App* const verify =
      add("verify", "Verify a receipt against your policy, and weights against the receipt.",
          "anchorhold receipt verify result/receipt --weights result/weights.safetensors",
          [&app, options] { return RunVerify(app, *options); });
  verify->add_option("--weights", options->weights, "Weights that the receipt should be for.")
      ->type_name("FILE");
  verify
      ->add_option("--policy", options->policy,
                   "Which enclaves you accept. Default: policy.toml in your home.")
      ->type_name("FILE");
  app.AddHomeOption(verify);
  add("show", "Print what a receipt says, without verifying any of it.",
      "anchorhold receipt show result/receipt",
      [&app, options] { return RunShow(app, options->file); });
}

}  // namespace anchorhold::client
