#include "untrusted/host/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace anchorhold::host {

void UniqueFd::Reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error FileError(const char* what, const std::filesystem::path& path) {
  const int error = errno;
  const std::string text = std::string(what) + " " + path.string() + ": " + std::strerror(error);
  return error == ENOENT ? NotFound(text) : Unavailable(text);
}

Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.ok()) return FileError("cannot open", path);
  return fd;
}

Status MakeFolder(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return Ok();
  struct stat found {};
  if (errno == EEXIST && ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) return Ok();
  return FileError("cannot make the folder", path);
}

Status WriteAll(int fd, ByteSpan bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("cannot write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return Ok();
}

Status SyncFolder(const std::filesystem::path& path) {
  AH_ASSIGN_OR_RETURN(const UniqueFd folder, OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(folder.get()) != 0) return FileError("cannot flush the folder", path);
  return Ok();
}

Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t max) {
  AH_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, O_RDONLY));
  Bytes bytes;
  constexpr std::size_t kPiece = 64 * 1024;
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + kPiece);
    const ssize_t got = ::read(file.get(), bytes.data() + had, kPiece);
    if (got < 0 && errno != EINTR) return FileError("cannot read", path);
    bytes.resize(had + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (bytes.size() > max) {
      return LimitExceeded(path.string() + " is larger than " + std::to_string(max) + " bytes");
    }
    if (got == 0) return bytes;
  }
}

Status ReplaceFile(const std::filesystem::path& path, ByteSpan bytes) {
  std::filesystem::path fresh = path;
  fresh += ".new";
  AH_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(fresh, O_WRONLY | O_CREAT | O_TRUNC));
  AH_RETURN_IF_ERROR(WriteAll(file.get(), bytes, fresh));
  if (::fsync(file.get()) != 0) return FileError("cannot flush", fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return FileError("cannot rename to", path);
  return SyncFolder(path.parent_path());
}

}  // namespace anchorhold::host
