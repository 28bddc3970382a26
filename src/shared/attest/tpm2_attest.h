// What a TPM states and signs (TCG "Trusted Platform Module Library", part 2, TPMS_ATTEST).
// Integers big-endian; a TPM2B is a size of two bytes and as many bytes.
//
//   magic(4) type(2) TPM2B qualified signer, TPM2B extra data
//   clock(8) reset count(4) restart count(4) safe(1) firmware version(8), then
//   0x8018 quote:    count(4), of each bank hash(2) size(1) bit map, TPM2B PCR digest
//   0x8017 certify:  TPM2B name, TPM2B qualified name
//   0x801a creation: TPM2B object name, TPM2B creation hash
//
// PCR n is bit n % 8 of byte n / 8 of the bit map. The extra data is what whoever asked gave along.
#pragma once

#include "shared/attest/tpm2_key.h"

namespace anchorhold::attest {

inline constexpr std::uint32_t kTpm2Magic = 0xff544347;  // only a TPM writes it before it signs
inline constexpr std::uint8_t kTpm2Pcrs = 24;

enum class Tpm2AttestType : std::uint16_t {
  kCertify = 0x8017,
  kQuote = 0x8018,
  kCreation = 0x801a
};
std::string_view Tpm2AttestTypeName(Tpm2AttestType type);  // "QUOTE"

struct Tpm2PcrSelection {
  Tpm2Hash bank = Tpm2Hash::kSha256;
  std::vector<std::uint8_t> pcrs;  // ascending
};

struct Tpm2AttestFields {
  std::uint32_t magic = 0;
  Tpm2AttestType type = Tpm2AttestType::kQuote;
  Bytes qualified_signer, extra_data;
  std::uint64_t clock = 0;
  std::uint32_t reset_count = 0, restart_count = 0;
  bool safe = false;
  std::uint64_t firmware_version = 0;
  // Of a quote; each bank once.
  std::vector<Tpm2PcrSelection> selections;
  Bytes pcr_digest;
  // Of the others.
  Bytes object_name, object_detail;
};

class UnverifiedTpm2Attest {
 public:
  // kInvalidInput, kUnsupported (other types and hashes). Any magic is taken: it is judged once the
  // signature holds.
  static Result<UnverifiedTpm2Attest> Parse(ByteSpan bytes);
  const Tpm2AttestFields& unverified() const { return fields_; }
  // The fields, if the key signed them; otherwise kIntegrity.
  Result<Tpm2AttestFields> VerifiedBy(const crypto::PublicKey& key,
                                      const Tpm2Signature& signature) const;

 private:
  UnverifiedTpm2Attest() = default;
  Tpm2AttestFields fields_;
  Bytes bytes_;
};

Claim Tpm2AttestClaims(const Tpm2AttestFields& fields);

}  // namespace anchorhold::attest
