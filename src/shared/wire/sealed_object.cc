#include "shared/wire/sealed_object.h"

#include <algorithm>

#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/crypto/aead.h"
#include "shared/crypto/random.h"

namespace anchorhold::wire {
namespace {

constexpr std::string_view kMagic = "AHSEALED";
constexpr std::uint16_t kVersion = 1;
constexpr std::string_view kWrapInfo = "anchorhold sealed object v1";

template <typename Tag, std::size_t kSize>
Status ReadInto(ByteReader& r, FixedBytes<Tag, kSize>& out) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, r.ReadBytes(kSize));
  AH_ASSIGN_OR_RETURN(out, (FixedBytes<Tag, kSize>::From(bytes)));
  return Ok();
}

// Everything ahead of the encapsulation: what the key wrapping authenticates.
Bytes WrappedHeaderPart(const SealedHeader& h) {
  ByteWriter w;
  w.WriteBytes(AsBytes(kMagic));
  w.WriteU16(kVersion);
  w.WriteU8(static_cast<std::uint8_t>(h.content));
  w.WriteU32(h.chunk_bytes);
  w.WriteU64(h.plaintext_bytes);
  w.WriteBytes(h.recipient.span());
  return std::move(w).Take();
}

Status CheckLimits(const SealedHeader& h) {
  if (h.chunk_bytes < 1 || h.chunk_bytes > limits::kChunkBytesMax) {
    return LimitExceeded("sealed object: chunks of " + std::to_string(h.chunk_bytes) +
                         " bytes; allowed are 1 to " + std::to_string(limits::kChunkBytesMax));
  }
  // The plaintext alone first: with it bounded, ObjectBytes cannot overflow.
  if (h.plaintext_bytes > limits::kObjectBytesMax || h.ObjectBytes() > limits::kObjectBytesMax) {
    return LimitExceeded("sealed object: larger than the limit of " +
                         std::to_string(limits::kObjectBytesMax) + " bytes");
  }
  return Ok();
}

crypto::AeadNonce ChunkNonce(std::uint64_t index, bool last) {
  crypto::AeadNonce nonce;  // 0^7 || u32 index || u8 last
  for (std::size_t i = 0; i < 4; ++i) {
    nonce.value[7 + i] = static_cast<std::byte>((index >> (24 - 8 * i)) & 0xff);
  }
  nonce.value[11] = static_cast<std::byte>(last ? 1 : 0);
  return nonce;
}

std::unique_ptr<crypto::Sha256Hasher> StartId(ByteSpan header_bytes) {
  auto hasher = std::make_unique<crypto::Sha256Hasher>();
  hasher->Update(header_bytes);
  return hasher;
}

ObjectId FinishId(crypto::Sha256Hasher& hasher) { return ObjectId{hasher.Finish().value}; }

FixedBytes<RecipientTag, 32> RecipientOf(const crypto::HpkePublicKey& key) {
  return {crypto::Sha256(key.span()).value};
}

}  // namespace

std::uint64_t SealedHeader::chunk_count() const {
  if (plaintext_bytes == 0) return 1;
  return (plaintext_bytes - 1) / chunk_bytes + 1;
}

std::size_t SealedHeader::PlaintextBytesOf(std::uint64_t index) const {
  AH_CHECK(index < chunk_count());
  return std::min<std::uint64_t>(chunk_bytes, plaintext_bytes - index * chunk_bytes);
}

std::size_t SealedHeader::SealedBytesOf(std::uint64_t index) const {
  return PlaintextBytesOf(index) + crypto::kAeadTagBytes;
}

std::uint64_t SealedHeader::ObjectBytes() const {
  return kSealedHeaderBytes + plaintext_bytes + chunk_count() * crypto::kAeadTagBytes;
}

