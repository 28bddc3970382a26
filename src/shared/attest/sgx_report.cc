#include "shared/attest/sgx_report.h"

#include "shared/attest/fields.h"

namespace anchorhold::attest {

Result<SgxReportFields> ParseSgxReport(ByteSpan bytes) {
  if (bytes.size() != kSgxReportBytes) {
    return InvalidInput("an enclave's report has 384 bytes, not " + std::to_string(bytes.size()));
  }
  const Fields in(bytes);
  SgxReportFields out;
  out.cpu_svn = in.Copy(0, 16);
  out.misc_select = in.Copy(16, 4);
  out.isv_ext_prod_id = in.Copy(32, 16);
  out.attributes = in.Copy(48, 16);
  out.mr_enclave = in.Copy(64, 32);
  out.mr_signer = in.Copy(128, 32);
  out.config_id = in.Copy(192, 64);
  out.isv_prod_id = in.U16(256);
  out.isv_svn = in.U16(258);
  out.config_svn = in.U16(260);
  out.isv_family_id = in.Copy(304, 16);
  out.report_data = in.Copy(320, 64);
  return out;
}

Claim SgxReportClaims(const SgxReportFields& fields) {
  Claim out = Claim::Map();
  out.Add("cpusvn", Claim::Hex(fields.cpu_svn));
  out.Add("miscselect", Claim::Hex(fields.misc_select));
  out.Add("isvextprodid", Claim::Hex(fields.isv_ext_prod_id));
  out.Add("attributes", Claim::Hex(fields.attributes));
  out.Add("debug", Claim::Number(fields.Debug() ? 1 : 0));
  out.Add("mrenclave", Claim::Hex(fields.mr_enclave));
  out.Add("mrsigner", Claim::Hex(fields.mr_signer));
  out.Add("configid", Claim::Hex(fields.config_id));
  out.Add("isvprodid", Claim::Number(fields.isv_prod_id));
  out.Add("isvsvn", Claim::Number(fields.isv_svn));
  out.Add("configsvn", Claim::Number(fields.config_svn));
  out.Add("isvfamilyid", Claim::Hex(fields.isv_family_id));
  out.Add("report_data", Claim::Hex(fields.report_data));
  return out;
}

}  // namespace anchorhold::attest
