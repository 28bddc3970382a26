#include "trusted/enclave/window.h"

#include <unistd.h>

#include <cerrno>

#include "shared/attest/evidence.h"
#include "shared/base/log.h"
#include "shared/base/reader.h"
#include "shared/crypto/kdf.h"

namespace anchorhold::enclave {
namespace {

constexpr std::size_t kPlatformNameBytesMax = 64;
constexpr std::size_t kSimulatedSecretBytes = 32;
constexpr std::string_view kAnchorMagic{"AHANCH1\0", 8};

Error HostBroke(const char* what) {
  return Unavailable(std::string("the host's store ") + what + "; restart the host");
}

// A call that has nothing to answer.
Status Expect(const Result<Bytes>& reply) {
  if (!reply.ok()) return reply.error();
  if (!reply->empty()) return HostBroke("answered with more than was asked for");
  return Ok();
}

}  // namespace

Result<Bytes> StoreClient::Call(wire::StoreOp op, ByteSpan payload) {
  if (payload.size() + 1 > wire::kStoreFrameBytesMax) {
    return LimitExceeded("a call to the host's store of " + std::to_string(payload.size()) +
                         " bytes; the limit is " + std::to_string(wire::kStoreFrameBytesMax - 1));
  }
  const std::lock_guard lock(mutex_);
  if (broken_) return HostBroke("broke the protocol earlier");
  return Exchange(op, payload);
}

Result<Bytes> StoreClient::Exchange(wire::StoreOp op, ByteSpan payload) {
  broken_ = true;  // until the whole reply has been read and understood
  AH_RETURN_IF_ERROR(WriteAll(wire::SerializeStoreRequest(op, payload)));
  AH_ASSIGN_OR_RETURN(const Bytes size_field, ReadExactly(4));
  ByteReader reader(size_field);
  AH_ASSIGN_OR_RETURN(const std::uint32_t size, reader.ReadU32());
  if (size > wire::kStoreFrameBytesMax) return HostBroke("sent a frame that is too large");
  AH_ASSIGN_OR_RETURN(const Bytes body, ReadExactly(size));
  auto reply = wire::ParseStoreReply(body);
  if (!reply.ok()) return HostBroke("sent a frame that is none");
  broken_ = false;
  switch (reply->status) {
    case wire::StoreStatus::kDone:
      return std::move(reply->payload);
    case wire::StoreStatus::kNotFound:
      return NotFound("the host's store does not have it");
    case wire::StoreStatus::kFailed:
      break;
  }
  return Unavailable("the host's store failed (a full disk?): " +
                     PublicText(AsText(reply->payload)).text());
}

Status StoreClient::WriteAll(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return HostBroke("is gone");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return Ok();
}

Result<Bytes> StoreClient::ReadExactly(std::size_t count) {
  Bytes bytes(count);
  std::size_t got = 0;
  while (got < count) {
    const ssize_t n = ::read(fd_, bytes.data() + got, count - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return HostBroke("is gone");
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

Result<Launch> AskForLaunch(StoreClient& store) {
  AH_ASSIGN_OR_RETURN(Bytes reply, store.Call(wire::StoreOp::kLaunch, {}));
  ByteReader reader(reply);
  AH_ASSIGN_OR_RETURN(const ByteSpan platform, reader.ReadSized(kPlatformNameBytesMax));
  AH_ASSIGN_OR_RETURN(const ByteSpan secret, reader.ReadSized(kSimulatedSecretBytes));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  const bool simulated =
      AsText(platform) == attest::PlatformName(attest::Platform::kInsecureSimulated);
  if (secret.size() != (simulated ? kSimulatedSecretBytes : 0)) {
    return InvalidInput("the host's launch secret is not 32 bytes long, or there should be none");
  }
  Launch launch{.platform = CopyText(platform),
                .simulated_secret = crypto::SecretBytes::CopyOf(secret)};
  crypto::Wipe(reply);
  return launch;
}

Status HostLog::Append(std::uint64_t index, ByteSpan record) {
  ByteWriter w;
  w.WriteU64(index);
  w.WriteBytes(record);
  return Expect(store_.Call(wire::StoreOp::kLogAppend, w.bytes()));
}

Result<std::optional<Bytes>> HostLog::Read(std::uint64_t index) {
  ByteWriter w;
  w.WriteU64(index);
  auto reply = store_.Call(wire::StoreOp::kLogRead, w.bytes());
  if (!reply.ok() && reply.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  if (!reply.ok()) return reply.error();
  return std::optional<Bytes>(std::move(*reply));
}

Result<std::optional<ledger::Anchor::Point>> InsecureFileAnchor::Read() {
  auto reply = store_.Call(wire::StoreOp::kAnchorRead, {});
  if (!reply.ok() && reply.error().code() == ErrorCode::kNotFound) return std::optional<Point>();
  if (!reply.ok()) return reply.error();
  const Error forged = IntegrityError(
      "the anchor file was not written by this enclave; restore the state folder's "
      "insecure-anchor");
  ByteReader reader(*reply);
  const auto magic = reader.ReadBytes(kAnchorMagic.size());
  const auto size = reader.ReadU64();
  const auto root = reader.ReadBytes(crypto::Sha256Digest::kSize);
  const auto mac = reader.ReadBytes(crypto::Sha256Digest::kSize);
  if (!magic.ok() || !size.ok() || !root.ok() || !mac.ok() || !reader.ExpectEnd().ok()) {
    return forged;
  }
  const ByteSpan covered = ByteSpan(*reply).first(reply->size() - mac->size());
  const crypto::SecretBytes expected = crypto::HmacSha256(key_, covered);
  if (AsText(*magic) != kAnchorMagic || !(expected == crypto::SecretBytes::CopyOf(*mac))) {
    return forged;
  }
  Point point{.size = *size, .root = {}};
  AH_ASSIGN_OR_RETURN(point.root, crypto::Sha256Digest::From(*root));
  return std::optional<Point>(point);
}

Status InsecureFileAnchor::Advance(const Point& point) {
  ByteWriter w;
  w.WriteBytes(AsBytes(kAnchorMagic));
  w.WriteU64(point.size);
  w.WriteBytes(point.root.span());
  const crypto::SecretBytes mac = crypto::HmacSha256(key_, w.bytes());
  // A MAC is made to be shown.
  w.WriteBytes(mac.ExposeSecret());
  return Expect(store_.Call(wire::StoreOp::kAnchorWrite, w.bytes()));
}

Result<std::uint64_t> HostBlobs::Begin() {
  AH_ASSIGN_OR_RETURN(const Bytes reply, store_.Call(wire::StoreOp::kBlobBegin, {}));
  ByteReader reader(reply);
  AH_ASSIGN_OR_RETURN(const std::uint64_t upload, reader.ReadU64());
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  return upload;
}

Status HostBlobs::Append(std::uint64_t upload, ByteSpan bytes) {
  // A large piece goes in several calls, each within the frame's limit.
  constexpr std::size_t kPieceBytes = limits::kMiB;
  while (!bytes.empty()) {
    const ByteSpan piece = bytes.first(std::min(bytes.size(), kPieceBytes));
    ByteWriter w;
    w.WriteU64(upload);
    w.WriteBytes(piece);
    AH_RETURN_IF_ERROR(Expect(store_.Call(wire::StoreOp::kBlobAppend, w.bytes())));
    bytes = bytes.subspan(piece.size());
  }
  return Ok();
}

Status HostBlobs::Commit(std::uint64_t upload, const wire::ObjectId& id) {
  ByteWriter w;
  w.WriteU64(upload);
  w.WriteBytes(id.span());
  return Expect(store_.Call(wire::StoreOp::kBlobCommit, w.bytes()));
}

Status HostBlobs::Abort(std::uint64_t upload) {
  ByteWriter w;
  w.WriteU64(upload);
  return Expect(store_.Call(wire::StoreOp::kBlobAbort, w.bytes()));
}

Result<Bytes> HostBlobs::Read(const wire::ObjectId& id, std::uint64_t offset, std::uint32_t count) {
  // The reply must fit in a frame; a caller that wants more asks again.
  constexpr std::uint32_t kReadBytesMax = limits::kMiB + 64 * limits::kKiB;
  Bytes all;
  while (all.size() < count) {
    const auto wanted = std::min(count - static_cast<std::uint32_t>(all.size()), kReadBytesMax);
    ByteWriter w;
    w.WriteBytes(id.span());
    w.WriteU64(offset + all.size());
    w.WriteU32(wanted);
    AH_ASSIGN_OR_RETURN(const Bytes piece, store_.Call(wire::StoreOp::kBlobRead, w.bytes()));
    if (piece.size() > wanted) return HostBroke("answered with more than was asked for");
    AppendBytes(all, piece);
    if (piece.size() < wanted) break;
  }
  return all;
}

}  // namespace anchorhold::enclave
