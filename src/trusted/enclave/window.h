// The enclave's side of the store (shared/wire/window.h): calls to the host, one at a time, and the
// three faces that the rest of the enclave sees of it. Nothing that the host answers is believed
// beyond its frame: records and objects are opened and checked by those who asked for them.
#pragma once

#include <mutex>
#include <string>

#include "shared/crypto/secret.h"
#include "shared/wire/window.h"
#include "trusted/ledger/ledger.h"
#include "trusted/vault/vault.h"

namespace anchorhold::enclave {

// Calls over a stream socket. Safe to use from several threads: calls wait for one another.
class StoreClient {
 public:
  explicit StoreClient(int fd) : fd_(fd) {}

  // The reply's payload. kNotFound and kUnavailable (with the host's line of text, shortened and
  // stripped of control characters) as the host says; kUnavailable for a host that is gone or that
  // breaks the protocol, in this call and in all later ones.
  Result<Bytes> Call(wire::StoreOp op, ByteSpan payload);

 private:
  Result<Bytes> Exchange(wire::StoreOp op, ByteSpan payload);
  Status WriteAll(ByteSpan bytes);
  Result<Bytes> ReadExactly(std::size_t count);

  std::mutex mutex_;
  int fd_;
  bool broken_ = false;
};

// What the host says when it launches the enclave.
struct Launch {
  std::string platform;                  // as named on the host's command line, not yet checked
  crypto::SecretBytes simulated_secret;  // none on other platforms
};
Result<Launch> AskForLaunch(StoreClient& store);

class HostLog final : public ledger::LogStore {
 public:
  explicit HostLog(StoreClient& store) : store_(store) {}
  Status Append(std::uint64_t index, ByteSpan record) override;
  Result<std::optional<Bytes>> Read(std::uint64_t index) override;

 private:
  StoreClient& store_;
};

// The development anchor: a file that the host keeps, and so can roll back. A MAC keeps the host
// from inventing a point, not from bringing back an old one or none.
//   blob = "AHANCH1\0" size(u64) root(32) HMAC-SHA-256(key, what is ahead of it)(32)
class InsecureFileAnchor final : public ledger::Anchor {
 public:
  InsecureFileAnchor(StoreClient& store, crypto::SecretBytes key)
      : store_(store), key_(std::move(key)) {}
  Result<std::optional<Point>> Read() override;
  Status Advance(const Point& point) override;

 private:
  StoreClient& store_;
  crypto::SecretBytes key_;
};

class HostBlobs final : public vault::BlobStore {
 public:
  explicit HostBlobs(StoreClient& store) : store_(store) {}
  Result<std::uint64_t> Begin() override;
  Status Append(std::uint64_t upload, ByteSpan bytes) override;
  Status Commit(std::uint64_t upload, const wire::ObjectId& id) override;
  Status Abort(std::uint64_t upload) override;
  Result<Bytes> Read(const wire::ObjectId& id, std::uint64_t offset, std::uint32_t count) override;

 private:
  StoreClient& store_;
};

}  // namespace anchorhold::enclave
