#include "client/gpu/nvidia_evidence.h"

#include <algorithm>

#include "client/gpu/device_certificate.h"
#include "client/gpu/nvidia_rims.h"
#include "shared/base/base64.h"
#include "shared/base/limits.h"
#include "shared/crypto/certificate_chain.h"
#include "shared/wire/json.h"

namespace anchorhold::client {
namespace {

using attest::Claim;

Result<UnverifiedGpu> ReadDevice(ByteSpan report, ByteSpan chain) {
  auto parsed = UnverifiedSpdmReport::Parse(report);
  if (!parsed.ok()) return parsed.error().At("report");
  UnverifiedGpu out{std::move(*parsed), CopyBytes(report), {}, std::nullopt};
  if (chain.empty()) return out;
  auto certificates = crypto::ReadCertificates(chain, crypto::kChainLengthMax);
  if (!certificates.ok()) return certificates.error().At("cert_chain");
  out.chain = std::move(*certificates);
  return out;
}

// [{"arch": "HOPPER", "certificate": base64 of PEM, "evidence": base64, "nonce": hex}, ...]
Result<std::vector<UnverifiedGpu>> ReadSeveral(ByteSpan text) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue json,
                      wire::ParseJson(text, limits::kEvidenceFileBytesMax));
  AH_ASSIGN_OR_RETURN(const auto entries, json.Array());
  if (entries.empty() || entries.size() > kGpuDevicesMax) {
    return InvalidInput("1 to " + std::to_string(kGpuDevicesMax) + " devices are expected");
  }
  std::vector<UnverifiedGpu> out;
  for (const wire::JsonValue& entry : entries) {
    AH_ASSIGN_OR_RETURN(const std::string_view evidence, entry.String("evidence"));
    AH_ASSIGN_OR_RETURN(const Bytes report, DecodeBase64(evidence, Base64::kStandard));
    AH_ASSIGN_OR_RETURN(const std::string_view certificate, entry.String("certificate"));
    AH_ASSIGN_OR_RETURN(const Bytes chain, DecodeBase64(certificate, Base64::kStandard));
    if (chain.empty()) return InvalidInput("a device without certificates");
    AH_ASSIGN_OR_RETURN(UnverifiedGpu device, ReadDevice(report, chain));
    AH_ASSIGN_OR_RETURN(const std::string_view nonce, entry.String("nonce"));
    AH_ASSIGN_OR_RETURN(device.stated_nonce, FromHex(nonce));
    out.push_back(std::move(device));
  }
  return out;
}

Status ReadRim(const attest::UnverifiedFiles& files, const char* role,
               std::optional<UnverifiedRim>& out) {
  const Bytes* const bytes = files.Find(role);
  if (bytes == nullptr) return Ok();
  auto rim = UnverifiedRim::Parse(*bytes);
  if (!rim.ok()) return rim.error().At(role);
  out = std::move(*rim);
  return Ok();
}

Claim Serial(const UnverifiedGpu& device) {
  return device.chain.empty() ? Claim::Null()
                              : Claim::Hex(device.chain.front().unverified().serial);
}

Claim Subject(const UnverifiedGpu& device) {
  return device.chain.empty() ? Claim::Null()
                              : Claim::Text(DeviceSubject(device.chain.front().unverified()));
}

Claim LeafFwid(const UnverifiedGpu& device) {
  if (device.chain.empty()) return Claim::Null();
  const auto fwid = DeviceFwid(device.chain.front().unverified());
  return fwid.ok() ? Claim::Hex(*fwid) : Claim::Null();
}

}  // namespace

std::vector<const UnverifiedGpu*> UnverifiedGpuEvidence::Devices() const {
  std::vector<const UnverifiedGpu*> out;
  if (single.has_value()) out.push_back(&*single);
  for (const UnverifiedGpu& device : several) out.push_back(&device);
  return out;
}

Result<UnverifiedGpuEvidence> ReadGpuEvidence(const attest::UnverifiedFiles& files) {
  UnverifiedGpuEvidence out;
  if (const Bytes* const report = files.Find("report")) {
    const Bytes* const chain = files.Find("cert_chain");
    AH_ASSIGN_OR_RETURN(out.single, ReadDevice(*report, chain == nullptr ? ByteSpan() : *chain));
  }
  if (const Bytes* const text = files.Find("evidence_json")) {
    auto several = ReadSeveral(*text);
    if (!several.ok()) return several.error().At("evidence_json");
    out.several = std::move(*several);
  }
  AH_RETURN_IF_ERROR(ReadRim(files, "driver_rim", out.driver_rim));
  AH_RETURN_IF_ERROR(ReadRim(files, "vbios_rim", out.vbios_rim));
  AH_RETURN_IF_ERROR(ReadRim(files, "rim", out.rim));
  return out;
}

Result<Claim> GpuClaims(const UnverifiedGpuEvidence& evidence,
                        std::span<const crypto::Sha256Digest> rim_pins) {
  Claim out = Claim::Map();
  const SpdmReportFields* report = nullptr;
  if (evidence.single.has_value()) {
    report = &evidence.single->report.unverified();
    out = SpdmReportClaims(*report);
    out.Add("leaf_subject", Subject(*evidence.single))
        .Add("leaf_serial", Serial(*evidence.single))
        .Add("leaf_fwid", LeafFwid(*evidence.single));
  }
  if (!evidence.several.empty()) {
    Claim nonces = Claim::List(), serials = Claim::List(), pdis = Claim::List();
    Claim fwids = Claim::List();
    for (const UnverifiedGpu& device : evidence.several) {
      const SpdmReportFields& fields = device.report.unverified();
      nonces.Add(Claim::Hex(fields.request_nonce));
      serials.Add(Serial(device));
      fwids.Add(LeafFwid(device));
      const Bytes* const pdi = fields.Find(GpuField::kSwitchPdi);
      pdis.Add(pdi == nullptr ? Claim::Null() : Claim::Hex(*pdi));
    }
    out.Add("nonces", std::move(nonces))
        .Add("leaf_serials", std::move(serials))
        .Add("leaf_fwids", std::move(fwids))
        .Add("switch_pdi_field22", std::move(pdis));
  }
  Claim rims = Claim::Map();
  for (const auto& [role, rim] : {std::pair("driver_rim", &evidence.driver_rim),
                                  std::pair("vbios_rim", &evidence.vbios_rim)}) {
    if (!rim->has_value()) continue;
    AH_ASSIGN_OR_RETURN(Claim claims, RimClaims(**rim, rim_pins, report));
    rims.Add(role, std::move(claims));
  }
  if (!rims.members().empty()) out.Add("rims", std::move(rims));
  if (evidence.rim.has_value()) {
    AH_ASSIGN_OR_RETURN(Claim claims, RimClaims(*evidence.rim, rim_pins, nullptr));
    out.Add("rim", std::move(claims));
  }
  return out;
}

}  // namespace anchorhold::client
