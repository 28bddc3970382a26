#include "client/gpu/nvidia_gpu.h"

#include <algorithm>

#include "client/gpu/device_certificate.h"
#include "client/gpu/nvidia_evidence.h"
#include "client/gpu/nvidia_rims.h"
#include "shared/attest/chain_checks.h"
#include "shared/attest/rule_checks.h"

namespace anchorhold::client {
namespace {

using attest::AppraisalInput;
using attest::Appraiser;
using attest::NvidiaGpuPolicy;
using attest::Refuse;

// The SHA-256 of the SubjectPublicKeyInfo of "NVIDIA Device Identity CA" and of "NVIDIA CoRIM
// signing Root CA".
constexpr std::string_view kDeviceRoots[] = {
    "a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4"};
constexpr std::string_view kRimRoots[] = {
    "dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3"};

constexpr std::string_view kRootName = "root_is_nvidia_device_identity_ca";

// Of a device whose report is verified.
struct Gpu {
  SpdmReportFields report;
  std::string product;
  Bytes fwid;  // its certificate's
};

Result<NvidiaGpuPolicy> PolicyInForce(const AppraisalInput& input) {
  return attest::RulesInForce(input, &attest::AppraisalPolicy::nvidia_gpu, NvidiaGpuPolicy(),
                              "it has no table [nvidia-gpu]: nothing is said about such devices");
}

Result<Gpu> CheckDevice(Appraiser& appraiser, const AppraisalInput& input,
                        const UnverifiedGpu& device, std::span<const crypto::Sha256Digest> pins) {
  if (const Bytes* const root = input.files.Find("device_root")) {
    AH_ASSIGN_OR_RETURN(const auto given, attest::ReadOneCertificate("device_root", *root));
    AH_RETURN_IF_ERROR(
        appraiser.Check("device_root_is_the_given_one",
                        given.unverified().der == device.chain.back().unverified().der,
                        "the device's chain ends in another root certificate than was given"));
  }
  const std::vector<std::string_view> links(device.chain.size(), "chain_signatures");
  AH_ASSIGN_OR_RETURN(const auto chain, attest::CheckChain(appraiser, device.chain, links,
                                                           {.pins = pins}, kRootName));
  const auto fwid = DeviceFwid(chain[0].fields());
  if (!fwid.ok()) {
    return Refuse("chain_has_leaf_device_key",
                  "the first certificate is no attestation key's: " + fwid.error().message());
  }
  AH_RETURN_IF_ERROR(appraiser.Check("chain_has_leaf_device_key", Ok()));
  const auto report = device.report.VerifiedBy(chain[0].key());
  if (!report.ok()) return Refuse("spdm_signature", report.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("spdm_signature", Ok()));
  if (const Bytes* const stated = report->Find(GpuField::kFwid)) {
    AH_RETURN_IF_ERROR(appraiser.Check(
        "fwid_equals_leaf_dice_fwid", *stated == *fwid,
        "the report is of other firmware than the certificate of the key that signed it"));
  } else {
    appraiser.Skip("fwid_equals_leaf_dice_fwid", "the report does not state its firmware's digest");
  }
  if (device.stated_nonce.has_value()) {
    AH_RETURN_IF_ERROR(appraiser.Check("evidence_json_nonce",
                                       *device.stated_nonce == report->request_nonce,
                                       "a report is not over the nonce that is written beside it"));
  }
  return Gpu{*report, DeviceProduct(chain[0].fields()), *fwid};
}

Result<std::vector<Gpu>> CheckDevices(Appraiser& appraiser, const AppraisalInput& input,
                                      const UnverifiedGpuEvidence& evidence,
                                      const NvidiaGpuPolicy& policy) {
  if (evidence.single.has_value()) {
    AH_RETURN_IF_ERROR(attest::RequireFile(input.files, "cert_chain"));
    if (evidence.single->chain.empty()) return Refuse("cert_chain_is_given", "the file is empty");
  }
  const auto pins = attest::RootPins(policy.roots, kDeviceRoots);
  std::vector<Gpu> out;
  for (const UnverifiedGpu* const device : evidence.Devices()) {
    AH_ASSIGN_OR_RETURN(Gpu gpu, CheckDevice(appraiser, input, *device, pins));
    out.push_back(std::move(gpu));
  }
  if (out.size() > 1) {
    const bool equal = std::all_of(out.begin(), out.end(), [&](const Gpu& gpu) {
      return gpu.report.request_nonce == out[0].report.request_nonce;
    });
    AH_RETURN_IF_ERROR(
        appraiser.Check("nonces_are_equal", equal, "the reports were not asked for together"));
  }
  if (evidence.single.has_value() && !evidence.several.empty()) {
    const bool among = std::any_of(evidence.several.begin(), evidence.several.end(),
                                   [&](const UnverifiedGpu& device) {
                                     return device.report_bytes == evidence.single->report_bytes;
                                   });
    AH_RETURN_IF_ERROR(appraiser.Check("report_is_in_evidence_json", among,
                                       "the report is none of those in evidence_json"));
  }
  return out;
}

// One of the two RIMs against every device. `version` reads what it has to be for from a report.
Result<std::optional<RimFields>> CheckDeviceRim(Appraiser& appraiser, const AppraisalInput& input,
                                                const std::optional<UnverifiedRim>& rim,
                                                const std::string& role, bool required,
                                                std::span<const crypto::Sha256Digest> pins,
                                                std::span<const Gpu> gpus,
                                                std::string (*version)(const SpdmReportFields&)) {
  const std::string prefix = role + "_";
  if (!rim.has_value()) {
    if (required) AH_RETURN_IF_ERROR(attest::RequireFile(input.files, role));
    appraiser.Skip(prefix + "measurements", "no such RIM was given");
    return std::optional<RimFields>();
  }
  if (input.SignaturesOnly()) {
    appraiser.Skip(prefix + "measurements",
                   "no policy was given: what the RIM says, and whether its signatures hold, is "
                   "among the claims and was not judged");
    return std::optional<RimFields>();
  }
  AH_ASSIGN_OR_RETURN(RimFields fields,
                      CheckRim(appraiser, *rim, pins, input.files.Find("rim_root"), prefix));
  for (const Gpu& gpu : gpus) {
    AH_RETURN_IF_ERROR(CheckRimFits(
        appraiser, fields,
        {.product = gpu.product, .version = version(gpu.report), .report = gpu.report}, prefix));
  }
  return std::optional(std::move(fields));
}

// Whether a RIM was compared with the devices.
Result<bool> CheckRims(Appraiser& appraiser, const AppraisalInput& input,
                       const UnverifiedGpuEvidence& evidence, const NvidiaGpuPolicy& policy,
                       std::span<const Gpu> gpus) {
  const auto pins = attest::RootPins(policy.rim_roots, kRimRoots);
  AH_ASSIGN_OR_RETURN(
      const auto driver,
      CheckDeviceRim(appraiser, input, evidence.driver_rim, "driver_rim", policy.require_driver_rim,
                     pins, gpus, [](const SpdmReportFields& report) {
                       return report.Text(GpuField::kDriverVersion);
                     }));
  AH_ASSIGN_OR_RETURN(const auto vbios, CheckDeviceRim(appraiser, input, evidence.vbios_rim,
                                                       "vbios_rim", policy.require_vbios_rim, pins,
                                                       gpus, [](const SpdmReportFields& report) {
                                                         return report.VbiosVersion();
                                                       }));
  if (driver.has_value() && vbios.has_value()) {
    const bool apart = std::none_of(
        driver->active.begin(), driver->active.end(), [&](const RimReference& reference) {
          return std::any_of(vbios->active.begin(), vbios->active.end(),
                             [&](const auto& other) { return other.index == reference.index; });
        });
    AH_RETURN_IF_ERROR(appraiser.Check("rims_own_different_measurements", apart,
                                       "both RIMs say what one measurement has to be"));
  }
  return driver.has_value() || vbios.has_value();
}

Status CheckVersion(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                    const std::optional<std::vector<std::string>>& accepted,
                    const std::string& found) {
  const bool listed = accepted.has_value() && !found.empty() &&
                      std::find(accepted->begin(), accepted->end(), found) != accepted->end();
  return attest::CheckIfSet(
      appraiser, input, name, accepted.has_value(), listed,
      found.empty() ? "the report states none" : "\"" + found + "\" is not listed in the policy");
}

Status CheckRules(Appraiser& appraiser, const AppraisalInput& input, const NvidiaGpuPolicy& policy,
                  std::span<const Gpu> gpus) {
  for (const Gpu& gpu : gpus) {
    AH_RETURN_IF_ERROR(CheckVersion(appraiser, input, "driver_version", policy.driver_versions,
                                    gpu.report.Text(GpuField::kDriverVersion)));
    AH_RETURN_IF_ERROR(CheckVersion(appraiser, input, "vbios_version", policy.vbios_versions,
                                    gpu.report.VbiosVersion()));
    if (input.policy == nullptr) continue;
    AH_RETURN_IF_ERROR(attest::CheckListed(appraiser, input, "measurement",
                                           input.policy->measurements, &gpu.fwid));
  }
  return Ok();
}

}  // namespace

Result<attest::Findings> VerifyNvidiaGpu(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const NvidiaGpuPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(const UnverifiedGpuEvidence evidence, ReadGpuEvidence(input.files));
  const auto rim_pins = attest::RootPins(policy.rim_roots, kRimRoots);
  if (evidence.Devices().empty() && !evidence.rim.has_value()) {
    return Refuse("report_is_given", "no file has the role 'report', 'evidence_json' or 'rim'");
  }
  AH_ASSIGN_OR_RETURN(const std::vector<Gpu> gpus,
                      CheckDevices(appraiser, input, evidence, policy));
  if (evidence.rim.has_value()) {
    AH_RETURN_IF_ERROR(
        CheckRim(appraiser, *evidence.rim, rim_pins, input.files.Find("rim_root"), ""));
  }
  appraiser.Skip("chain_not_revoked",
                 "NVIDIA says over the network alone (OCSP) what is revoked; nobody was asked");

  attest::Findings findings;
  AH_ASSIGN_OR_RETURN(findings.claims, GpuClaims(evidence, rim_pins));
  if (gpus.empty()) return findings;
  AH_ASSIGN_OR_RETURN(const bool compared, CheckRims(appraiser, input, evidence, policy, gpus));
  AH_RETURN_IF_ERROR(CheckRules(appraiser, input, policy, gpus));
  findings.measurement = gpus[0].fwid;
  findings.report_data = gpus[0].report.request_nonce;
  findings.trust.instance_identity = attest::TrustTier::kAffirming;
  findings.trust.hardware = attest::TrustTier::kAffirming;
  if (!compared) {
    findings.warnings.emplace_back(
        "no reference values (RIM) were compared: what the device measured of its driver and VBIOS "
        "was not judged");
  }
  return findings;
}

Result<attest::UnverifiedClaims> ShowNvidiaGpu(const attest::UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const UnverifiedGpuEvidence evidence, ReadGpuEvidence(files));
  AH_ASSIGN_OR_RETURN(attest::Claim claims, GpuClaims(evidence, attest::RootPins({}, kRimRoots)));
  return attest::UnverifiedClaims{std::move(claims)};
}

}  // namespace anchorhold::client
