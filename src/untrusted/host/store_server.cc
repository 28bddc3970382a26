#include "untrusted/host/store_server.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "shared/base/reader.h"

namespace anchorhold::host {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kAnchorBytesMax = 4096;

Result<Bytes> OpenSecret(const std::filesystem::path& path) {
  auto present = ReadFile(path, kSecretBytes);
  if (present.ok() && present->size() != kSecretBytes) {
    return IntegrityError(path.string() + " is not 32 bytes long; restore it from a copy");
  }
  if (present.ok() || present.error().code() != ErrorCode::kNotFound) return present;
  Bytes secret(kSecretBytes);
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(kSecretBytes)) {
    return Unavailable("the system gives no random bytes");
  }
  AH_RETURN_IF_ERROR(ReplaceFile(path, secret));
  return secret;
}

Result<Bytes> Done(const Status& status) {
  if (!status.ok()) return status.error();
  return Bytes();
}

// Exactly `out.size()` bytes. False at a clean end: nothing more came.
Result<bool> ReadExactly(int fd, MutableByteSpan out) {
  std::size_t got = 0;
  while (got < out.size()) {
    const ssize_t n = ::read(fd, out.data() + got, out.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 && got == 0) return false;
    if (n <= 0) return Unavailable("the enclave closed its store in the middle of a call");
    got += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

StoreServer::StoreServer(std::filesystem::path state, EvidenceDevice* device, Bytes secret,
                         BlobFolder blobs, LogFile log)
    : state_(std::move(state)),
      device_(device),
      secret_(std::move(secret)),
      blobs_(std::move(blobs)),
      log_(std::move(log)) {}

Result<StoreServer> StoreServer::Open(const std::filesystem::path& state, EvidenceDevice* device) {
  Bytes secret;
  if (device == nullptr) {
    AH_ASSIGN_OR_RETURN(secret, OpenSecret(state / "insecure-simulated.secret"));
  }
  AH_ASSIGN_OR_RETURN(BlobFolder blobs, BlobFolder::Open(state));
  AH_ASSIGN_OR_RETURN(LogFile log, LogFile::Open(state / "ledger.log"));
  return StoreServer(state, device, std::move(secret), std::move(blobs), std::move(log));
}

Result<Bytes> StoreServer::HandleEvidence(const wire::StoreRequest& request) {
  if (device_ == nullptr) return Unsupported("this platform has no hardware to ask");
  const auto report_data = attest::ReportData::From(request.payload);
  if (!report_data.ok()) return report_data.error();
  AH_ASSIGN_OR_RETURN(auto files, device_->Quote(*report_data));
  return attest::SerializeCarried(std::move(files));
}

wire::StoreReply StoreServer::Answer(const wire::StoreRequest& request) {
  auto handled = Handle(request);
  if (handled.ok()) {
    return {.status = wire::StoreStatus::kDone, .payload = std::move(*handled)};
  }
  if (handled.error().code() == ErrorCode::kNotFound) {
    return {.status = wire::StoreStatus::kNotFound, .payload = {}};
  }
  return {.status = wire::StoreStatus::kFailed,
          .payload = CopyBytes(AsBytes(handled.error().message()))};
}

Result<Bytes> StoreServer::Handle(const wire::StoreRequest& request) {
  switch (request.op) {
    case wire::StoreOp::kLaunch: {
      ByteWriter w;
      w.WriteSized(AsBytes(attest::PlatformName(
          device_ == nullptr ? attest::Platform::kInsecureSimulated : device_->platform())));
      w.WriteSized(secret_);
      return std::move(w).Take();
    }
    case wire::StoreOp::kBlobBegin:
    case wire::StoreOp::kBlobAppend:
    case wire::StoreOp::kBlobCommit:
    case wire::StoreOp::kBlobAbort:
    case wire::StoreOp::kBlobRead:
      return HandleBlob(request);
    case wire::StoreOp::kLogAppend:
    case wire::StoreOp::kLogRead:
      return HandleLog(request);
    case wire::StoreOp::kAnchorRead:
      return ReadFile(state_ / "insecure-anchor", kAnchorBytesMax);
    case wire::StoreOp::kAnchorWrite:
      if (request.payload.size() > kAnchorBytesMax) return LimitExceeded("anchor too large");
      return Done(ReplaceFile(state_ / "insecure-anchor", request.payload));
    case wire::StoreOp::kEvidence:
      return HandleEvidence(request);
  }
  return InvalidInput("unknown call");
}

Result<Bytes> StoreServer::HandleBlob(const wire::StoreRequest& request) {
  ByteReader r(request.payload);
  if (request.op == wire::StoreOp::kBlobBegin) {
    AH_RETURN_IF_ERROR(r.ExpectEnd());
    AH_ASSIGN_OR_RETURN(const std::uint64_t upload, blobs_.Begin());
    ByteWriter w;
    w.WriteU64(upload);
    return std::move(w).Take();
  }
  if (request.op == wire::StoreOp::kBlobRead) {
    AH_ASSIGN_OR_RETURN(const ByteSpan id_bytes, r.ReadBytes(BlobId::kSize));
    AH_ASSIGN_OR_RETURN(const BlobId id, BlobId::From(id_bytes));
    AH_ASSIGN_OR_RETURN(const std::uint64_t offset, r.ReadU64());
    AH_ASSIGN_OR_RETURN(const std::uint32_t count, r.ReadU32());
    AH_RETURN_IF_ERROR(r.ExpectEnd());
    return blobs_.Read(id, offset, count);
  }
  AH_ASSIGN_OR_RETURN(const std::uint64_t upload, r.ReadU64());
  if (request.op == wire::StoreOp::kBlobAppend) {
    AH_ASSIGN_OR_RETURN(const ByteSpan bytes, r.ReadBytes(r.remaining()));
    return Done(blobs_.Append(upload, bytes));
  }
  if (request.op == wire::StoreOp::kBlobAbort) {
    AH_RETURN_IF_ERROR(r.ExpectEnd());
    return Done(blobs_.Abort(upload));
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan id_bytes, r.ReadBytes(BlobId::kSize));
  AH_ASSIGN_OR_RETURN(const BlobId id, BlobId::From(id_bytes));
  AH_RETURN_IF_ERROR(r.ExpectEnd());
  return Done(blobs_.Commit(upload, id));
}

Result<Bytes> StoreServer::HandleLog(const wire::StoreRequest& request) {
  ByteReader r(request.payload);
  AH_ASSIGN_OR_RETURN(const std::uint64_t index, r.ReadU64());
  if (request.op == wire::StoreOp::kLogAppend) {
    AH_ASSIGN_OR_RETURN(const ByteSpan record, r.ReadBytes(r.remaining()));
    return Done(log_.Append(index, record));
  }
  AH_RETURN_IF_ERROR(r.ExpectEnd());
  AH_ASSIGN_OR_RETURN(std::optional<Bytes> record, log_.Read(index));
  if (!record) return NotFound("past the end of the log");
  return std::move(*record);
}

Status StoreServer::Serve(int fd) {
  for (;;) {
    std::array<std::byte, 4> field{};
    AH_ASSIGN_OR_RETURN(const bool more, ReadExactly(fd, field));
    if (!more) return Ok();
    ByteReader reader(field);
    AH_ASSIGN_OR_RETURN(const std::uint32_t size, reader.ReadU32());
    if (size == 0 || size > wire::kStoreFrameBytesMax) {
      return InvalidInput("the enclave sent a store frame of " + std::to_string(size) + " bytes");
    }
    Bytes body(size);
    AH_ASSIGN_OR_RETURN(const bool whole, ReadExactly(fd, body));
    if (!whole) return Unavailable("the enclave closed its store in the middle of a call");
    AH_ASSIGN_OR_RETURN(const wire::StoreRequest request, wire::ParseStoreRequest(body));
    const wire::StoreReply reply = Answer(request);
    AH_RETURN_IF_ERROR(WriteAll(fd, wire::SerializeStoreReply(reply.status, reply.payload),
                                "the enclave's store"));
  }
}

}  // namespace anchorhold::host
