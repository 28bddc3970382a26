// measure, policy, attest: which enclave is acceptable, and whether this one is.
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "shared/attest/simulated.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kEnclaveBytesMax = 256 * limits::kMiB;

Result<attest::Measurement> MeasureFile(const std::string& path) {
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(path, kEnclaveBytesMax));
  if (file.empty()) return InvalidInput("the file is empty; give the enclave's binary").At(path);
  return attest::MeasureExecutable(file);
}

Status RunMeasure(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const auto measurement, MeasureFile(path));
  if (app.json()) {
    app.PrintJson({{"measurement", ToHex(measurement)}, {"algorithm", "SHA-384"}, {"file", path}});
  }
  app.Print(ToHex(measurement) + "\n");
  return Ok();
}

struct PolicyOptions {
  std::vector<std::string> enclaves;
  std::vector<std::string> accept;
  std::string out;
  bool force = false;
};

Status RunPolicyNew(const App& app, const PolicyOptions& options) {
  attest::AppraisalPolicy policy;
  for (const std::string& name : options.accept) {
    AH_ASSIGN_OR_RETURN(const auto platform, attest::ParsePlatform(name));
    policy.platforms.push_back(platform);
    if (platform != attest::Platform::kSevSnp) continue;
    policy.sev_snp.emplace().vmpl = 0;  // the rest as SnpPolicy has it: no debugging, no migration
  }
  for (const std::string& path : options.enclaves) {
    AH_ASSIGN_OR_RETURN(auto measurement, MeasureFile(path));
    policy.measurements.push_back(std::move(measurement));
  }
  std::string out = options.out;
  if (out.empty()) {
    AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
    AH_RETURN_IF_ERROR(MakeFolder(home.path(), 0700));
    out = home.policy_path();
  }
  const auto written = WriteWholeFile(out, AsBytes(attest::FormatPolicy(policy)),
                                      options.force ? IfExists::kReplace : IfExists::kRefuse);
  if (!written.ok()) {
    if (written.error().code() != ErrorCode::kAlreadyExists) return written;
    return AlreadyExists("there is a policy already; edit it, or say --force to replace it")
        .At(out);
  }
  Json measurements = Json::array();
  for (const auto& measurement : policy.measurements) measurements.push_back(ToHex(measurement));
  if (app.json()) {
    app.PrintJson({{"path", out}, {"platforms", options.accept}, {"measurements", measurements}});
  }
  app.Print("Wrote " + out + ": only an enclave with one of these measurements is accepted, on " +
            Join(options.accept) + ".\n");
  for (const auto& measurement : policy.measurements) {
    app.Print(FactLines({{"measurement", ToHex(measurement)}}));
  }
  return Ok();
}

Status RunAttest(const App& app) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const Session session, app.Connect());
  AH_RETURN_IF_ERROR(home.RememberServer(session.server()));
  const auto& result = session.attestation();
  const auto& keys = session.enclave_keys();
  const std::string platform(attest::PlatformName(result.platform()));
  const std::string policy =
      app.connect_options().policy.empty() ? home.policy_path() : app.connect_options().policy;
  if (app.json()) {
    app.PrintJson({{"accepted", true},
                   {"server", session.server()},
                   {"platform", platform},
                   {"measurement", ToHex(result.measurement())},
                   {"sealing_key", keys.sealing_key.hex()},
                   {"ledger_key", keys.ledger_key.hex()},
                   {"tls_key", keys.tls_key.hex()},
                   {"ledger_size", session.tree_head().size},
                   {"policy", policy},
                   {"appraised_at", FormatTime(result.appraised_at())},
                   {"warnings", result.warnings()}});
    return Ok();
  }
  app.Print(FactLines({{"accepted", session.server() + ", now remembered as your server"},
                       {"platform", platform + " (platforms in " + policy + ")"},
                       {"measurement", ToHex(result.measurement())},
                       {"", "(measurements in " + policy + ")"},
                       {"sealing key", keys.sealing_key.hex()},
                       {"ledger key", keys.ledger_key.hex()},
                       {"ledger", "size " + std::to_string(session.tree_head().size) +
                                      "; it extends what you saw before"},
                       {"appraised at", FormatTime(result.appraised_at())}}));
  for (const std::string& warning : result.warnings()) app.Print(WarningText(warning));
  return Ok();
}

void AddPolicyCommand(App& app, CLI::App& cli) {
  CLI::App* const policy =
      app.AddGroup(cli, "policy", "Say which enclaves you accept (your appraisal policy).");
  const auto options = std::make_shared<PolicyOptions>();
  CLI::App* const command = app.AddCommand(
      *policy, "new", "Write a policy that accepts an enclave that you have built or checked.",
      "anchorhold policy new --enclave build/release/bin/anchorhold-enclave "
      "--accept insecure-simulated",
      [&app, options] { return RunPolicyNew(app, *options); });
  command
      ->add_option(
          "--enclave", options->enclaves,
          "Your own copy of the enclave's binary; its measurement is accepted. Repeatable.")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->required();
  command
      ->add_option("--accept", options->accept,
                   "Platform to accept. insecure-simulated protects against nobody who owns the "
                   "machine; naming it is the consent to that. sev-snp adds its rules to the "
                   "policy, for you to complete. Repeatable.")
      ->type_name("PLATFORM")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->required();
  command
      ->add_option("--out", options->out, "Where to write it. Default: policy.toml in your home.")
      ->type_name("FILE");
  command->add_flag("--force", options->force, "Replace a policy that is there.");
  app.AddHomeOption(command);
  app.AddJsonOption(command);
}

}  // namespace

void AddAttestationCommands(App& app, CLI::App& cli) {
  const auto path = std::make_shared<std::string>();
  CLI::App* const measure = app.AddCommand(
      cli, "measure", "Print the measurement of an enclave's binary, as evidence will state it.",
      "anchorhold measure build/release/bin/anchorhold-enclave",
      [&app, path] { return RunMeasure(app, *path); });
  measure->add_option("enclave", *path, "The enclave's binary.")->type_name("FILE")->required();
  app.AddJsonOption(measure);

  AddPolicyCommand(app, cli);

  CLI::App* const attest = app.AddCommand(
      cli, "attest", "Appraise an enclave against your policy, and remember it if it passes.",
      "anchorhold attest --server 127.0.0.1:7641", [&app] { return RunAttest(app); });
  app.AddConnectOptions(attest);
  app.AddJsonOption(attest);
}

}  // namespace anchorhold::client
