// measure, policy, attest: which enclave is acceptable, and whether this one is.
#include <memory>

#include "client/cli/attest_view.h"
#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "shared/attest/carried.h"
#include "shared/attest/simulated.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kEnclaveBytesMax = 256 * limits::kMiB;

Result<Bytes> ReadEnclave(const std::string& path) {
  AH_ASSIGN_OR_RETURN(Bytes file, ReadWholeFile(path, kEnclaveBytesMax));
  if (file.empty()) return InvalidInput("the file is empty; give the enclave's binary").At(path);
  return file;
}

Status RunMeasure(const App& app, const std::string& path) {
  AH_ASSIGN_OR_RETURN(const Bytes enclave, ReadEnclave(path));
  const attest::Measurement measurement = attest::MeasureExecutable(enclave);
  if (app.json()) {
    app.PrintJson({{"measurement", ToHex(measurement)}, {"algorithm", "SHA-384"}, {"file", path}});
  }
  app.Print(ToHex(measurement) + "\n");
  return Ok();
}

struct PolicyOptions {
  std::vector<std::string> enclaves;
  std::vector<std::string> measurements;
  std::vector<std::string> accept;
  std::vector<std::string> tpm_keys;
  std::string out;
  bool force = false;
};

// What evidence of the platform states of an enclave whose binary one has; nothing on platforms
// that measure more than a file.
std::optional<attest::Measurement> MeasuredOn(attest::Platform platform, ByteSpan enclave) {
  if (platform == attest::Platform::kInsecureSimulated) return attest::MeasureExecutable(enclave);
  if (platform == attest::Platform::kTpm2) return attest::Tpm2Measurement(enclave);
  return std::nullopt;
}

// The platform's table of rules, as strict as it can be without knowing the machine: no debugging,
// no migration.
Status AddRules(attest::Platform platform, const PolicyOptions& options,
                attest::AppraisalPolicy& policy) {
  policy.platforms.push_back(platform);
  switch (platform) {
    case attest::Platform::kSevSnp:
      policy.sev_snp.emplace().vmpl = 0;
      return Ok();
    case attest::Platform::kTdx:
      policy.tdx.emplace();
      return Ok();
    case attest::Platform::kSgxDcap:
      policy.sgx_dcap.emplace();
      return Ok();
    case attest::Platform::kTpm2: {
      attest::Tpm2Policy& rules = policy.tpm2.emplace();
      rules.require_ak_attributes = true;
      rules.pcrs.measurement_pcr = attest::kTpm2EnclavePcr;
      if (!options.tpm_keys.empty()) rules.ak = attest::Tpm2AkRule::kPinned;
      for (const std::string& hex : options.tpm_keys) {
        AH_ASSIGN_OR_RETURN(Bytes key, FromHex(hex));
        rules.ak_keys.push_back(std::move(key));
      }
      return Ok();
    }
    case attest::Platform::kNitro:
      policy.nitro.emplace();
      return Ok();
    case attest::Platform::kAzureVtpm:
      policy.azure_vtpm.emplace();
      return Ok();
    case attest::Platform::kNvidiaGpu: {
      attest::NvidiaGpuPolicy& rules = policy.nvidia_gpu.emplace();
      rules.require_driver_rim = rules.require_vbios_rim = true;
      return Ok();
    }
    default:
      return Ok();
  }
}

Result<attest::AppraisalPolicy> MakePolicy(const PolicyOptions& options) {
  attest::AppraisalPolicy policy;
  for (const std::string& name : options.accept) {
    AH_ASSIGN_OR_RETURN(const auto platform, attest::ParsePlatform(name));
    const Status added = AddRules(platform, options, policy);
    if (!added.ok()) return added.error().At("--tpm-key");
  }
  for (const std::string& path : options.enclaves) {
    AH_ASSIGN_OR_RETURN(const Bytes enclave, ReadEnclave(path));
    for (const attest::Platform platform : policy.platforms) {
      auto measurement = MeasuredOn(platform, enclave);
      if (measurement.has_value()) policy.measurements.push_back(*std::move(measurement));
    }
  }
  for (const std::string& hex : options.measurements) {
    auto measurement = FromHex(hex);
    if (!measurement.ok()) return measurement.error().At("--measurement");
    policy.measurements.push_back(std::move(measurement).value());
  }
  if (policy.measurements.empty()) {
    return InvalidInput(
        "no measurement: --enclave FILE for insecure-simulated and tpm2; --measurement HEX for "
        "platforms that measure a whole machine");
  }
  // What was given is a policy that a reader takes: FormatPolicy is not asked to write another.
  const auto parsed = attest::ParsePolicy(AsBytes(attest::FormatPolicy(policy)));
  if (!parsed.ok()) return parsed.error();
  return policy;
}

Status RunPolicyNew(const App& app, const PolicyOptions& options) {
  AH_ASSIGN_OR_RETURN(const attest::AppraisalPolicy policy, MakePolicy(options));
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

Status RunAttest(const App& app, const std::string& audience) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const Session session, app.Connect());
  AH_RETURN_IF_ERROR(home.RememberServer(session.server()));
  const std::string& policy = app.connect_options().policy;
  const AttestView view{.session = &session,
                        .policy_path = policy.empty() ? home.policy_path() : policy,
                        .audience = audience};
  if (app.json()) app.PrintJson(AttestJson(view));
  app.Print(AttestText(view));
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
          "Your own copy of the enclave's binary; what insecure-simulated and tpm2 measure of it "
          "is accepted. Repeatable.")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  command
      ->add_option("--measurement", options->measurements,
                   "A measurement to accept: of a whole machine's image, for sev-snp and tdx. "
                   "Repeatable.")
      ->type_name("HEX")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  command
      ->add_option(
          "--tpm-key", options->tpm_keys,
          "SHA-256 of the attestation key (SubjectPublicKeyInfo) of a TPM whose owner told "
          "you so, instead of a manufacturer's certificate. Repeatable.")
      ->type_name("HEX")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  command
      ->add_option("--accept", options->accept,
                   "Platform to accept. insecure-simulated protects against nobody who owns the "
                   "machine; naming it is the consent to that. Hardware adds its rules to "
                   "the policy, for you to complete. Repeatable.")
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

  const auto audience = std::make_shared<std::string>();
  CLI::App* const attest = app.AddCommand(
      cli, "attest", "Appraise an enclave against your policy, and remember it if it passes.",
      "anchorhold attest --server 127.0.0.1:7641",
      [&app, audience] { return RunAttest(app, *audience); });
  app.AddConnectOptions(attest);
  attest
      ->add_option("--audience", *audience,
                   "Who may rely on the signed result of --json. Default: you, by your "
                   "fingerprint.")
      ->type_name("NAME");
  app.AddJsonOption(attest);
}

}  // namespace anchorhold::client
