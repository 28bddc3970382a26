// Collateral as Intel's provisioning certification service gives it:
//
//   {"NAME": {...}, "signature": "128 hexadecimal digits"}      NAME: tcbInfo, enclaveIdentity
//
// The signature (r, then s, big-endian) is ECDSA P-256 with SHA-256 over the bytes of NAME's value
// as they stand in the file, and what is read is parsed from those bytes.
#pragma once

#include "shared/base/clock.h"
#include "shared/crypto/public_key.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {

inline constexpr std::size_t kIntelDocumentBytesMax = 256 * 1024;

// Made only by UnverifiedIntelDocument::VerifiedBy.
class VerifiedIntelDocument {
 public:
  const wire::JsonValue& value() const { return value_; }

 private:
  friend class UnverifiedIntelDocument;
  explicit VerifiedIntelDocument(wire::JsonValue value) : value_(std::move(value)) {}
  wire::JsonValue value_;
};

class UnverifiedIntelDocument {
 public:
  static Result<UnverifiedIntelDocument> Parse(ByteSpan bytes, std::string_view name);
  // kIntegrity unless the key signed the value.
  Result<VerifiedIntelDocument> VerifiedBy(const crypto::PublicKey& key) const;

 private:
  UnverifiedIntelDocument() = default;
  Bytes signed_, signature_;
};

// Readers of members of such documents. Errors name the member.
Result<Bytes> ReadJsonHex(const wire::JsonValue& object, std::string_view name, std::size_t size);
Result<UnixSeconds> ReadJsonTime(const wire::JsonValue& object, std::string_view name);
// From 0 to `max`.
Result<std::uint32_t> ReadJsonNumber(const wire::JsonValue& object, std::string_view name,
                                     std::uint32_t max);

}  // namespace anchorhold::attest
