// Appraisal policies as TOML (verifier.h shows one).
#include <algorithm>

#include "shared/attest/verifier.h"
#include "shared/base/limits.h"
#include "shared/wire/toml.h"

namespace anchorhold::attest {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kEntriesMax = 256;

// The strings of a list that must name something: leaving it empty accepts nothing, and a reader
// who writes that has forgotten something.
Result<std::vector<std::string>> ReadNames(wire::TomlTable& table, const char* key) {
  if (!table.Has(key)) {
    return InvalidInput(std::string(key) + " is missing: nothing is accepted; name at least one");
  }
  AH_ASSIGN_OR_RETURN(std::vector<std::string> names, table.Strings(key));
  if (names.empty()) {
    return InvalidInput(std::string(key) +
                        " names nothing: nothing is accepted; name at least one");
  }
  if (names.size() > kEntriesMax) {
    return LimitExceeded(std::string(key) + ": more than " + std::to_string(kEntriesMax) +
                         " entries");
  }
  return names;
}

Result<Measurement> ParseMeasurement(const std::string& hex) {
  AH_ASSIGN_OR_RETURN(Measurement measurement, FromHex(hex));
  if (measurement.size() < kMeasurementBytesMin || measurement.size() > kMeasurementBytesMax) {
    return InvalidInput(std::to_string(measurement.size()) + " bytes; a measurement has " +
                        std::to_string(kMeasurementBytesMin) + " to " +
                        std::to_string(kMeasurementBytesMax));
  }
  return measurement;
}

// The value of each name, which `Parse` finds; errors say which entry they mean, counted from 1.
template <auto Parse>
auto ParseEach(const std::vector<std::string>& names, const char* key)
    -> Result<std::vector<std::decay_t<decltype(Parse(names[0]).value())>>> {
  std::vector<std::decay_t<decltype(Parse(names[0]).value())>> out;
  for (const std::string& name : names) {
    auto parsed = Parse(name);
    if (!parsed.ok()) {
      return parsed.error().At(std::string(key) + "[" + std::to_string(out.size() + 1) + "]");
    }
    out.push_back(std::move(parsed).value());
  }
  return out;
}

Result<AppraisalPolicy> ReadPolicy(ByteSpan toml) {
  AH_ASSIGN_OR_RETURN(wire::TomlTable table, wire::TomlTable::Parse(toml, limits::kPolicyBytesMax));
  AH_ASSIGN_OR_RETURN(const std::int64_t version, table.Integer("version"));
  if (version != kVersion) {
    return Unsupported("version: this version reads version " + std::to_string(kVersion));
  }
  AppraisalPolicy policy;
  AH_ASSIGN_OR_RETURN(const auto platforms, ReadNames(table, "platforms"));
  AH_ASSIGN_OR_RETURN(policy.platforms, ParseEach<ParsePlatform>(platforms, "platforms"));
  AH_ASSIGN_OR_RETURN(const auto hex, ReadNames(table, "measurements"));
  AH_ASSIGN_OR_RETURN(policy.measurements, ParseEach<ParseMeasurement>(hex, "measurements"));
  const auto is_listed = [&](Platform platform) {
    return std::find(policy.platforms.begin(), policy.platforms.end(), platform) !=
           policy.platforms.end();
  };
  if (table.Has("sev-snp") || is_listed(Platform::kSevSnp)) {
    AH_ASSIGN_OR_RETURN(policy.sev_snp, ReadSnpPolicy(table));
  }
  if (table.Has("tdx") || is_listed(Platform::kTdx)) {
    AH_ASSIGN_OR_RETURN(policy.tdx, ReadTdxPolicy(table));
  }
  if (table.Has("sgx-dcap") || is_listed(Platform::kSgxDcap)) {
    AH_ASSIGN_OR_RETURN(policy.sgx_dcap, ReadSgxPolicy(table));
  }
  if (table.Has("nitro") || is_listed(Platform::kNitro)) {
    AH_ASSIGN_OR_RETURN(policy.nitro, ReadNitroPolicy(table));
  }
  if (table.Has("tpm2") || is_listed(Platform::kTpm2)) {
    AH_ASSIGN_OR_RETURN(policy.tpm2, ReadTpm2Policy(table));
  }
  if (table.Has("azure-vtpm") || is_listed(Platform::kAzureVtpm)) {
    AH_ASSIGN_OR_RETURN(policy.azure_vtpm, ReadAzureVtpmPolicy(table));
  }
  if (table.Has("nvidia-gpu") || is_listed(Platform::kNvidiaGpu)) {
    AH_ASSIGN_OR_RETURN(policy.nvidia_gpu, ReadNvidiaGpuPolicy(table));
  }
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return policy;
}

}  // namespace

Result<AppraisalPolicy> ParsePolicy(ByteSpan toml) {
  Result<AppraisalPolicy> policy = ReadPolicy(toml);
  if (!policy.ok()) return policy.error().At("appraisal policy");
  return policy;
}

std::string FormatPolicy(const AppraisalPolicy& policy) {
  std::string out = "version = " + std::to_string(kVersion) + "\nplatforms = [";
  const char* comma = "";
  for (const Platform platform : policy.platforms) {
    out.append(comma).append("\"").append(PlatformName(platform)).append("\"");
    comma = ", ";
  }
  out += "]\nmeasurements = [\n";
  for (const Measurement& measurement : policy.measurements) {
    out.append("  \"").append(ToHex(measurement)).append("\",\n");
  }
  out += "]\n";
  if (policy.sev_snp.has_value()) out += FormatSnpPolicy(*policy.sev_snp);
  if (policy.tdx.has_value()) out += FormatTdxPolicy(*policy.tdx);
  if (policy.sgx_dcap.has_value()) out += FormatSgxPolicy(*policy.sgx_dcap);
  if (policy.nitro.has_value()) out += FormatNitroPolicy(*policy.nitro);
  if (policy.tpm2.has_value()) out += FormatTpm2Policy(*policy.tpm2);
  if (policy.azure_vtpm.has_value()) out += FormatAzureVtpmPolicy(*policy.azure_vtpm);
  if (policy.nvidia_gpu.has_value()) out += FormatNvidiaGpuPolicy(*policy.nvidia_gpu);
  return out;
}

}  // namespace anchorhold::attest
