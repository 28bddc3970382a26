#include "trusted/vault/vault.h"

#include <algorithm>
#include <optional>

#include "shared/base/limits.h"
#include "shared/crypto/aead.h"

namespace anchorhold::vault {
namespace {

// Of the header and of every chunk, so that a piece fits in one message to the host.
constexpr std::size_t kPieceBytesMax = limits::kChunkBytesMax;

Status CheckPlaintextSize(const wire::SealedHeader& layout) {
  if (layout.plaintext_bytes <= limits::kDatasetBytesMax) return Ok();
  return LimitExceeded("sealed object: it holds " + std::to_string(layout.plaintext_bytes) +
                       " bytes, the limit is " + std::to_string(limits::kDatasetBytesMax));
}

Error NotAsStored(const char* what) {
  return IntegrityError(std::string("stored object: ") + what + "; restore the host's copy of it");
}

}  // namespace

struct Upload::State {
  State(BlobStore& blob_store, const crypto::HpkePrivateKey& private_key, wire::Content kind,
        std::uint64_t bytes, std::uint64_t upload_number)
      : store(&blob_store),
        key(&private_key),
        content(kind),
        object_bytes(bytes),
        upload(upload_number) {}

  Status Fail(const Error& error);
  Status Take(ByteSpan& bytes);
  std::size_t PieceBytes() const;
  Status AcceptHeader();
  Status AcceptChunk();