Result<SealedHeader> ParseSealedHeader(ByteSpan header) {
  if (header.size() != kSealedHeaderBytes || AsText(header.first(kMagic.size())) != kMagic) {
    return InvalidInput("not a sealed object: the header is truncated or another format's");
  }
  ByteReader r(header.subspan(kMagic.size()));
  AH_ASSIGN_OR_RETURN(const std::uint16_t version, r.ReadU16());
  if (version != kVersion) {
    return Unsupported("sealed object: format version " + std::to_string(version) +
                       "; this program reads version 1");
  }
  SealedHeader h;
  AH_ASSIGN_OR_RETURN(const std::uint8_t content, r.ReadU8());
  if (content < static_cast<std::uint8_t>(Content::kDataset) ||
      content > static_cast<std::uint8_t>(Content::kModel)) {
    return InvalidInput("sealed object: unknown content " + std::to_string(content));
  }
  h.content = static_cast<Content>(content);
  AH_ASSIGN_OR_RETURN(h.chunk_bytes, r.ReadU32());
  AH_ASSIGN_OR_RETURN(h.plaintext_bytes, r.ReadU64());
  AH_RETURN_IF_ERROR(ReadInto(r, h.recipient));
  AH_RETURN_IF_ERROR(ReadInto(r, h.encapsulation));
  AH_RETURN_IF_ERROR(ReadInto(r, h.wrapped_key));
  AH_RETURN_IF_ERROR(r.ExpectEnd());
  AH_RETURN_IF_ERROR(CheckLimits(h));
  return h;
}

ObjectSealer::ObjectSealer(const SealedHeader& header, Bytes header_bytes, crypto::SecretBytes key)
    : header_(header),
      header_bytes_(std::move(header_bytes)),
      key_(std::move(key)),
      header_hash_(crypto::Sha256(header_bytes_)),
      id_hasher_(StartId(header_bytes_)) {}

Result<ObjectSealer> ObjectSealer::Create(const crypto::HpkePublicKey& recipient, Content content,
                                          std::uint64_t plaintext_bytes,
                                          std::uint32_t chunk_bytes) {
  SealedHeader h;
  h.content = content;
  h.chunk_bytes = chunk_bytes;
  h.plaintext_bytes = plaintext_bytes;
  h.recipient = RecipientOf(recipient);
  AH_RETURN_IF_ERROR(CheckLimits(h));
  crypto::SecretBytes key = crypto::RandomSecret(crypto::kAeadKeyBytes);
  Bytes header_bytes = WrappedHeaderPart(h);
  AH_ASSIGN_OR_RETURN(
      const crypto::HpkeSealed wrapped,
      crypto::HpkeSeal(recipient, AsBytes(kWrapInfo), header_bytes, key.ExposeSecret()));
  h.encapsulation = wrapped.encapsulation;
  AH_ASSIGN_OR_RETURN(h.wrapped_key, decltype(h.wrapped_key)::From(wrapped.ciphertext));
  AppendBytes(header_bytes, h.encapsulation.span());
  AppendBytes(header_bytes, h.wrapped_key.span());
  AH_CHECK(header_bytes.size() == kSealedHeaderBytes);
  return ObjectSealer(h, std::move(header_bytes), std::move(key));
}

Bytes ObjectSealer::SealNext(ByteSpan plaintext) {
  AH_CHECK(next_ < header_.chunk_count());
  AH_CHECK(plaintext.size() == header_.PlaintextBytesOf(next_));
  const bool last = next_ + 1 == header_.chunk_count();
  Bytes chunk = crypto::AeadSeal(key_, ChunkNonce(next_, last), header_hash_.span(), plaintext);
  id_hasher_->Update(ByteSpan(chunk).last(crypto::kAeadTagBytes));
  ++next_;
  return chunk;
}

ObjectId ObjectSealer::Finish() {
  AH_CHECK(next_ == header_.chunk_count());
  return FinishId(*id_hasher_);
}

ObjectOpener::ObjectOpener(const SealedHeader& header, ByteSpan header_bytes,
                           crypto::SecretBytes key)
    : header_(header),
      key_(std::move(key)),
      header_hash_(crypto::Sha256(header_bytes)),
      id_hasher_(StartId(header_bytes)) {}

