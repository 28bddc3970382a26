// The report that the paravisor of an Azure confidential VM (HCL) leaves in the virtual TPM's index
// 0x01400001: the hardware's report, and the JSON that its report data is the hash of. Integers
// little-endian.
//
//   0 "HCLA" version(4: 1, 2) report size(4) request type(4: 2) status(4: 0) zeros(12)
//   32 hardware report(1184): SNP's report, or a TDREPORT of 1024 bytes and zeros
//   1216 data size(4) version(4: 1) report type(4: 2 SNP, 4 TDX) hash(4: 1 SHA-256) claims size(4)
//   1236 runtime claims, and zeros to the end
//
// report size = 32 + 1184 + data size; data size = 20 + claims size. The runtime claims:
//
//   {"keys": [{"kid": "HCLAkPub", "kty": "RSA", "n": base64url, "e": base64url, ...}, ...],
//    "vm-configuration": {"secure-boot": true, ...}, "user-data": hex}
#pragma once

#include <optional>

#include "shared/attest/claims.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::attest {

enum class HclReportType : std::uint32_t { kSnp = 2, kTdx = 4 };

struct HclReport {
  std::uint32_t version = 0;
  std::uint32_t report_bytes = 0;
  HclReportType type = HclReportType::kSnp;
  Bytes hardware_report;  // 1184 bytes of SNP, 1024 of TDX
  Bytes runtime_claims;
  std::size_t trailing_bytes = 0;

  // What the hardware's report data has to be: SHA-256 of the claims, and 32 zeros.
  Bytes ExpectedReportData() const;
};

struct HclRuntimeClaims {
  crypto::PublicKey ak;  // HCLAkPub: the attestation key of the virtual TPM
  std::vector<std::string> key_ids;
  Claim vm_configuration = Claim::Null();
  std::optional<bool> secure_boot;
  std::optional<std::string> user_data;
};

// Nothing in either is signed: who signs is the hardware, over a hash of the second.
Result<HclReport> ParseHclReport(ByteSpan bytes);
Result<HclRuntimeClaims> ParseHclRuntimeClaims(ByteSpan json);

// Adds hcl_header, runtime_data and runtime_claims to a map.
void AddHclClaims(Claim& to, const HclReport& report, const HclRuntimeClaims& claims);

}  // namespace anchorhold::attest