  BlobStore* store;
  const crypto::HpkePrivateKey* key;
  wire::Content content;
  std::uint64_t object_bytes;
  std::uint64_t upload;
  std::uint64_t received = 0;
  std::uint64_t chunks = 0;
  Bytes piece;  // of the header or chunk that is arriving
  std::optional<wire::ObjectOpener> opener;
  Bytes plaintext;
  std::optional<wire::ObjectId> finished;
  std::optional<Error> failed;
  bool committed = false;
};

Result<Upload> Upload::Begin(BlobStore& store, const crypto::HpkePrivateKey& key,
                             wire::Content content, std::uint64_t object_bytes) {
  if (object_bytes < wire::kSealedHeaderBytes + crypto::kAeadTagBytes) {
    return InvalidInput("upload: a sealed object has at least " +
                        std::to_string(wire::kSealedHeaderBytes + crypto::kAeadTagBytes) +
                        " bytes, this one announces " + std::to_string(object_bytes));
  }
  if (object_bytes > limits::kObjectBytesMax) {
    return LimitExceeded("upload: an object of " + std::to_string(object_bytes) +
                         " bytes is over the limit of " + std::to_string(limits::kObjectBytesMax));
  }
  AH_ASSIGN_OR_RETURN(const std::uint64_t upload, store.Begin());
  return Upload(std::make_unique<State>(store, key, content, object_bytes, upload));
}

Upload::Upload(std::unique_ptr<State> state) : state_(std::move(state)) {}
Upload::Upload(Upload&&) noexcept = default;

Upload& Upload::operator=(Upload&& other) noexcept {
  std::swap(state_, other.state_);  // `other` aborts what was here
  return *this;
}

Upload::~Upload() {
  if (state_ == nullptr || state_->committed || state_->failed.has_value()) return;
  const Status aborted = state_->store->Abort(state_->upload);
  static_cast<void>(aborted);  // the host clears away what was never committed
}

// An upload that has failed once stays failed; the host's part of it is dropped.
Status Upload::State::Fail(const Error& error) {
  failed = error;
  opener.reset();
  plaintext = Bytes();
  const Status aborted = store->Abort(upload);
  static_cast<void>(aborted);
  return error;
}

std::size_t Upload::State::PieceBytes() const {
  return opener.has_value() ? opener->layout().SealedBytesOf(chunks) : wire::kSealedHeaderBytes;
}

Status Upload::State::AcceptHeader() {
  AH_ASSIGN_OR_RETURN(wire::ObjectOpener made, wire::ObjectOpener::Create(*key, content, piece));
  AH_RETURN_IF_ERROR(CheckPlaintextSize(made.layout()));
  if (made.layout().ObjectBytes() != object_bytes) {
    return IntegrityError("upload: the object's header describes " +
                          std::to_string(made.layout().ObjectBytes()) + " bytes, the upload " +
                          std::to_string(object_bytes) + "; seal and send it again");
  }
  opener.emplace(std::move(made));
  return Ok();
}

Status Upload::State::AcceptChunk() {
  AH_ASSIGN_OR_RETURN(const Bytes opened, opener->OpenNext(piece));
  AppendBytes(plaintext, opened);
  ++chunks;
  return Ok();
}

// Takes what belongs to the present piece off `bytes`; a piece that is whole is checked and goes to
// the host.
Status Upload::State::Take(ByteSpan& bytes) {
  const std::size_t count = std::min(bytes.size(), PieceBytes() - piece.size());
  AppendBytes(piece, bytes.first(count));
  bytes = bytes.subspan(count);
  if (piece.size() < PieceBytes()) return Ok();
  AH_RETURN_IF_ERROR(opener.has_value() ? AcceptChunk() : AcceptHeader());
  AH_RETURN_IF_ERROR(store->Append(upload, piece));
  piece.clear();
  return Ok();
}

Status Upload::Feed(ByteSpan bytes) {
  State& state = *state_;
  if (state.failed.has_value()) return *state.failed;
  AH_CHECK(!state.finished.has_value());
  if (bytes.size() > state.object_bytes - state.received) {
    return state.Fail(InvalidInput("upload: more than the " + std::to_string(state.object_bytes) +
                                   " bytes that were announced"));
  }
  state.received += bytes.size();
  while (!bytes.empty()) {
    const Status taken = state.Take(bytes);
    if (!taken.ok()) return state.Fail(taken.error());
  }
  return Ok();
}

Result<Bytes> Upload::Finish(const wire::ObjectId& expected) {
  State& state = *state_;
  if (state.failed.has_value()) return *state.failed;
  AH_CHECK(!state.finished.has_value());
  const auto fail = [&](const Error& error) { return state.Fail(error).error(); };
  if (state.received < state.object_bytes) {
    return fail(IntegrityError("upload: it ends after " + std::to_string(state.received) + " of " +
                               std::to_string(state.object_bytes) + " bytes; send it again"));
  }
  const auto id = state.opener->Finish();
  if (!id.ok()) return fail(id.error());
  if (*id != expected) {
    return fail(
        IntegrityError("upload: the object is not the one whose id was sent; send it again"));
  }
  state.finished = *id;
  return std::move(state.plaintext);
}

Status Upload::Commit() {
  State& state = *state_;
  AH_CHECK(state.finished.has_value() && !state.committed && !state.failed.has_value());
  const Status done = state.store->Commit(state.upload, *state.finished);
  if (!done.ok()) return state.Fail(done.error());
  state.committed = true;
  return Ok();
}

Result<Bytes> Open(BlobStore& store, const crypto::HpkePrivateKey& key, wire::Content content,
                   const wire::ObjectId& id) {
  AH_ASSIGN_OR_RETURN(const Bytes header, store.Read(id, 0, wire::kSealedHeaderBytes));
  if (header.size() != wire::kSealedHeaderBytes) return NotAsStored("its header is cut off");
  auto opener = wire::ObjectOpener::Create(key, content, header);
  if (!opener.ok()) return NotAsStored("its header was altered");
  const wire::SealedHeader& layout = opener->layout();
  AH_RETURN_IF_ERROR(CheckPlaintextSize(layout));
  Bytes plaintext;
  std::uint64_t offset = header.size();
  for (std::uint64_t i = 0; i < layout.chunk_count(); ++i) {
    const std::size_t count = layout.SealedBytesOf(i);
    AH_ASSIGN_OR_RETURN(const Bytes chunk,
                        store.Read(id, offset, static_cast<std::uint32_t>(count)));
    if (chunk.size() != count) return NotAsStored("it is cut off");
    const auto opened = opener->OpenNext(chunk);
    if (!opened.ok()) return NotAsStored("a chunk of it was altered");
    AppendBytes(plaintext, *opened);
    offset += count;
  }
  const auto found = opener->Finish();
  if (!found.ok() || *found != id) return NotAsStored("the host gave another object for this id");
  return plaintext;
}

Status Store(BlobStore& store, const wire::SealedObject& object) {
  AH_ASSIGN_OR_RETURN(const std::uint64_t upload, store.Begin());
  const auto send = [&]() -> Status {
    const ByteSpan bytes = object.bytes;
    for (std::size_t at = 0; at < bytes.size(); at += kPieceBytesMax) {
      const std::size_t count = std::min(kPieceBytesMax, bytes.size() - at);
      AH_RETURN_IF_ERROR(store.Append(upload, bytes.subspan(at, count)));
    }
    return store.Commit(upload, object.id);
  };
  const Status sent = send();
  if (sent.ok()) return sent;
  const Status aborted = store.Abort(upload);
  static_cast<void>(aborted);
  return sent;
}

}  // namespace anchorhold::vault
