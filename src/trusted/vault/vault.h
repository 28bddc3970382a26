// The vault: sealed objects that the host keeps, opened inside the enclave only.
#pragma once

#include <memory>

#include "shared/crypto/hpke.h"
#include "shared/wire/sealed_object.h"
#include "trusted/train/example_set.h"

namespace anchorhold::vault {

// Where the host keeps sealed objects. Untrusted.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Result<std::uint64_t> Begin() = 0;
  virtual Status Append(std::uint64_t upload, ByteSpan bytes) = 0;
  // Durable when it returns.
  virtual Status Commit(std::uint64_t upload, const wire::ObjectId& id) = 0;
  virtual Status Abort(std::uint64_t upload) = 0;
  // `count` bytes from `offset` on, fewer only at the end.
  virtual Result<Bytes> Read(const wire::ObjectId& id, std::uint64_t offset,
                             std::uint32_t count) = 0;
};

// An upload on its way in: the header and every chunk are opened and checked as soon as they are
// whole, and passed on to the store as they came. Memory holds one chunk and the plaintext, at most
// limits::kDatasetBytesMax of it. The first error is final: the store's part is dropped, and every
// later call repeats the error.
class Upload {
 public:
  // `store` and `key` outlive the upload. `object_bytes` is what the sender announces:
  // kLimitExceeded over limits::kObjectBytesMax.
  static Result<Upload> Begin(BlobStore& store, const crypto::HpkePrivateKey& key,
                              wire::Content content, std::uint64_t object_bytes);
  ~Upload();  // aborts an upload that was not committed
  Upload(Upload&&) noexcept;
  Upload& operator=(Upload&&) noexcept;

  // The next bytes, cut anywhere. kIntegrity for a header or chunk that does not open or does not
  // fit the announced size, kInvalidInput for more bytes than that, kLimitExceeded for a plaintext
  // that is too large. Precondition: Finish was not called.
  Status Feed(ByteSpan bytes);
  // All bytes are there and the id is `expected` (kIntegrity otherwise); returns the plaintext. Not
  // durable yet. Precondition: Finish was not called.
  Result<Bytes> Finish(const wire::ObjectId& expected);
  // Makes the object durable. Precondition: Finish succeeded.
  Status Commit();

 private:
  struct State;
  explicit Upload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Reads, verifies and opens a stored object. kIntegrity for anything that is not that object as it
// was stored; errors of the store itself (kNotFound, kUnavailable) as they are.
Result<Bytes> Open(BlobStore& store, const crypto::HpkePrivateKey& key, wire::Content content,
                   const wire::ObjectId& id);
// Stores an object that was sealed inside the enclave.
Status Store(BlobStore& store, const wire::SealedObject& object);

}  // namespace anchorhold::vault
