#include "untrusted/attesters/device_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace anchorhold::host {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

int OpenDevice(const std::filesystem::path& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC);
}

}  // namespace

int DeviceFiles::MakeFolder(const std::filesystem::path& path) {
  return ::mkdir(path.c_str(), 0700) == 0 ? 0 : errno;
}

int DeviceFiles::RemoveFolder(const std::filesystem::path& path) {
  return ::rmdir(path.c_str()) == 0 ? 0 : errno;
}

int DeviceFiles::Write(const std::filesystem::path& path, ByteSpan bytes) {
  const int fd = OpenDevice(path, O_WRONLY);
  if (fd < 0) return errno;
  const ssize_t written = ::write(fd, bytes.data(), bytes.size());
  int error = written < 0 ? errno : 0;
  if (written >= 0 && static_cast<std::size_t>(written) != bytes.size()) error = EIO;
  // A binary attribute of configfs is taken over when it is closed, and refused then.
  if (::close(fd) != 0 && error == 0) error = errno;
  return error;
}

int DeviceFiles::Read(const std::filesystem::path& path, std::size_t max, Bytes& out) {
  const int fd = OpenDevice(path, O_RDONLY);
  if (fd < 0) return errno;
  out.clear();
  int error = 0;
  for (;;) {
    const std::size_t got = out.size();
    out.resize(std::min(max + 1, got + kReadBytes));
    const ssize_t n = ::read(fd, out.data() + got, out.size() - got);
    if (n < 0) error = errno;
    out.resize(got + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n <= 0) break;
    if (out.size() > max) {
      error = EFBIG;
      break;
    }
  }
  ::close(fd);
  return error;
}

Error DeviceError(const char* what, const std::filesystem::path& path, int error_number) {
  const std::string text =
      std::string(what) + " " + path.string() + ": " + std::strerror(error_number);
  if (error_number == EACCES || error_number == EPERM) {
    return PermissionDenied(text + "; the host needs the right to use this interface");
  }
  if (error_number == ENOENT || error_number == ENODEV) return NotFound(text);
  return Unavailable(text);
}

}  // namespace anchorhold::host
