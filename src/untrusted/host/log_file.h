// The ledger's records on disk: one append-only file of frames, size(u32) record. What they say is
// sealed by the enclave; the host knows their sizes and their order.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "untrusted/host/files.h"

namespace anchorhold::host {

class LogFile {
 public:
  // Reads the frames' sizes. A last frame that a crash cut short was never acknowledged: it is
  // removed. kIntegrity for a size that no record has, with nothing removed.
  static Result<LogFile> Open(const std::filesystem::path& path);

  std::uint64_t size() const { return offsets_.size(); }
  // Durable when it returns. `index` must be size(), or that of an equal record (a repeated call).
  // On failure the file is as it was.
  Status Append(std::uint64_t index, ByteSpan record);
  // The record, or nothing past the end.
  Result<std::optional<Bytes>> Read(std::uint64_t index) const;

 private:
  LogFile(std::filesystem::path path, UniqueFd file)
      : path_(std::move(path)), file_(std::move(file)) {}
  Status Scan();
  Status WriteFrame(ByteSpan record);

  std::filesystem::path path_;
  UniqueFd file_;
  std::vector<std::uint64_t> offsets_;  // of each frame
  std::uint64_t end_ = 0;               // where the next one goes
  bool broken_ = false;                 // a failed write could not be taken back
};

}  // namespace anchorhold::host
