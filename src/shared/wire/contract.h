// A contract: what the owner of a dataset allows. TOML, signed by the owner's key; the enclave
// enforces it and the ledger remembers it. Grammar and an example: docs/formats.md.
//
//   version = 1
//   dataset = "cancer-centre"              # 1..64 of [a-z0-9-], a letter or digit first
//   schema_sha256 = "hex"                  # of the schema file
//   public_rows = 200                      # the number of rows that researchers are told
//   expires = "2027-01-31T00:00:00Z"
//   [privacy]
//   unit = "row"
//   epsilon = 3.0                          # of everything ever released, composed, at delta
//   delta = 1e-4                           # in (0, 1) and below 1/public_rows
//   [enclave]                              # who may open the data: nothing set is an error
//   platforms = ["insecure-simulated"]
//   measurements = ["hex"]                 # 32 to 64 bytes each
//   [[grant]]                              # one for each researcher; there may be none
//   researcher = "hex fingerprint"
//   purposes = ["train"]                   # the only purpose yet
//   epsilon = 1.5                          # of everything released to this researcher
//
// An unknown key, a missing key, a repeated entry or a value out of range is an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/strong.h"
#include "shared/crypto/signature.h"

namespace anchorhold::wire {

struct Grant {
  crypto::KeyFingerprint researcher;
  std::vector<std::string> purposes;  // "train"
  Epsilon epsilon;
};

struct Contract {
  std::string dataset;
  crypto::Sha256Digest schema_sha256;
  std::uint64_t public_rows = 0;
  UnixSeconds expires;
  Epsilon epsilon;
  Delta delta;
  std::vector<std::string> platforms;  // attest::PlatformName
  std::vector<Bytes> measurements;
  std::vector<Grant> grants;  // may be empty: stored, but nobody may use it yet
};

inline constexpr std::string_view kContractSignatureContext = "anchorhold contract v1";

// Reads the text; judges neither signature nor expiry. kInvalidInput naming line and key;
// kPrivacyRefused if delta is not below 1/public_rows; kUnsupported for another version.
Result<Contract> ParseContract(ByteSpan toml);

// The signature is checked before the text is read: kIntegrity if it is not `owner`'s over exactly
// these bytes; then ParseContract's errors; kPermissionDenied if the contract has expired at `now`
// (it expires with the second that it names).
Result<Contract> AcceptContract(ByteSpan toml, const crypto::Ed25519PublicKey& owner,
                                const crypto::Ed25519Signature& signature, UnixSeconds now);

// The signature file beside a contract, CONTRACT.sig: two lines of text,
//   key = "hex of the 32-byte Ed25519 public key"
//   signature = "hex of the 64-byte signature"
struct ContractSignature {
  crypto::Ed25519PublicKey key;
  crypto::Ed25519Signature signature;
};
std::string FormatContractSignature(const ContractSignature& signature);
Result<ContractSignature> ParseContractSignature(ByteSpan toml);

// A dataset is sealed for one owner and one contract: its plaintext says so in its metadata, under
// this key, as
//   hex of SHA-256("anchorhold sealed for v1" 0x00 owner's key(32) contract's text)
// Without it, whoever sees the ciphertext pass (the host does) could hold it back and have it
// uploaded under a contract of somebody else's.
inline constexpr std::string_view kSealedForMetadataKey = "sealed_for";
std::string SealedForValue(const crypto::Ed25519PublicKey& owner, ByteSpan contract_text);

// Names of datasets: 1..64 of [a-z0-9-], a letter or digit first. kInvalidInput otherwise.
Status CheckName(std::string_view name);

}  // namespace anchorhold::wire
