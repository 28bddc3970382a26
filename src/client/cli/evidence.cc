// evidence: attestation evidence of real hardware, from files: verified, or shown as it stands.
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "client/core/evidence_kinds.h"
#include "client/core/files.h"
#include "client/core/messages.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

constexpr const char* kSignaturesOnly =
    "signatures, chains and bindings only: whether this evidence is good enough was not judged; "
    "give --policy or --strict";

struct EvidenceOptions {
  std::string kind;
  std::vector<std::string> files;
  std::string time;
  std::string policy;
  bool strict = false;
  std::string report_data;
};

Result<attest::Kind> FindKind(const std::string& name) {
  AH_ASSIGN_OR_RETURN(const attest::Platform platform, attest::ParsePlatform(name));
  std::string names;
  for (const attest::Kind& kind : AllKinds()) {
    if (kind.platform == platform) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name());
  }
  return Unsupported("--kind " + name +
                     ": this version has no verifier for evidence of this kind; " +
                     "it has those for " + names);
}

Result<attest::UnverifiedFiles> ReadFiles(const attest::Kind& kind,
                                          const std::vector<std::string>& arguments) {
  attest::UnverifiedFiles files;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      return InvalidInput("--file " + argument + ": write ROLE=PATH");
    }
    AH_ASSIGN_OR_RETURN(Bytes bytes,
                        ReadWholeFile(argument.substr(equals + 1), limits::kEvidenceFileBytesMax));
    const Status added = files.Add(kind.roles, argument.substr(0, equals), std::move(bytes));
    if (!added.ok()) return added.error().At("--file " + argument);
  }
  return files;
}

Json ToJson(const attest::Claim& claim) { return Json::parse(claim.ToJson()); }

// "policy_bits.debug" and its value, for every claim that is no map.
void Flatten(const attest::Claim& claim, const std::string& path,
             std::vector<std::pair<std::string, std::string>>& out) {
  if (claim.type() == attest::Claim::Type::kMap) {
    for (const auto& [name, value] : claim.members()) {
      Flatten(value, path.empty() ? name : path + "." + name, out);
    }
    return;
  }
  const bool text = claim.type() == attest::Claim::Type::kText;
  out.emplace_back(OneLine(path), OneLine(text ? claim.text() : claim.ToJson()));
}

std::string Basis(const EvidenceOptions& options) {
  if (options.policy.empty()) return options.strict ? "strict" : "signatures-only";
  return options.strict ? "policy and strict" : "policy";
}

void PrintResult(const App& app, const EvidenceOptions& options,
                 const attest::AttestationResult& result) {
  const bool signatures_only = options.policy.empty() && !options.strict;
  if (app.json()) {
    Json checks = Json::object();
    Json skipped = Json::object();
    for (const auto& check : result.checks()) {
      if (check.skipped_because.has_value()) {
        skipped[check.name] = *check.skipped_because;
      } else {
        checks[check.name] = true;
      }
    }
    Json warnings = result.warnings();
    if (signatures_only) warnings.push_back(kSignaturesOnly);
    app.PrintJson({{"accepted", true},
                   {"kind", options.kind},
                   {"appraised_by", Basis(options)},
                   {"appraised_at", FormatTime(result.appraised_at())},
                   {"claims", ToJson(result.claims())},
                   {"checks", checks},
                   {"skipped", skipped},
                   {"status", attest::TrustTierName(result.trust().Status())},
                   {"trustworthiness_vector", ToJson(result.trust().ToClaim())},
                   {"warnings", warnings}});
    return;
  }
  std::vector<std::pair<std::string, std::string>> facts = {
      {"evidence", options.kind + ", genuine at " + FormatTime(result.appraised_at())},
      {"judged by", Basis(options)}};
  Flatten(result.claims(), "", facts);
  app.Print(FactLines(facts) + "\nChecks that hold:\n");
  for (const auto& check : result.checks()) {
    if (!check.skipped_because.has_value()) app.Print("  " + check.name + "\n");
  }
  app.Print("Checks left out:\n");
  for (const auto& check : result.checks()) {
    if (check.skipped_because.has_value()) {
      app.Print("  " + check.name + ": " + *check.skipped_because + "\n");
    }
  }
  for (const std::string& warning : result.warnings()) app.Print(WarningText(warning));
  if (signatures_only) app.Print(WarningText(kSignaturesOnly));
}

