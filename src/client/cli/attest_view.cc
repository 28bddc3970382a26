#include "client/cli/attest_view.h"

#include "client/cli/render.h"
#include "client/core/messages.h"

namespace anchorhold::client {
namespace {

// A result is about an enclave as it was when it was asked; a day later ask again.
constexpr std::int64_t kResultSeconds = 24 * 3600;

attest::EarTerms TermsOf(const AttestView& view) {
  const std::string self = crypto::FingerprintOf(view.session->key().public_key()).hex();
  return {.build = ANCHORHOLD_VERSION,
          .audience = view.audience.empty() ? self : view.audience,
          .policy_id = "sha-256:" + view.session->policy_sha256(),
          .lifetime_seconds = kResultSeconds};
}

const char* Answer(attest::TrustTier tier) {
  switch (tier) {
    case attest::TrustTier::kAffirming:
      return "yes";
    case attest::TrustTier::kWarning:
      return "only for some purposes: see the warnings";
    case attest::TrustTier::kContraindicated:
      return "NO";
    case attest::TrustTier::kNone:
      break;
  }
  return "not judged";
}

std::string Verdict(const attest::AttestationResult& result) {
  const attest::TrustVector& trust = result.trust();
  const attest::TrustTier status = trust.Status();
  if (status == attest::TrustTier::kContraindicated) {
    return "accepted, because your policy allows it, although something speaks against it: read "
           "the answers and warnings below";
  }
  std::string out = "accepted: it is what your policy asks for";
  // Hardware that does not speak of its memory does not close it.
  if (trust.runtime_opaque != attest::TrustTier::kAffirming) {
    out += ", and that does not include a memory closed to the machine's operator";
  }
  if (status == attest::TrustTier::kWarning || !result.warnings().empty()) {
    return out + "; read the warnings below";
  }
  return out + (trust.runtime_opaque == attest::TrustTier::kAffirming
                    ? ", and nothing speaks against it"
                    : "");
}

std::string ChecksText(const attest::AttestationResult& result) {
  std::string held = "\nChecked, and found to hold:\n";
  std::vector<std::pair<std::string, std::string>> left_out;
  for (const auto& check : result.checks()) {
    const std::string name = OneLine(check.name);
    if (!check.skipped_because.has_value()) {
      held += "  " + name + "\n";
    } else {
      left_out.emplace_back("  " + name, OneLine(*check.skipped_because));
    }
  }
  if (left_out.empty()) return held + "\nLeft out: nothing.\n";
  return held + "\nLeft out, and why:\n" + FactLines(left_out);
}

}  // namespace

Json AttestJson(const AttestView& view) {
  const Session& session = *view.session;
  const auto& result = session.attestation();
  const auto& keys = session.enclave_keys();
  const attest::EarTerms terms = TermsOf(view);
  return {{"accepted", true},
          {"server", session.server()},
          {"platform", attest::PlatformName(result.platform())},
          {"measurement", ToHex(result.measurement())},
          {"sealing_key", keys.sealing_key.hex()},
          {"ledger_key", keys.ledger_key.hex()},
          {"tls_key", keys.tls_key.hex()},
          {"ledger_size", session.tree_head().size},
          {"policy", view.policy_path},
          {"appraised_at", FormatTime(result.appraised_at())},
          {"warnings", result.warnings()},
          {"ear", attest::SignEar(session.key(), result, terms)},
          {"ear_signed_by", session.key().public_key().hex()},
          {"ear_claims", Json::parse(attest::EarClaims(result, terms).ToJson())}};
}

std::string JudgementsText(const attest::TrustVector& trust) {
  TextTable table({"question", "answer"});
  table.AddRow({"Is the program one that you listed?", Answer(trust.executables)});
  table.AddRow({"Is the hardware genuine, its firmware recent enough?", Answer(trust.hardware)});
  table.AddRow({"Is its memory closed to the machine's operator?", Answer(trust.runtime_opaque)});
  table.AddRow({"Are debugging, migration and the like as you ask?", Answer(trust.configuration)});
  table.AddRow({"Is it known which machine or service it is?", Answer(trust.instance_identity)});
  return table.Text();
}

std::string AttestText(const AttestView& view) {
  const Session& session = *view.session;
  const auto& result = session.attestation();
  const auto& keys = session.enclave_keys();
  std::string out = FactLines({{"verdict", Verdict(result)},
                               {"server", session.server() + ", now remembered as your server"},
                               {"appraised at", FormatTime(result.appraised_at())},
                               {"policy", view.policy_path},
                               {"", "SHA-256 " + session.policy_sha256()},
                               {"platform", std::string(attest::PlatformName(result.platform()))},
                               {"measurement", ToHex(result.measurement())},
                               {"sealing key", keys.sealing_key.hex()},
                               {"ledger key", keys.ledger_key.hex()},
                               {"ledger", "size " + std::to_string(session.tree_head().size) +
                                              "; it extends what you saw before"}});
  out += "\n" + JudgementsText(result.trust()) + ChecksText(result);
  out +=
      "\nThe evidence was made for this very connection. A copy of this result that others can\n"
      "check, signed with your key, and all that the evidence states: --json.\n";
  for (const std::string& warning : result.warnings()) out += "\n" + WarningText(warning);
  return out;
}

}  // namespace anchorhold::client
