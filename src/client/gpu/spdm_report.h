// Attestation reports of NVIDIA GPUs and switches: one exchange of SPDM 1.1 (DMTF DSP0274), the
// request and the device's answer to it, one after the other. Integers are little-endian.
//
//   report   = request response
//   request  = 11 e0 param1(u8) param2(u8) nonce(32) slot(u8)                  GET_MEASUREMENTS
//   response = 11 60 param1(u8) param2(u8) blocks(u8) record_size(u24) record  MEASUREMENTS
//              nonce(32) opaque_size(u16) opaque signature(96)
//   record   = block*           block = index(u8) 01 size(u16) type(u8) value_size(u16) value
//   opaque   = field*           field = type(u16) size(u16) value
//
// Signed with ECDSA P-384 over SHA-384 (r || s, big-endian): everything before the signature.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "shared/attest/claims.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::client {

inline constexpr std::size_t kSpdmNonceBytes = 32;
inline constexpr std::size_t kSpdmSignatureBytes = 96;

// Types of opaque fields that have a meaning here.
enum class GpuField : std::uint16_t {
  kDriverVersion = 3,
  kVbiosVersion = 6,
  kNvdec0Status = 11,
  kBoardId = 14,
  kChipSku = 15,
  kChipSkuMod = 16,
  kProject = 17,
  kProjectSku = 18,
  kFwid = 20,
  kSwitchPdi = 22,
};

struct SpdmReportFields {
  std::uint8_t request_param1 = 0, request_param2 = 0, slot = 0;
  Bytes request_nonce, response_nonce;
  std::size_t record_size = 0, opaque_size = 0;
  std::map<std::uint8_t, Bytes> measurements;          // by index
  std::map<std::uint16_t, std::vector<Bytes>> opaque;  // by type; in the order of the report

  // The first field of that type; null if there is none.
  const Bytes* Find(GpuField type) const;
  // ASCII up to the first zero byte; empty if there is none.
  std::string Text(GpuField type) const;
  // "96.00.9F.00.01"; empty if there is none. A GPU's has 8 bytes: a little-endian number of four,
  // then one, then zeros. A switch writes text.
  std::string VbiosVersion() const;
};

class UnverifiedSpdmReport {
 public:
  // kInvalidInput unless the bytes are exactly one report.
  static Result<UnverifiedSpdmReport> Parse(ByteSpan bytes);
  // To show, and to choose by; never to believe.
  const SpdmReportFields& unverified() const { return fields_; }
  // kIntegrity unless the report is signed with that key.
  Result<SpdmReportFields> VerifiedBy(const crypto::PublicKey& key) const;

 private:
  SpdmReportFields fields_;
  Bytes signed_;
  Bytes signature_;
};

attest::Claim SpdmReportClaims(const SpdmReportFields& fields);

}  // namespace anchorhold::client
