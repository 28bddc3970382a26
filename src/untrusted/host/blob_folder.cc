#include "untrusted/host/blob_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "shared/wire/window.h"

namespace anchorhold::host {
namespace {

constexpr std::size_t kUploadsMax = 512;  // at once: more than the enclave has connections

Error NoSuchUpload(std::uint64_t upload) {
  return NotFound("there is no upload " + std::to_string(upload));
}

}  // namespace

std::filesystem::path BlobFolder::UploadPath(std::uint64_t upload) const {
  return uploads_ / std::to_string(upload);
}

std::filesystem::path BlobFolder::BlobPath(const BlobId& id) const {
  const std::string name = id.hex();
  return blobs_ / name.substr(0, 2) / name;
}

Result<BlobFolder> BlobFolder::Open(const std::filesystem::path& state) {
  BlobFolder folder(state);
  AH_RETURN_IF_ERROR(MakeFolder(folder.blobs_));
  std::error_code error;
  std::filesystem::remove_all(folder.uploads_, error);
  if (error) {
    return Unavailable("cannot clear " + folder.uploads_.string() + ": " + error.message());
  }
  AH_RETURN_IF_ERROR(MakeFolder(folder.uploads_));
  AH_RETURN_IF_ERROR(SyncFolder(state));
  return folder;
}

Result<std::uint64_t> BlobFolder::Begin() {
  if (open_.size() >= kUploadsMax) return LimitExceeded("too many uploads at once");
  const std::uint64_t upload = next_;
  AH_ASSIGN_OR_RETURN(UniqueFd file,
                      OpenFile(UploadPath(upload), O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
  ++next_;
  open_.emplace(upload, std::move(file));
  return upload;
}

Status BlobFolder::Append(std::uint64_t upload, ByteSpan bytes) {
  const auto found = open_.find(upload);
  if (found == open_.end()) return NoSuchUpload(upload);
  return WriteAll(found->second.get(), bytes, UploadPath(upload));
}

Status BlobFolder::Commit(std::uint64_t upload, const BlobId& id) {
  const auto found = open_.find(upload);
  if (found == open_.end()) return NoSuchUpload(upload);
  const std::filesystem::path from = UploadPath(upload);
  const std::filesystem::path to = BlobPath(id);
  if (::fsync(found->second.get()) != 0) return FileError("cannot flush", from);
  AH_RETURN_IF_ERROR(MakeFolder(to.parent_path()));
  AH_RETURN_IF_ERROR(SyncFolder(blobs_));
  if (::rename(from.c_str(), to.c_str()) != 0) return FileError("cannot rename to", to);
  AH_RETURN_IF_ERROR(SyncFolder(to.parent_path()));
  open_.erase(found);
  return Ok();
}

Status BlobFolder::Abort(std::uint64_t upload) {
  const auto found = open_.find(upload);
  if (found == open_.end()) return NoSuchUpload(upload);
  open_.erase(found);
  if (::unlink(UploadPath(upload).c_str()) != 0) {
    return FileError("cannot remove", UploadPath(upload));
  }
  return Ok();
}

Result<Bytes> BlobFolder::Read(const BlobId& id, std::uint64_t offset, std::uint32_t count) const {
  const std::filesystem::path path = BlobPath(id);
  AH_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, O_RDONLY));
  if (offset > limits::kObjectBytesMax) return Bytes();
  Bytes bytes(std::min<std::size_t>(count, wire::kStoreFrameBytesMax - 1));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = ::pread(file.get(), bytes.data() + got, bytes.size() - got,
                              static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("cannot read", path);
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

}  // namespace anchorhold::host
