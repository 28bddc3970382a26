// SGX through /dev/attestation, which Gramine shows to a program that it runs inside an SGX
// enclave:
//
//   attestation_type   read    "none", "epid" or "dcap"
//   user_report_data   write   64 bytes, kept until the next write
//   quote              read    a quote over them
#pragma once

#include <memory>

#include "untrusted/attesters/device_files.h"
#include "untrusted/attesters/evidence_device.h"

namespace anchorhold::host {

inline constexpr const char* kGramineRoot = "/dev/attestation";

class Gramine final : public EvidenceDevice {
 public:
  // kNotFound if the program does not run under Gramine, kUnsupported unless Gramine was told to
  // attest with DCAP.
  static Result<std::unique_ptr<Gramine>> Open(std::filesystem::path root,
                                               std::unique_ptr<DeviceFiles> files);

  attest::Platform platform() const override { return attest::Platform::kSgxDcap; }
  Result<std::vector<attest::CarriedFile>> Quote(const attest::ReportData& report_data) override;

 private:
  Gramine(std::filesystem::path root, std::unique_ptr<DeviceFiles> files)
      : root_(std::move(root)), files_(std::move(files)) {}
  std::filesystem::path root_;
  std::unique_ptr<DeviceFiles> files_;
};

}  // namespace anchorhold::host
