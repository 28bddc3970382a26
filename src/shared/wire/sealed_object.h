// Sealed objects: how data rests outside the enclave. Only the holder of the recipient's private
// key reads it, and truncation, reordering, swapping and any flipped bit are detected.
//
//   object     = header chunk+                      all but the last are full; an empty plaintext
//   is
//                                                   one empty chunk
//   header     = magic(8) version(u16) content(u8) chunk_bytes(u32) plaintext_bytes(u64)
//                recipient(32) encapsulation(32) wrapped_key(48)            135 bytes
//   magic      = "AHSEALED"
//   recipient  = SHA-256 of the HPKE public key
//   wrapped_key= HPKE(recipient, info = "anchorhold sealed object v1", aad = header up to and
//                including `recipient`, a fresh 32-byte data key)
//   chunk i    = AES-256-GCM(data key, nonce = 0^7 || u32 i || u8 last, aad = SHA-256(header))
//                of at most chunk_bytes bytes of plaintext, followed by its 16-byte tag
//   object id  = SHA-256(header || tag_0 || tag_1 || ...)
// Integers are big-endian; version is 1; chunk_bytes is 1..limits::kChunkBytesMax; the whole object
// has at most limits::kObjectBytesMax bytes. The nonces are STREAM's (Hoang, Reyhanitabar, Rogaway,
// Vizar 2015): `last` is 1 for the last chunk. The data key is used for one object only.
#pragma once

#include <memory>

#include "shared/crypto/hash.h"
#include "shared/crypto/hpke.h"
#include "shared/crypto/secret.h"

namespace anchorhold::wire {

using ObjectId = FixedBytes<struct ObjectIdTag, 32>;

enum class Content : std::uint8_t { kDataset = 1, kWeights = 2, kModel = 3 };

inline constexpr std::size_t kSealedHeaderBytes = 135;

struct SealedHeader {
  Content content = Content::kDataset;
  std::uint32_t chunk_bytes = 0;
  std::uint64_t plaintext_bytes = 0;
  FixedBytes<struct RecipientTag, 32> recipient;
  crypto::HpkeEncapsulation encapsulation;
  FixedBytes<struct WrappedKeyTag, 48> wrapped_key;

  std::uint64_t chunk_count() const;
  // Sizes of chunk `index` with and without its tag.
  std::size_t PlaintextBytesOf(std::uint64_t index) const;
  std::size_t SealedBytesOf(std::uint64_t index) const;
  std::uint64_t ObjectBytes() const;
};
// `header` is exactly kSealedHeaderBytes. Checks magic, version, content, chunk size and the limit
// on the object; not the key.
Result<SealedHeader> ParseSealedHeader(ByteSpan header);

// Seals chunk by chunk: header() first, then SealNext for every chunk in order, then id().
class ObjectSealer {
 public:
  static Result<ObjectSealer> Create(const crypto::HpkePublicKey& recipient, Content content,
                                     std::uint64_t plaintext_bytes,
                                     std::uint32_t chunk_bytes = 1 << 20);
  const Bytes& header() const { return header_bytes_; }
  const SealedHeader& layout() const { return header_; }
  // The next chunk with its tag. Precondition: exactly PlaintextBytesOf(next index) bytes, and
  // there is a next chunk.
  Bytes SealNext(ByteSpan plaintext);
  // Once. Precondition: every chunk has been sealed.
  ObjectId Finish();

 private:
  ObjectSealer(const SealedHeader& header, Bytes header_bytes, crypto::SecretBytes key);
  SealedHeader header_;
  Bytes header_bytes_;
  crypto::SecretBytes key_;
  crypto::Sha256Digest header_hash_;
  std::unique_ptr<crypto::Sha256Hasher> id_hasher_;
  std::uint64_t next_ = 0;
};

// Opens chunk by chunk, in order. Every failure is kIntegrity (for a header that is none, what
// ParseSealedHeader says) and gives no plaintext; after one, every further call fails.
class ObjectOpener {
 public:
  static Result<ObjectOpener> Create(const crypto::HpkePrivateKey& recipient, Content content,
                                     ByteSpan header);
  const SealedHeader& layout() const { return header_; }
  Result<Bytes> OpenNext(ByteSpan chunk);
  // Once, after the last chunk: the object's id. kIntegrity if chunks are missing.
  Result<ObjectId> Finish();

 private:
  ObjectOpener(const SealedHeader& header, ByteSpan header_bytes, crypto::SecretBytes key);
  SealedHeader header_;
  crypto::SecretBytes key_;
  crypto::Sha256Digest header_hash_;
  std::unique_ptr<crypto::Sha256Hasher> id_hasher_;
  std::uint64_t next_ = 0;
  bool failed_ = false;
};

// Whole objects in memory.
struct SealedObject {
  Bytes bytes;
  ObjectId id;
};
Result<SealedObject> SealObject(const crypto::HpkePublicKey& recipient, Content content,
                                ByteSpan plaintext);
// kIntegrity also if the object is not the one that bears `id`.
Result<Bytes> OpenObject(const crypto::HpkePrivateKey& recipient, Content content,
                         const ObjectId& id, ByteSpan object);

}  // namespace anchorhold::wire
