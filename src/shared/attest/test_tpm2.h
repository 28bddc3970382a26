// A TPM 2.0 for tests: an attestation key of our own with a certificate up to a root of our own,
// registers, a log of what extended them, and quotes. Every part can be bent before it is made.
#pragma once

#include <map>

#include "shared/attest/kind.h"
#include "shared/attest/tpm2_attest.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kTpmNow{1'750'000'000};

// One event of a log: of which register, of which type, by what.
struct TpmEvent {
  std::uint32_t pcr = 0;
  std::uint32_t type = 0;
  Bytes data;
};
// In the crypto-agile form, with digests for SHA-1 and SHA-256 of the data; in the old one, for
// SHA-1.
Bytes AgileLog(const std::vector<TpmEvent>& events);
Bytes OldLog(const std::vector<TpmEvent>& events);

class Tpm {
 public:
  // There are two of each, 0 and 1, with keys of their own.
  explicit Tpm(Tpm2Scheme scheme = Tpm2Scheme::kRsassa, std::size_t which = 0);

  // The statement as the members below have it.
  Bytes Attest() const;
  // Signed as `scheme` and `hash` say.
  Bytes Sign(ByteSpan attest) const;
  Bytes Public() const;  // TPMT_PUBLIC
  Bytes Pcrs() const;    // JSON
  // Files by role: attest, signature, ak_public_spki, ak_public_tpmt, pcrs, event_log, ak_cert,
  // ak_cert_intermediate, ak_cert_root, ak_crl.
  std::map<std::string, Bytes> Files() const;
  // Files of an earlier call with all but certificates anew.
  std::map<std::string, Bytes> WithQuote(std::map<std::string, Bytes> files) const;
  // Names our root; every rule is set, and holds for the quote.
  AppraisalPolicy Policy() const;

  const crypto::testing::TestKey& ak() const;
  const crypto::testing::TestKey& root() const;

  Tpm2Scheme scheme;
  Tpm2Hash hash = Tpm2Hash::kSha256;
  bool longest_salt = false;  // of RSAPSS
  std::uint32_t magic = kTpm2Magic;
  Tpm2AttestType type = Tpm2AttestType::kQuote;
  Bytes extra_data;
  Bytes object_name;  // of statements that are no quotes
  std::vector<Tpm2PcrSelection> selections;
  std::map<Tpm2Hash, std::map<std::uint8_t, Bytes>> values;
  std::vector<TpmEvent> events;
  std::uint32_t attributes = 0x00050072;
  bool any_scheme = false;  // the public area names none
  crypto::testing::CertificateSpec ak_spec, intermediate_spec, root_spec;
  crypto::testing::RevocationListSpec crl_spec;

 private:
  const crypto::testing::TestKey& Authority(std::size_t i) const;
  std::size_t which_;
};

}  // namespace anchorhold::attest::testing
