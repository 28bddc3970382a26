// Files and descriptors, with errors as Results and durability spelt out.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <utility>

#include "shared/base/bytes.h"

namespace anchorhold::host {

// An owned file descriptor, or none (-1).
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// "WHAT PATH: No space left on device", from errno.
Error FileError(const char* what, const std::filesystem::path& path);

Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, mode_t mode = 0600);
Status MakeFolder(const std::filesystem::path& path);  // 0700; one that exists is fine
Status WriteAll(int fd, ByteSpan bytes, const std::filesystem::path& path);
// Durable: the entries of a folder (what was created, renamed or removed in it).
Status SyncFolder(const std::filesystem::path& path);
// Reads a whole file; over `max` bytes is an error, a missing one kNotFound.
Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t max);
// Replaces `path` by `bytes`: after a crash it is the old file or the new one, whole. Mode 0600.
Status ReplaceFile(const std::filesystem::path& path, ByteSpan bytes);

}  // namespace anchorhold::host
