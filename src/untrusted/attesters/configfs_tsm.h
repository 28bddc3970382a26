// SEV-SNP and TDX through Linux's configfs-tsm (Documentation/ABI/testing/configfs-tsm-report):
//
//   mkdir ROOT/NAME            a request of one's own; the kernel puts its attributes there
//   provider      read         "sev_guest", "tdx_guest"
//   generation    read         how often an attribute of this request was written
//   privlevel     write        SEV-SNP: the privilege level (VMPL) to be reported
//   inblob        write        the report data, 64 bytes
//   outblob       read         the report or quote over what was written; EWOULDBLOCK if somebody
//                              wrote meanwhile, EBUSY while the platform has no time
//   auxblob       read         SEV-SNP: the host's table of certificates; may be empty or absent
//   rmdir ROOT/NAME
//
// An answer counts if `generation` has moved by one's own writes and no further, before and after
// it was read; otherwise somebody else used the request, and it is made anew.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "untrusted/attesters/device_files.h"
#include "untrusted/attesters/evidence_device.h"

namespace anchorhold::host {

inline constexpr const char* kConfigfsTsmRoot = "/sys/kernel/config/tsm/report";
inline constexpr int kTsmAttempts = 10;

struct ConfigfsTsmOptions {
  std::filesystem::path root = kConfigfsTsmRoot;
  std::optional<unsigned> privlevel = std::nullopt;  // SEV-SNP only; otherwise the kernel's choice
  // Between attempts, twice as long each time.
  std::chrono::milliseconds first_pause{10};
};

class ConfigfsTsm final : public EvidenceDevice {
 public:
  // Makes one request to learn the provider. kNotFound if the machine has no such interface,
  // kUnsupported for a provider that this version does not know.
  static Result<std::unique_ptr<ConfigfsTsm>> Open(ConfigfsTsmOptions options,
                                                   std::unique_ptr<DeviceFiles> files);

  attest::Platform platform() const override { return platform_; }
  Result<std::vector<attest::CarriedFile>> Quote(const attest::ReportData& report_data) override;

 private:
  struct Answer {
    Bytes outblob, auxblob;
  };
  class Request;

  ConfigfsTsm(ConfigfsTsmOptions options, std::unique_ptr<DeviceFiles> files);
  Result<std::string> Provider();
  // Nothing if the request was disturbed, or the platform busy, and has to be made again.
  Result<std::optional<Answer>> Attempt(const attest::ReportData& report_data);

  ConfigfsTsmOptions options_;
  std::unique_ptr<DeviceFiles> files_;
  std::string provider_;
  attest::Platform platform_ = attest::Platform::kSevSnp;
};

}  // namespace anchorhold::host
