#include "client/cli/outcome.h"

#include "client/cli/terms.h"
#include "client/core/messages.h"

namespace anchorhold::client {
namespace {

std::string Hex(const std::string& bytes) { return ToHex(AsBytes(bytes)); }

}  // namespace

void JobProgressView::Show(const wire::proto::JobProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (first_) {
    first_ = false;
    started_ = now;
    examples_at_start_ = progress.examples_done();
  }
  const double seconds = std::chrono::duration<double>(now - started_).count();
  std::string text =
      "job " + std::to_string(progress.job()) + "  step " + std::to_string(progress.steps_done()) +
      "/" + std::to_string(progress.steps()) + "  epoch " + FixedNumber(progress.epochs_done(), 1) +
      "  epsilon " + FixedNumber(progress.epsilon_spent(), 3);
  if (epsilon_ > 0) text += " of " + ShortNumber(epsilon_);
  if (seconds > 0 && progress.examples_done() > examples_at_start_) {
    const auto examples = static_cast<double>(progress.examples_done() - examples_at_start_);
    text += "  " + FixedNumber(examples / seconds, 0) + " examples/s";
  }
  line_.Show(progress.steps_done(), progress.steps(), text);
}

void AddOutcomeOptions(CLI::App* command, OutcomeFolder& folder, bool& force) {
  command
      ->add_option("--out", folder.path,
                   "Folder for weights.safetensors and receipt; made if need be.")
      ->type_name("DIR")
      ->required();
  command->add_flag("--force", force, "Replace weights and receipt that are there.");
}

Json ReleaseJson(const wire::proto::JobReleased& released) {
  Json charges = Json::array();
  for (const auto& charge : released.charges()) {
    charges.push_back({{"dataset", charge.name()},
                       {"owner", Hex(charge.owner())},
                       {"object_id", Hex(charge.object_id())},
                       {"contract_sha256", Hex(charge.contract_sha256())},
                       {"epsilon_budget", charge.epsilon_budget()},
                       {"epsilon_spent", charge.epsilon_spent()},
                       {"delta", charge.delta()}});
  }
  return {{"job", released.job()},
          {"researcher_key", Hex(released.researcher_key())},
          {"platform", released.platform()},
          {"measurement", Hex(released.measurement())},
          {"model_sha256", Hex(released.model_sha256())},
          {"output_sha256", Hex(released.output_sha256())},
          {"terms", TermsJson(released.terms())},
          {"charges", charges}};
}

std::vector<std::pair<std::string, std::string>> ReleaseFacts(
    const wire::proto::JobReleased& released) {
  const auto& terms = released.terms();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"job", std::to_string(released.job())},
      {"researcher key", Hex(released.researcher_key())},
      {"platform", OneLine(released.platform())},
      {"measurement", Hex(released.measurement())},
      {"model", "SHA-256 " + Hex(released.model_sha256())},
      {"weights", "SHA-256 " + Hex(released.output_sha256())}};
  const Facts details = TermsFacts(terms);
  facts.insert(facts.end(), details.begin(), details.end());
  facts.emplace_back("privacy", "epsilon " + ShortNumber(terms.epsilon()) + " at delta " +
                                    ShortNumber(terms.delta()) + ": noise multiplier " +
                                    ShortNumber(terms.noise_multiplier()) + ", clipping norm " +
                                    ShortNumber(terms.max_grad_norm()));
  for (const auto& charge : released.charges()) {
    facts.emplace_back("charged", OneLine(charge.name()) + ": epsilon " +
                                      ShortNumber(charge.epsilon_spent()) + " of " +
                                      ShortNumber(charge.epsilon_budget()) +
                                      " spent so far, at delta " + ShortNumber(charge.delta()));
  }
  return facts;
}

Status PresentOutcome(const App& app, const OutcomeFolder& folder, const JobOutcome& outcome) {
  AH_RETURN_IF_ERROR(folder.Write(outcome));
  const auto& released = outcome.verified.entry.job_released();
  if (app.json()) {
    Json object = {{"weights", folder.weights_path()}, {"receipt", folder.receipt_path()}};
    object.update(ReleaseJson(released));
    app.PrintJson(object);
    return Ok();
  }
  app.Print("The receipt holds, and it is for these weights.\n" +
            FactLines({{"weights", folder.weights_path()},
                       {"receipt", folder.receipt_path()},
                       {"epsilon", ShortNumber(released.terms().epsilon()) + " at delta " +
                                       ShortNumber(released.terms().delta())}}));
  return Ok();
}

}  // namespace anchorhold::client