Status RunVerify(const App& app, const EvidenceOptions& options) {
  AH_ASSIGN_OR_RETURN(const attest::Kind kind, FindKind(options.kind));
  const auto now = ParseTime(options.time);
  if (!now.ok()) return now.error().At("--time");
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedFiles files, ReadFiles(kind, options.files));
  attest::AppraisalInput input{.now = *now, .files = files, .strict = options.strict};
  std::optional<attest::AppraisalPolicy> policy;
  if (!options.policy.empty()) {
    AH_ASSIGN_OR_RETURN(const Bytes text, ReadWholeFile(options.policy, limits::kPolicyBytesMax));
    AH_ASSIGN_OR_RETURN(policy, attest::ParsePolicy(text));
    input.policy = &*policy;
  }
  if (!options.report_data.empty()) {
    auto report_data = FromHex(options.report_data);
    if (!report_data.ok()) return report_data.error().At("--report-data");
    input.report_data = std::move(report_data).value();
  }
  AH_ASSIGN_OR_RETURN(const auto result, attest::Appraise(kind, input));
  PrintResult(app, options, result);
  return Ok();
}

Status RunShow(const App& app, const EvidenceOptions& options) {
  AH_ASSIGN_OR_RETURN(const attest::Kind kind, FindKind(options.kind));
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedFiles files, ReadFiles(kind, options.files));
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedClaims claims, kind.show(files));
  if (app.json()) {
    app.PrintJson({{"kind", options.kind}, {"UNVERIFIED", ToJson(claims.unverified)}});
    return Ok();
  }
  std::vector<std::pair<std::string, std::string>> lines;
  Flatten(claims.unverified, "", lines);
  for (const auto& [name, value] : lines) app.Print("UNVERIFIED " + name + " = " + value + "\n");
  return Ok();
}

// Kinds and their roles, for the help.
std::string RolesHelp() {
  std::string out = "A file and what it is. Repeatable.";
  for (const attest::Kind& kind : AllKinds()) {
    out += " " + std::string(kind.name()) + ":";
    const char* separator = " ";
    for (const attest::Role& role : kind.roles) {
      out += separator + std::string(role.name) + " (" + std::string(role.about) + ")";
      separator = ", ";
    }
    out += ".";
  }
  return out;
}

void AddFileOptions(App& app, CLI::App* command, EvidenceOptions& options) {
  command
      ->add_option(
          "--kind", options.kind,
          "What made the evidence: sev-snp, tdx, sgx-dcap, nitro, tpm2, azure-vtpm or nvidia-gpu.")
      ->type_name("KIND")
      ->required();
  command->add_option("--file", options.files, RolesHelp())
      ->type_name("ROLE=PATH")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->required();
  app.AddJsonOption(command);
}

}  // namespace

void AddEvidenceCommands(App& app, CLI::App& cli) {
  CLI::App* const group =
      app.AddGroup(cli, "evidence", "Verify or show attestation evidence that you have as files.");
  const auto options = std::make_shared<EvidenceOptions>();
  CLI::App* const verify = app.AddCommand(
      *group, "verify",
      "Verify evidence, without any network: exit status 0 and what it claims, or 3 and the first "
      "check that fails. Without --policy and --strict, only signatures, chains and bindings.",
      "anchorhold evidence verify --kind sev-snp --file report=report.bin --file vek=vcek.der \\\n"
      "    --file intermediate=ask.der --file ark=ark.der --time 2026-03-07T01:04:33Z --strict",
      [&app, options] { return RunVerify(app, *options); });
  AddFileOptions(app, verify, *options);
  verify->add_option("--time", options->time, "When it has to be valid: 2026-11-21T13:05:00Z.")
      ->type_name("RFC3339")
      ->required();
  verify
      ->add_option(
          "--policy", options->policy,
          "Your reference values and rules: an appraisal policy with a table for the kind.")
      ->type_name("FILE");
  verify->add_flag("--strict", options->strict,
                   "Also refuse debugging, whatever is out of date, and collateral that is missing "
                   "or not current.");
  verify
      ->add_option("--report-data", options->report_data,
                   "What the evidence must have been made over: its report data, whole.")
      ->type_name("HEX");
  CLI::App* const show =
      app.AddCommand(*group, "show", "Show what evidence says, without believing it.",
                     "anchorhold evidence show --kind sev-snp --file report=report.bin",
                     [&app, options] { return RunShow(app, *options); });
  AddFileOptions(app, show, *options);
}

}  // namespace anchorhold::client
