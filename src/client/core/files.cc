#include "client/core/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace anchorhold::client {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error SystemError(const std::string& path, const char* action, int error) {
  const std::string text = std::string("cannot ") + action + ": " + strerrordesc_np(error);
  switch (error) {
    case ENOENT:
      return NotFound("no such file or folder").At(path);
    case EEXIST:
      return AlreadyExists("already exists").At(path);
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
      return InvalidInput(text).At(path);
    default:
      return Unavailable(text).At(path);
  }
}

Status WriteAll(int fd, ByteSpan bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(path, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return Ok();
}

// Reads an open file to its end into `out`, growing as bytes come, so that a pipe works too.
Status ReadAll(int fd, const std::string& path, std::size_t max_bytes, Bytes& out) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return SystemError(path, "read", errno);
  if (S_ISDIR(info.st_mode)) return InvalidInput("this is a folder; give a file").At(path);
  const std::size_t size = info.st_size > 0 ? static_cast<std::size_t>(info.st_size) : 0;
  const Error too_large =
      LimitExceeded("larger than the limit of " + std::to_string(max_bytes) + " bytes").At(path);
  if (size > max_bytes) return too_large;
  out.reserve(size + 1);
  std::size_t used = 0;
  while (true) {
    if (used > max_bytes) return too_large;
    const std::size_t room = used < size ? size - used : 64 * 1024;
    out.resize(used + room);
    const ssize_t count = read(fd, out.data() + used, room);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(path, "read", errno);
    used += static_cast<std::size_t>(count);
    out.resize(used);
    if (count == 0) return Ok();
  }
}

// Makes a file's name durable. A folder that cannot be synchronised is not an error: some file
// systems do not offer it, and the file itself has been.
void SyncFolder(const std::string& folder) {
  const FileDescriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) (void)fsync(fd.get());
}

}  // namespace

Result<Bytes> ReadWholeFile(const std::string& path, std::size_t max_bytes) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "open", errno);
  Bytes out;
  AH_RETURN_IF_ERROR(ReadAll(fd.get(), path, max_bytes, out));
  return out;
}

Result<crypto::SecretBytes> ReadSecretFile(const std::string& path, std::size_t max_bytes) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "open", errno);
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return SystemError(path, "read", errno);
  if ((info.st_mode & 077) != 0) {
    return PermissionDenied("other users may read this file; run 'chmod 600 " + path + "'")
        .At(path);
  }
  if (info.st_uid != geteuid()) {
    return PermissionDenied("this file belongs to another user; use a key of your own").At(path);
  }
  // Room for every byte at once: a buffer that grows would leave copies of the secret behind.
  Bytes bytes;
  bytes.reserve(max_bytes + 64 * 1024 + 1);
  const Status read = ReadAll(fd.get(), path, max_bytes, bytes);
  crypto::SecretBytes secret = crypto::SecretBytes::CopyOf(bytes);
  crypto::Wipe(bytes);
  if (!read.ok()) return read.error();
  return secret;
}

Status WriteWholeFile(const std::string& path, ByteSpan bytes, IfExists if_exists, mode_t mode) {
  if (if_exists == IfExists::kRefuse && PathExists(path)) return SystemError(path, "", EEXIST);
  std::string temporary = path + ".new-XXXXXX";
  const FileDescriptor fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "create", errno);
  const auto fail = [&](const Error& error) -> Status {
    unlink(temporary.c_str());
    return error;
  };
  if (fchmod(fd.get(), mode) != 0) return fail(SystemError(path, "set permissions", errno));
  const Status written = WriteAll(fd.get(), bytes, path);
  if (!written.ok()) return fail(written.error());
  if (fsync(fd.get()) != 0) return fail(SystemError(path, "write", errno));
  if (if_exists == IfExists::kRefuse) {
    // link(2) fails when the name is taken; rename(2) would replace what took it.
    if (link(temporary.c_str(), path.c_str()) != 0) {
      return fail(SystemError(path, "create", errno));
    }
    unlink(temporary.c_str());
  } else if (rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(SystemError(path, "replace", errno));
  }
  SyncFolder(FolderOf(path));
  return Ok();
}

Status MakeFolder(const std::string& path, mode_t mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      return SystemError(part, "make the folder", errno);
    }
  }
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return SystemError(path, "use", errno);
  if (!S_ISDIR(info.st_mode)) return InvalidInput("this is a file; give a folder").At(path);
  return Ok();
}

bool PathExists(const std::string& path) {
  struct stat info = {};
  return lstat(path.c_str(), &info) == 0;
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  std::string path(folder);
  if (path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<FileLock> FileLock::Acquire(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(path, "open", errno);
  FileLock lock(fd);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return SystemError(path, "lock", errno);
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

}  // namespace anchorhold::client
