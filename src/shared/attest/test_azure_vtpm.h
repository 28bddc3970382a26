// A confidential VM of Azure for tests: hardware of our own (test_snp.h, test_intel.h) that vouches
// for claims about a virtual TPM of our own (test_tpm2.h). Every part can be bent before it is
// made.
#pragma once

#include "shared/attest/hcl_report.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"
#include "shared/attest/test_tpm2.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kAzureNow{1'750'000'000};

class AzureVm {
 public:
  explicit AzureVm(HclReportType type);

  // Lays the hash of `claims` into the hardware's report.
  void BindClaims();
  Bytes HclReport() const;
  // Files by role, collateral of a TD quote included.
  std::map<std::string, Bytes> Files() const;
  // Files of an earlier call with all but the certificates anew.
  std::map<std::string, Bytes> WithEvidence(std::map<std::string, Bytes> files) const;
  // Names our roots; every rule is set, and holds.
  AppraisalPolicy Policy() const;

  HclReportType type;
  SnpPlatform snp;
  IntelPlatform intel;
  Tpm tpm;
  std::string claims;
  std::uint32_t version = 2, request_type = 2, status = 0, runtime_version = 1, hash_type = 1;
  std::uint32_t report_type;
  Bytes trailing = Bytes(64);
  Bytes td_report_padding = Bytes(160);

 private:
  Bytes TdReport() const;
};

// Claims about a key that a TPM of ours has.
std::string RuntimeClaims(const Tpm& tpm);

}  // namespace anchorhold::attest::testing
