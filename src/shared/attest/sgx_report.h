// The report of an SGX enclave (Intel SDM, volume 3D, REPORTBODY): 384 bytes, little-endian.
//
//   0 cpu_svn(16)  16 misc_select(4)  32 isv_ext_prod_id(16)  48 attributes(16)
//   64 mr_enclave(32)  128 mr_signer(32)  192 config_id(64)  256 isv_prod_id(2)  258 isv_svn(2)
//   260 config_svn(2)  304 isv_family_id(16)  320 report_data(64)
#pragma once

#include "shared/attest/claims.h"

namespace anchorhold::attest {

inline constexpr std::size_t kSgxReportBytes = 384;

struct SgxReportFields {
  Bytes cpu_svn, misc_select, isv_ext_prod_id, attributes, mr_enclave, mr_signer, config_id;
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  Bytes isv_family_id, report_data;

  bool Debug() const { return (attributes[0] & std::byte{2}) != std::byte{0}; }
};

// kInvalidInput for another length.
Result<SgxReportFields> ParseSgxReport(ByteSpan bytes);
// {"cpusvn": "...", "mrenclave": "...", "debug": 0, ...}
Claim SgxReportClaims(const SgxReportFields& fields);

}  // namespace anchorhold::attest
