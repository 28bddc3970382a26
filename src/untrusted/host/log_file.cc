#include "untrusted/host/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "shared/base/reader.h"
#include "shared/wire/window.h"

namespace anchorhold::host {
namespace {

constexpr std::uint64_t kSizeFieldBytes = 4;

// Reads exactly `out`; false if the file ends before.
Result<bool> ReadAt(int fd, std::uint64_t offset, MutableByteSpan out,
                    const std::filesystem::path& path) {
  std::size_t got = 0;
  while (got < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + got, out.size() - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("cannot read", path);
    if (n == 0) return false;
    got += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Result<LogFile> LogFile::Open(const std::filesystem::path& path) {
  AH_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDWR | O_CREAT));
  LogFile log(path, std::move(file));
  AH_RETURN_IF_ERROR(log.Scan());
  AH_RETURN_IF_ERROR(SyncFolder(path.parent_path()));
  return log;
}

Status LogFile::Scan() {
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0) return FileError("cannot look at", path_);
  const auto file_bytes = static_cast<std::uint64_t>(info.st_size);
  while (end_ < file_bytes) {
    std::array<std::byte, kSizeFieldBytes> field{};
    AH_ASSIGN_OR_RETURN(const bool whole, ReadAt(file_.get(), end_, field, path_));
    if (!whole) break;
    ByteReader reader(field);
    AH_ASSIGN_OR_RETURN(const std::uint32_t size, reader.ReadU32());
    if (size == 0 || size > wire::kStoreFrameBytesMax) {
      return IntegrityError(path_.string() + ": the record at offset " + std::to_string(end_) +
                            " has an impossible size; restore the file from a copy");
    }
    if (file_bytes - end_ < kSizeFieldBytes + size) break;
    offsets_.push_back(end_);
    end_ += kSizeFieldBytes + size;
  }
  if (end_ == file_bytes) return Ok();
  if (::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0 || ::fsync(file_.get()) != 0) {
    return FileError("cannot remove an unfinished record from", path_);
  }
  return Ok();
}

Status LogFile::WriteFrame(ByteSpan record) {
  ByteWriter frame;
  frame.WriteSized(record);
  if (::lseek(file_.get(), static_cast<off_t>(end_), SEEK_SET) < 0) {
    return FileError("cannot seek in", path_);
  }
  AH_RETURN_IF_ERROR(WriteAll(file_.get(), frame.bytes(), path_));
  if (::fdatasync(file_.get()) != 0) return FileError("cannot flush", path_);
  return Ok();
}

Status LogFile::Append(std::uint64_t index, ByteSpan record) {
  if (broken_) return Unavailable(path_.string() + ": an earlier write failed half-way");
  if (record.empty() || record.size() > wire::kStoreFrameBytesMax) {
    return LimitExceeded("a record of " + std::to_string(record.size()) + " bytes");
  }
  if (index < size()) {
    AH_ASSIGN_OR_RETURN(const std::optional<Bytes> present, Read(index));
    if (present && BytesEqual(*present, record)) return Ok();
    return AlreadyExists("record " + std::to_string(index) + " is already written");
  }
  if (index > size()) return InvalidInput("record " + std::to_string(index) + " leaves a gap");
  const Status written = WriteFrame(record);
  if (!written.ok()) {
    broken_ = ::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0;
    return written;
  }
  offsets_.push_back(end_);
  end_ += kSizeFieldBytes + record.size();
  return Ok();
}

Result<std::optional<Bytes>> LogFile::Read(std::uint64_t index) const {
  if (index >= size()) return std::optional<Bytes>();
  const std::uint64_t begin = offsets_[index] + kSizeFieldBytes;
  const std::uint64_t end = index + 1 < size() ? offsets_[index + 1] : end_;
  Bytes record(end - begin);
  AH_ASSIGN_OR_RETURN(const bool whole, ReadAt(file_.get(), begin, record, path_));
  if (!whole) return Unavailable(path_.string() + " became shorter while it was open");
  return std::optional<Bytes>(std::move(record));
}

}  // namespace anchorhold::host
