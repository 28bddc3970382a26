// The identity of Intel's quoting enclave (enclave identity, version 2): who signed it, which
// product it is, which attributes it must have, and which of its versions have which status.
#pragma once

#include "shared/attest/intel_tcb_info.h"
#include "shared/attest/sgx_report.h"

namespace anchorhold::attest {

struct QeIdentity {
  IntelTee tee = IntelTee::kSgx;
  IntelDates dates;
  std::uint32_t evaluation_number = 0;
  // In memory order, as the report has them; values count where masks have ones.
  Bytes misc_select, misc_select_mask, attributes, attributes_mask, mr_signer;
  std::uint32_t isv_prod_id = 0;
  std::vector<IsvLevel> levels;
};

Result<QeIdentity> ReadQeIdentity(const VerifiedIntelDocument& document);

// Whether the report is of that enclave, of whatever version.
bool IsOfQe(const QeIdentity& identity, const SgxReportFields& report);

}  // namespace anchorhold::attest
