// A Nitro hypervisor for tests: a root, an intermediate and a signing key of our own, and documents
// that it signs. Every part can be bent before it is made.
#pragma once

#include <map>

#include "shared/attest/kind.h"
#include "shared/attest/nitro_document.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kNitroNow{1'750'000'000};

class NitroPlatform {
 public:
  // There are two, 0 and 1, with keys of their own.
  explicit NitroPlatform(std::size_t which = 0);

  // In DER: the signing key's, the intermediate's, the root's.
  std::vector<Bytes> Certificates() const;
  // The payload's members, each encoded, with certificates as Certificates makes them.
  std::map<std::string, Bytes> Members(const std::vector<Bytes>& certificates) const;
  std::map<std::string, Bytes> Members() const { return Members(Certificates()); }
  static Bytes Payload(const std::map<std::string, Bytes>& members, bool indefinite = false);
  // The document around a payload, signed.
  Bytes Sign(ByteSpan payload) const;
  Bytes Document() const { return Sign(Payload(Members())); }
  // Files by role: document, root.
  std::map<std::string, Bytes> Files() const;
  // Names our root; every rule is set, and holds for the document.
  AppraisalPolicy Policy() const;

  bool tagged = false;
  Bytes protected_header;
  Bytes unprotected_header;  // encoded
  std::uint64_t timestamp_ms;
  std::map<std::uint8_t, Bytes> pcrs;
  std::optional<Bytes> public_key, user_data, nonce;
  crypto::testing::CertificateSpec leaf_spec, intermediate_spec, root_spec;

 private:
  const crypto::testing::TestKey& Key(std::size_t i) const;
  std::size_t which_;
};

// In CBOR.
Bytes CborOf(std::uint64_t number);
Bytes CborOf(std::string_view text);
Bytes CborOf(const std::optional<Bytes>& bytes);
Bytes CborOf(const std::map<std::uint8_t, Bytes>& pcrs);

}  // namespace anchorhold::attest::testing
