// A certificate authority for tests: keys, certificates and revocation lists, good ones and bad.
#pragma once

#include <memory>

#include "shared/crypto/certificate.h"

namespace anchorhold::crypto::testing {

class TestKey {
 public:
  static TestKey Generate(KeyType type);  // RSA: 2048 bits
  PublicKey public_key() const;
  // r || s, big-endian, each of the curve's length. Precondition: a curve's key.
  Bytes SignEcdsa(HashName hash, ByteSpan message) const;
  // kPssAnySalt: with the longest salt.
  Bytes SignRsa(RsaPadding padding, HashName hash, ByteSpan message) const;
  Bytes SignRsaOverInsecureSha1(ByteSpan message) const;
  // libcrypto's EVP_PKEY.
  void* native() const { return key_.get(); }

 private:
  explicit TestKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;
};

struct CertificateSpec {
  std::string subject = "leaf";  // common names
  std::string issuer = "issuer";
  std::uint32_t serial = 1;
  UnixSeconds not_before{1'700'000'000};
  UnixSeconds not_after{1'800'000'000};
  bool ca = false;  // basic constraints, and key usage unless that is said otherwise
  int path_length = -1;
  std::string key_usage = "";  // "critical,keyCertSign,cRLSign"; empty: as `ca` has it; "-": none
  std::vector<CertificateExtension> extensions = {};
  bool pss = false;   // of RSA issuers
  bool sha1 = false;  // instead of SHA-384
};
// In DER, for `subject`'s key, signed by `issuer`'s.
Bytes MakeCertificate(const CertificateSpec& spec, const TestKey& subject, const TestKey& issuer);

struct RevocationListSpec {
  std::string issuer = "issuer";
  UnixSeconds this_update{1'700'000'000};
  UnixSeconds next_update{1'800'000'000};
  bool has_next_update = true;
  std::vector<std::uint32_t> serials = {};
  bool critical_extension = false;  // as a partial list has one
  bool sha1 = false;
};
Bytes MakeRevocationList(const RevocationListSpec& spec, const TestKey& issuer);

std::string ToPem(ByteSpan der, std::string_view label);

}  // namespace anchorhold::crypto::testing
