// The files of NVIDIA devices' evidence, read and not believed.
#pragma once

#include "client/gpu/rim.h"
#include "client/gpu/spdm_report.h"
#include "shared/attest/kind.h"

namespace anchorhold::client {

inline constexpr std::size_t kGpuDevicesMax = 16;

struct UnverifiedGpu {
  UnverifiedSpdmReport report;
  Bytes report_bytes;
  std::vector<crypto::UnverifiedCertificate> chain;  // empty if none was given
  std::optional<Bytes> stated_nonce;                 // of evidence_json's
};

struct UnverifiedGpuEvidence {
  std::optional<UnverifiedGpu> single;  // of report and cert_chain
  std::vector<UnverifiedGpu> several;   // of evidence_json
  std::optional<UnverifiedRim> driver_rim, vbios_rim, rim;

  // All devices, the single one first.
  std::vector<const UnverifiedGpu*> Devices() const;
};

// kInvalidInput, naming the role.
Result<UnverifiedGpuEvidence> ReadGpuEvidence(const attest::UnverifiedFiles& files);

// Everything that the files say; of RIMs also which signatures hold with roots of `rim_pins`.
Result<attest::Claim> GpuClaims(const UnverifiedGpuEvidence& evidence,
                                std::span<const crypto::Sha256Digest> rim_pins);

}  // namespace anchorhold::client
