// Hashes, signatures and public keys as a TPM writes them (TCG "Trusted Platform Module Library",
// part 2: TPM_ALG_ID, TPMT_SIGNATURE, TPMT_PUBLIC). Integers big-endian; a TPM2B is a size of two
// bytes and as many bytes.
//
//   TPMT_SIGNATURE = scheme(2) hash(2) TPM2B signature             scheme 0x14 RSASSA, 0x16 RSAPSS
//                  / scheme(2) hash(2) TPM2B r, TPM2B s            scheme 0x18 ECDSA
//   TPMT_PUBLIC    = type(2) name hash(2) attributes(4) TPM2B policy, symmetric(2: none)
//                    scheme [hash(2)]                              scheme 0x10: none, without a
//                    hash bits(2) exponent(4) TPM2B modulus             type 0x01 RSA, exponent 0:
//                    65537
//                  / curve(2) kdf(2: none) TPM2B x, TPM2B y        type 0x23 ECC
#pragma once

#include <optional>

#include "shared/attest/claims.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::attest {

enum class Tpm2Hash : std::uint16_t {
  kSha1 = 0x0004,  // forgeable; what is judged by it is written down as such
  kSha256 = 0x000b,
  kSha384 = 0x000c,
  kSha512 = 0x000d,
};
std::string_view Tpm2HashName(Tpm2Hash hash);  // "sha256"
Result<Tpm2Hash> ParseTpm2Hash(std::string_view name);
Result<Tpm2Hash> Tpm2HashFromId(std::uint16_t id);
std::size_t Tpm2HashBytes(Tpm2Hash hash);
Bytes Tpm2Digest(Tpm2Hash hash, ByteSpan data);

enum class Tpm2Scheme : std::uint16_t { kRsassa = 0x0014, kRsapss = 0x0016, kEcdsa = 0x0018 };

class Tpm2Signature {
 public:
  // A TPMT_SIGNATURE and nothing after it.
  static Result<Tpm2Signature> Parse(ByteSpan bytes);
  // A bare RSASSA signature, as some services hand it over.
  static Tpm2Signature Rsassa(Tpm2Hash hash, ByteSpan signature);

  Tpm2Scheme scheme() const { return scheme_; }
  Tpm2Hash hash() const { return hash_; }
  // kIntegrity unless `key` signed `message` like that. SHA-1 is judged for RSASSA alone.
  Status Verify(const crypto::PublicKey& key, ByteSpan message) const;
  // {"scheme": "RSASSA", "hash": "sha256", "length": 262}
  Claim ToClaim() const;

 private:
  Tpm2Signature() = default;
  Tpm2Scheme scheme_ = Tpm2Scheme::kRsassa;
  Tpm2Hash hash_ = Tpm2Hash::kSha256;
  std::size_t size_ = 0;
  Bytes first_, second_;  // the signature, or r and s
};

// A public key with what its TPM says about it. The TPM signs no statement of its own here: what it
// says is as good as the reason to trust the key.
struct Tpm2Public {
  crypto::PublicKey key;
  Tpm2Hash name_hash = Tpm2Hash::kSha256;
  std::uint32_t attributes = 0;
  std::optional<Tpm2Scheme> scheme;  // nothing: any that the key's type allows
  std::optional<Tpm2Hash> scheme_hash;
  std::size_t bits = 0;
  Bytes name;  // name hash(2) || hash(TPMT_PUBLIC)

  // The key was made in its TPM and stays there, signs, and signs nothing but what that TPM made
  // itself.
  bool IsAttestationKey() const {
    return Attribute(1) && Attribute(5) && Attribute(16) && !Attribute(17) && Attribute(18);
  }
  bool Attribute(int bit) const { return (attributes >> bit & 1) != 0; }
};
// A TPMT_PUBLIC and nothing after it. kUnsupported for keys that cannot sign quotes.
Result<Tpm2Public> ParseTpm2Public(ByteSpan bytes);
Claim Tpm2PublicClaims(const Tpm2Public& fields);

}  // namespace anchorhold::attest
