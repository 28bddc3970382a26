// Sealed objects on disk: uploads/N while they arrive, then blobs/ab/abcdef... named by their id.
#pragma once

#include <filesystem>
#include <map>

#include "untrusted/host/files.h"

namespace anchorhold::host {

using BlobId = FixedBytes<struct BlobIdTag, 32>;

class BlobFolder {
 public:
  // Makes the folders under `state` and removes what is left of uploads that never ended.
  static Result<BlobFolder> Open(const std::filesystem::path& state);

  Result<std::uint64_t> Begin();
  Status Append(std::uint64_t upload, ByteSpan bytes);
  // Durable when it returns.
  Status Commit(std::uint64_t upload, const BlobId& id);
  Status Abort(std::uint64_t upload);
  // Fewer than `count` bytes only at the object's end. kNotFound if there is no such object.
  Result<Bytes> Read(const BlobId& id, std::uint64_t offset, std::uint32_t count) const;

 private:
  explicit BlobFolder(const std::filesystem::path& state)
      : blobs_(state / "blobs"), uploads_(state / "uploads") {}
  std::filesystem::path UploadPath(std::uint64_t upload) const;
  std::filesystem::path BlobPath(const BlobId& id) const;

  std::filesystem::path blobs_;
  std::filesystem::path uploads_;
  std::map<std::uint64_t, UniqueFd> open_;
  std::uint64_t next_ = 1;
};

}  // namespace anchorhold::host
