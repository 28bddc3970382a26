#include "untrusted/attesters/gramine.h"

namespace anchorhold::host {
namespace {

constexpr std::size_t kTypeBytesMax = 64;
constexpr std::size_t kQuoteBytesMax = 32 * 1024;

}  // namespace

Result<std::unique_ptr<Gramine>> Gramine::Open(std::filesystem::path root,
                                               std::unique_ptr<DeviceFiles> files) {
  Bytes type;
  const std::filesystem::path path = root / "attestation_type";
  if (const int error = files->Read(path, kTypeBytesMax, type); error != 0) {
    return DeviceError("cannot read", path, error);
  }
  std::string name = CopyText(type);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  if (name != "dcap") {
    return Unsupported("Gramine attests with '" + name +
                       "'; set sgx.remote_attestation = \"dcap\" in its manifest");
  }
  return std::unique_ptr<Gramine>(new Gramine(std::move(root), std::move(files)));
}

Result<std::vector<attest::CarriedFile>> Gramine::Quote(const attest::ReportData& report_data) {
  const std::filesystem::path input = root_ / "user_report_data";
  const Bytes bound = attest::BoundBytes(platform(), report_data);
  if (const int error = files_->Write(input, bound); error != 0) {
    return DeviceError("cannot write", input, error);
  }
  const std::filesystem::path output = root_ / "quote";
  Bytes quote;
  if (const int error = files_->Read(output, kQuoteBytesMax, quote); error != 0) {
    return DeviceError("cannot read", output, error);
  }
  std::vector<attest::CarriedFile> out;
  out.push_back({"quote", std::move(quote)});
  return out;
}

}  // namespace anchorhold::host
