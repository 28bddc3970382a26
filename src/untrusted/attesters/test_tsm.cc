#include "untrusted/attesters/test_tsm.h"

#include <cerrno>
#include <fstream>

namespace anchorhold::host::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kInblobBytesMax = 64;

void Put(const fs::path& path, ByteSpan bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << AsText(bytes);
}

}  // namespace

int FakeTsm::MakeFolder(const fs::path& path) {
  const int error = DeviceFiles::MakeFolder(path);
  if (error != 0) return error;
  for (const char* name : {"inblob", "privlevel", "outblob"}) Put(path / name, {});
  Put(path / "generation", AsBytes("0\n"));
  Put(path / "provider", AsBytes(behaviour_.provider + "\n"));
  if (behaviour_.auxblob.has_value()) Put(path / "auxblob", *behaviour_.auxblob);
  behaviour_.calls.emplace_back("mkdir");
  return 0;
}

int FakeTsm::RemoveFolder(const fs::path& path) {
  for (const auto& attribute : fs::directory_iterator(path)) fs::remove(attribute);
  behaviour_.calls.emplace_back("rmdir");
  return DeviceFiles::RemoveFolder(path);
}

std::uint64_t FakeTsm::Generation(const fs::path& request) {
  Bytes text;
  AH_CHECK(DeviceFiles::Read(request / "generation", 64, text) == 0);
  return std::stoull(CopyText(text));
}

void FakeTsm::CountAWrite(const fs::path& request) {
  Put(request / "generation", AsBytes(std::to_string(Generation(request) + 1) + "\n"));
}

int FakeTsm::Write(const fs::path& path, ByteSpan bytes) {
  const std::string name = path.filename();
  behaviour_.calls.push_back("write " + name);
  if (name == "inblob") {
    if (bytes.empty() || bytes.size() > kInblobBytesMax) return EINVAL;
    Put(path.parent_path() / "outblob", behaviour_.outblob(bytes));
  } else if (name == "privlevel") {
    behaviour_.privlevel = CopyText(bytes);
  } else {
    return EACCES;
  }
  const int error = DeviceFiles::Write(path, bytes);
  if (error == 0) CountAWrite(path.parent_path());
  if (name == "inblob" && behaviour_.disturbed > 0) {
    --behaviour_.disturbed;
    CountAWrite(path.parent_path());
  }
  return error;
}

int FakeTsm::Read(const fs::path& path, std::size_t max, Bytes& out) {
  const std::string name = path.filename();
  behaviour_.calls.push_back("read " + name);
  if (name == "inblob" || name == "privlevel") return EACCES;
  if (name == "outblob") {
    if (fs::file_size(path.parent_path() / "inblob") == 0) return EINVAL;
    if (behaviour_.busy > 0) {
      --behaviour_.busy;
      return behaviour_.busy_error;
    }
  }
  return DeviceFiles::Read(path, max, out);
}

}  // namespace anchorhold::host::testing
