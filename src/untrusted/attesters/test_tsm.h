// The kernel's part of configfs-tsm, played over a folder of real files: making a request puts its
// attributes there, every write counts in `generation`, and an answer can be read once there is
// something to answer.
#pragma once

#include <functional>

#include "untrusted/attesters/device_files.h"

namespace anchorhold::host::testing {

// How the kernel is to behave. Shared by the attester and the test that bends it.
struct TsmBehaviour {
  std::string provider = "sev_guest";
  // The answer to an inblob, and the table that comes with it; nullopt: there is no auxblob.
  std::function<Bytes(ByteSpan inblob)> outblob;
  std::optional<Bytes> auxblob = std::nullopt;
  int busy = 0;  // this many reads of outblob end with `busy_error`
  int busy_error = 0;
  int disturbed = 0;                    // between this many writes and reads, somebody else writes
  std::vector<std::string> calls = {};  // "write inblob"
  std::string privlevel = {};
};

class FakeTsm final : public DeviceFiles {
 public:
  explicit FakeTsm(TsmBehaviour& behaviour) : behaviour_(behaviour) {}

  int MakeFolder(const std::filesystem::path& path) override;
  int RemoveFolder(const std::filesystem::path& path) override;
  int Write(const std::filesystem::path& path, ByteSpan bytes) override;
  int Read(const std::filesystem::path& path, std::size_t max, Bytes& out) override;

 private:
  void CountAWrite(const std::filesystem::path& request);
  std::uint64_t Generation(const std::filesystem::path& request);

  TsmBehaviour& behaviour_;
};

}  // namespace anchorhold::host::testing
