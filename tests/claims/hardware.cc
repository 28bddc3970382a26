#include "tests/claims/hardware.h"

#include <unistd.h>

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;

// The enclave's side without the enclave: carries what the device says.
class DeviceAttester final : public attest::Attester {
 public:
  DeviceAttester(std::unique_ptr<host::EvidenceDevice> device, attest::Measurement measurement)
      : device_(std::move(device)), measurement_(std::move(measurement)) {}
  attest::Platform platform() const override { return device_->platform(); }
  const attest::Measurement& measurement() const override { return measurement_; }
  Result<attest::UnverifiedEvidence> Attest(const attest::ReportData& report_data) override {
    AH_ASSIGN_OR_RETURN(auto files, device_->Quote(report_data));
    AH_ASSIGN_OR_RETURN(Bytes body, attest::SerializeCarried(std::move(files)));
    return attest::UnverifiedEvidence{platform(), std::move(body)};
  }
  Result<crypto::SecretBytes> SealingRoot() override { return crypto::SecretBytes(32); }

 private:
  std::unique_ptr<host::EvidenceDevice> device_;
  attest::Measurement measurement_;
};

}  // namespace

Machine::Machine(attest::testing::SnpPlatform platform)
    : endorsements(platform.Files()), platform_(std::move(platform)) {
  endorsements.erase("report");
  std::string pattern = (fs::temp_directory_path() / "anchorhold-claims-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  behaviour_.outblob = [this](ByteSpan inblob) {
    std::copy(inblob.begin(), inblob.end(), platform_.report.begin() + 0x50);
    return platform_.SignedReport();
  };
}

Machine::~Machine() { fs::remove_all(folder_); }

std::unique_ptr<attest::Attester> Machine::Attester() {
  auto device = host::ConfigfsTsm::Open({.root = folder_},
                                        std::make_unique<host::testing::FakeTsm>(behaviour_));
  AH_CHECK(device.ok());
  return std::make_unique<DeviceAttester>(std::move(device).value(), Policy().measurements[0]);
}

Result<std::vector<attest::CarriedFile>> Machine::Find(UnixSeconds, const attest::Kind&,
                                                       const attest::UnverifiedFiles&) const {
  std::vector<attest::CarriedFile> out;
  for (const auto& [role, bytes] : endorsements) out.push_back({role, bytes});
  return out;
}

}  // namespace anchorhold::testing
