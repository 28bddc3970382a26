#include "trusted/ledger/admission.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "shared/attest/contract_check.h"
#include "shared/base/limits.h"

namespace anchorhold::ledger {
namespace {

constexpr std::size_t kTermTextBytesMax = 64;
constexpr int kTermWeightsMax = 1024;
constexpr int kFrozenPatternsMax = 64;
constexpr std::size_t kFrozenPatternBytesMax = 256;
// The stated epsilon may differ from the accountant's by the rounding of a decimal's way through a
// message; budgets are compared with the accountant's own figure.
constexpr double kStatedEpsilonSlack = 1e-9;

std::string Quoted(const wire::Contract& contract) { return "dataset '" + contract.dataset + "'"; }

// Two decimals, as people write budgets, or as many digits as it takes to tell `value` from
// `other`.
std::string Show(double value, double other) {
  char text[64];
  char other_text[64];
  for (int decimals = 2; decimals <= 15; ++decimals) {
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    std::snprintf(other_text, sizeof other_text, "%.*f", decimals, other);
    if (value == other || std::string_view(text) != other_text) return text;
  }
  return dp::NumberText(value);
}

Status CheckPositive(double value, const char* name) {
  if (std::isfinite(value) && value > 0) return Ok();
  return InvalidInput(std::string(name) + " must be a positive finite number; got " +
                      dp::NumberText(value));
}

// Anything but plain ASCII could be written into an entry that protobuf then refuses to read back.
Status CheckText(const std::string& text, const char* name) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (plain && !text.empty() && text.size() <= kTermTextBytesMax) return Ok();
  return InvalidInput(std::string(name) + " must have 1 to " + std::to_string(kTermTextBytesMax) +
                      " of [a-z0-9-]");
}

// An entry and its receipt stay small, and protobuf reads back what it has written.
Status CheckTermLists(const wire::proto::TrainingTerms& terms) {
  if (terms.has_schedule()) AH_RETURN_IF_ERROR(CheckText(terms.schedule().kind(), "schedule"));
  if (terms.loss_options().class_weights_size() > kTermWeightsMax ||
      terms.loss_options().positive_weights_size() > kTermWeightsMax) {
    return LimitExceeded("a job's loss may have at most " + std::to_string(kTermWeightsMax) +
                         " weights");
  }
  if (terms.frozen_size() > kFrozenPatternsMax) {
    return LimitExceeded("a job may have at most " + std::to_string(kFrozenPatternsMax) +
                         " patterns of frozen parameters");
  }
  for (const std::string& pattern : terms.frozen()) {
    const bool printable =
        std::all_of(pattern.begin(), pattern.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (printable && !pattern.empty() && pattern.size() <= kFrozenPatternBytesMax) continue;
    return InvalidInput("a pattern of frozen parameters must have 1 to " +
                        std::to_string(kFrozenPatternBytesMax) + " printable ASCII characters");
  }
  return Ok();
}

Status CheckTerms(const wire::proto::TrainingTerms& terms) {
  AH_RETURN_IF_ERROR(CheckText(terms.loss(), "loss"));
  AH_RETURN_IF_ERROR(CheckText(terms.optimizer(), "optimizer"));
  if (!terms.clipping().empty()) AH_RETURN_IF_ERROR(CheckText(terms.clipping(), "clipping"));
  AH_RETURN_IF_ERROR(CheckTermLists(terms));
  AH_RETURN_IF_ERROR(CheckPositive(terms.learning_rate(), "learning rate"));
  AH_RETURN_IF_ERROR(CheckPositive(terms.max_grad_norm(), "max grad norm"));
  if (!(terms.momentum() >= 0 && terms.momentum() < 1)) {
    return InvalidInput("momentum must be at least 0 and below 1; got " +
                        dp::NumberText(terms.momentum()));
  }
  AH_RETURN_IF_ERROR(dp::ValidateEpsilon(Epsilon(terms.epsilon())));
  AH_RETURN_IF_ERROR(dp::ValidateDelta(Delta(terms.delta())));
  const dp::DpEvent event = EventOf(terms);
  AH_RETURN_IF_ERROR(dp::ValidateEvent(event));
  AH_ASSIGN_OR_RETURN(const Epsilon cost, dp::EpsilonOf(event, Delta(terms.delta())));
  if (!(cost.value() <= terms.epsilon() * (1 + kStatedEpsilonSlack))) {
    return InvalidInput("the job's terms state an epsilon of " + dp::NumberText(terms.epsilon()) +
                        ", but its noise gives " + dp::NumberText(cost.value()) +
                        "; calibrate the noise to the epsilon");
  }
  return Ok();
}

// kPermissionDenied if there is none; otherwise the least epsilon of the researcher's grants, for
// each of them holds.
Result<Epsilon> GrantedEpsilon(const wire::Contract& contract,
                               const crypto::KeyFingerprint& researcher) {
  Epsilon least(std::numeric_limits<double>::infinity());
  bool found = false;
  for (const wire::Grant& grant : contract.grants) {
    const auto& purposes = grant.purposes;
    if (grant.researcher != researcher) continue;
    if (std::find(purposes.begin(), purposes.end(), "train") == purposes.end()) continue;
    found = true;
    least = std::min(least, grant.epsilon);
  }
  if (found) return least;
  return PermissionDenied(Quoted(contract) + ": no grant to train for key " + researcher.hex() +
                          "; ask its owner for a contract that names this key");
}

// `who`: whose limit it is, as the message names it.
Status CheckBudget(const Budget& budget, const dp::DpEvent& event, const wire::Contract& contract,
                   Epsilon limit, const char* who) {
  AH_ASSIGN_OR_RETURN(const Epsilon after, budget.SpentWith(event, contract.delta));
  if (after <= limit) return Ok();  // false for NaN
  AH_ASSIGN_OR_RETURN(const Epsilon spent, budget.SpentAt(contract.delta));
  const double left = std::max(0.0, limit.value() - spent.value());
  return BudgetExceeded(Quoted(contract) + ": this job would bring the epsilon spent to " +
                        Show(after.value(), limit.value()) + ", " + who + " allows " +
                        Show(limit.value(), after.value()) + " (spent so far " +
                        Show(spent.value(), limit.value()) + ", left " + Show(left, 0) +
                        ", at delta " + dp::NumberText(contract.delta.value()) +
                        "); ask for less, or ask its owner for a new contract");
}

}  // namespace

Status CheckRequest(const JobRequest& request) {
  if (request.datasets.empty()) return InvalidInput("a job needs at least one dataset");
  if (request.datasets.size() > limits::kDatasetsPerJobMax) {
    return LimitExceeded("a job may use at most " + std::to_string(limits::kDatasetsPerJobMax) +
                         " datasets; this one names " + std::to_string(request.datasets.size()));
  }
  std::set<std::string> names;
  for (const std::string& name : request.datasets) {
    AH_RETURN_IF_ERROR(wire::CheckName(name));
    if (!names.insert(name).second) {
      return InvalidInput("dataset '" + name + "' is named twice; name every dataset once");
    }
  }
  return CheckTerms(request.terms);
}

Status CheckNotExpired(const wire::Contract& contract, UnixSeconds now) {
  if (now < contract.expires) return Ok();
  return PermissionDenied(Quoted(contract) + ": its contract expired at " +
                          FormatTime(contract.expires) + "; ask its owner for a new one");
}

Status CheckEnclave(const wire::Contract& contract, const Circumstances& here) {
  const Status allowed = attest::CheckContractAllows(contract, here.platform, here.measurement);
  if (!allowed.ok()) return allowed.error().At(Quoted(contract));
  return Ok();
}

Status Admit(const DatasetState& dataset, const JobRequest& request, const Circumstances& here) {
  const wire::Contract& contract = dataset.record.contract;
  AH_RETURN_IF_ERROR(CheckNotExpired(contract, here.now));
  AH_RETURN_IF_ERROR(CheckEnclave(contract, here));
  AH_ASSIGN_OR_RETURN(const Epsilon granted,
                      GrantedEpsilon(contract, crypto::FingerprintOf(request.researcher)));
  if (!(request.terms.delta() <= contract.delta.value())) {
    return PrivacyRefused(Quoted(contract) + ": delta " + dp::NumberText(request.terms.delta()) +
                          " is above the " + dp::NumberText(contract.delta.value()) +
                          " that its contract allows; ask for that or less");
  }
  const dp::DpEvent event = EventOf(request.terms);
  AH_RETURN_IF_ERROR(
      CheckBudget(dataset.budget, event, contract, contract.epsilon, "the contract"));
  const auto theirs = dataset.researchers.find(request.researcher);
  return CheckBudget(theirs == dataset.researchers.end() ? Budget() : theirs->second, event,
                     contract, granted, "the grant for this key");
}

Status CheckSameSchema(const std::vector<const DatasetState*>& datasets) {
  const wire::Contract& first = datasets.front()->record.contract;
  for (const DatasetState* dataset : datasets) {
    const wire::Contract& contract = dataset->record.contract;
    if (contract.schema_sha256 == first.schema_sha256) continue;
    return InvalidInput("datasets '" + first.dataset + "' and '" + contract.dataset +
                        "' have different schemas; a job needs datasets that share one, byte for "
                        "byte");
  }
  return Ok();
}

}  // namespace anchorhold::ledger
