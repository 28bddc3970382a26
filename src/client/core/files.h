// The client's way to the disk: whole files, bounded, written so that a reader sees the old file or
// the new one and never half of either.
#pragma once

#include <sys/types.h>

#include <string>

#include "shared/base/bytes.h"
#include "shared/crypto/secret.h"

namespace anchorhold::client {

// The file's bytes. kNotFound if there is none, kLimitExceeded if it has more than `max_bytes`;
// errors name the path.
Result<Bytes> ReadWholeFile(const std::string& path, std::size_t max_bytes);

// Like ReadWholeFile for a file of secrets: kPermissionDenied, saying which chmod to run, unless it
// belongs to this user alone.
Result<crypto::SecretBytes> ReadSecretFile(const std::string& path, std::size_t max_bytes);

enum class IfExists { kRefuse, kReplace };

// Durable and atomic. kAlreadyExists under kRefuse if the path is taken, even if it is taken while
// this call runs.
Status WriteWholeFile(const std::string& path, ByteSpan bytes, IfExists if_exists,
                      mode_t mode = 0644);

// Makes the folder, and those above it, unless they are there.
Status MakeFolder(const std::string& path, mode_t mode = 0755);

bool PathExists(const std::string& path);
// "folder/name"; `name` alone if it is absolute or `folder` is empty.
std::string JoinPath(std::string_view folder, std::string_view name);
std::string FolderOf(const std::string& path);

// An exclusive lock on a file, made if need be, until the object dies. Other processes wait.
class FileLock {
 public:
  static Result<FileLock> Acquire(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace anchorhold::client
