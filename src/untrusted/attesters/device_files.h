// The kernel's interfaces that look like files: what is written is a command, what is read is
// answered at that moment, and the error number says what the kernel made of it.
#pragma once

#include <filesystem>

#include "shared/base/bytes.h"

namespace anchorhold::host {

// Every call returns 0, or the error number of the system call that failed. A test plays the
// kernel by deriving from it.
class DeviceFiles {
 public:
  virtual ~DeviceFiles() = default;
  virtual int MakeFolder(const std::filesystem::path& path);
  virtual int RemoveFolder(const std::filesystem::path& path);
  // With one call of write(2), as such interfaces want it; EIO if less was taken.
  virtual int Write(const std::filesystem::path& path, ByteSpan bytes);
  // Up to the end of the file; EFBIG if there are more than `max` bytes.
  virtual int Read(const std::filesystem::path& path, std::size_t max, Bytes& out);
};

// "WHAT PATH: Device or resource busy". kPermissionDenied, kNotFound or kUnavailable.
Error DeviceError(const char* what, const std::filesystem::path& path, int error_number);

}  // namespace anchorhold::host