Result<ObjectOpener> ObjectOpener::Create(const crypto::HpkePrivateKey& recipient, Content content,
                                          ByteSpan header) {
  AH_ASSIGN_OR_RETURN(const SealedHeader h, ParseSealedHeader(header));
  if (h.content != content) {
    return IntegrityError("sealed object: it holds another kind of content than is expected here");
  }
  if (h.recipient != RecipientOf(recipient.public_key())) {
    return IntegrityError("sealed object: sealed to another key; seal it again for this enclave");
  }
  Result<crypto::SecretBytes> key = crypto::HpkeOpen(recipient, h.encapsulation, AsBytes(kWrapInfo),
                                                     WrappedHeaderPart(h), h.wrapped_key.span());
  if (!key.ok() || key->size() != crypto::kAeadKeyBytes) {
    return IntegrityError("sealed object: the header does not match its seal; it was changed");
  }
  return ObjectOpener(h, header, std::move(key).value());
}

Result<Bytes> ObjectOpener::OpenNext(ByteSpan chunk) {
  if (failed_) return IntegrityError("sealed object: an earlier chunk did not match its seal");
  failed_ = true;  // until this chunk has passed
  if (next_ == header_.chunk_count()) {
    return IntegrityError("sealed object: bytes after the last chunk");
  }
  const std::string where = "sealed object: chunk " + std::to_string(next_);
  if (chunk.size() != header_.SealedBytesOf(next_)) {
    return IntegrityError(where + " has " + std::to_string(chunk.size()) + " bytes, not " +
                          std::to_string(header_.SealedBytesOf(next_)) + ": truncated or changed");
  }
  const bool last = next_ + 1 == header_.chunk_count();
  Result<Bytes> plaintext =
      crypto::AeadOpen(key_, ChunkNonce(next_, last), header_hash_.span(), chunk);
  if (!plaintext.ok()) return IntegrityError(where + " does not match its seal: it was changed");
  id_hasher_->Update(chunk.last(crypto::kAeadTagBytes));
  ++next_;
  failed_ = false;
  return plaintext;
}

Result<ObjectId> ObjectOpener::Finish() {
  if (failed_ || next_ != header_.chunk_count()) {
    return IntegrityError("sealed object: truncated: " + std::to_string(next_) + " of " +
                          std::to_string(header_.chunk_count()) + " chunks");
  }
  return FinishId(*id_hasher_);
}

Result<SealedObject> SealObject(const crypto::HpkePublicKey& recipient, Content content,
                                ByteSpan plaintext) {
  AH_ASSIGN_OR_RETURN(ObjectSealer sealer,
                      ObjectSealer::Create(recipient, content, plaintext.size()));
  SealedObject object;
  object.bytes.reserve(sealer.layout().ObjectBytes());
  AppendBytes(object.bytes, sealer.header());
  for (std::uint64_t i = 0; i < sealer.layout().chunk_count(); ++i) {
    const std::size_t size = sealer.layout().PlaintextBytesOf(i);
    AppendBytes(object.bytes, sealer.SealNext(plaintext.first(size)));
    plaintext = plaintext.subspan(size);
  }
  object.id = sealer.Finish();
  return object;
}

Result<Bytes> OpenObject(const crypto::HpkePrivateKey& recipient, Content content,
                         const ObjectId& id, ByteSpan object) {
  const std::size_t header_bytes = std::min(object.size(), kSealedHeaderBytes);
  AH_ASSIGN_OR_RETURN(ObjectOpener opener,
                      ObjectOpener::Create(recipient, content, object.first(header_bytes)));
  // Before anything is allocated by a size field: the bytes must be there.
  if (object.size() != opener.layout().ObjectBytes()) {
    return IntegrityError("sealed object: " + std::to_string(object.size()) + " bytes, not " +
                          std::to_string(opener.layout().ObjectBytes()) +
                          ": truncated or extended");
  }
  Bytes plaintext;
  plaintext.reserve(opener.layout().plaintext_bytes);
  ByteSpan rest = object.subspan(kSealedHeaderBytes);
  for (std::uint64_t i = 0; i < opener.layout().chunk_count(); ++i) {
    const std::size_t size = opener.layout().SealedBytesOf(i);
    AH_ASSIGN_OR_RETURN(const Bytes chunk, opener.OpenNext(rest.first(size)));
    AppendBytes(plaintext, chunk);
    rest = rest.subspan(size);
  }
  AH_ASSIGN_OR_RETURN(const ObjectId found, opener.Finish());
  if (found != id) {
    return IntegrityError("sealed object: it is object " + found.hex() + ", not " + id.hex());
  }
  return plaintext;
}

}  // namespace anchorhold::wire
