#include "shared/attest/td_report.h"

#include "shared/attest/fields.h"

namespace anchorhold::attest {

Result<TdReportFields> ParseTdReport(ByteSpan bytes) {
  if (bytes.size() != kTdReport10Bytes && bytes.size() != kTdReport15Bytes) {
    return InvalidInput("a TD report has 584 or 648 bytes, not " + std::to_string(bytes.size()));
  }
  const Fields in(bytes);
  TdReportFields out;
  out.tee_tcb_svn = in.Copy(0, 16);
  out.mr_seam = in.Copy(16, 48);
  out.mr_signer_seam = in.Copy(64, 48);
  out.seam_attributes = in.Copy(112, 8);
  out.td_attributes = in.Copy(120, 8);
  out.xfam = in.Copy(128, 8);
  out.mr_td = in.Copy(136, 48);
  out.mr_config_id = in.Copy(184, 48);
  out.mr_owner = in.Copy(232, 48);
  out.mr_owner_config = in.Copy(280, 48);
  for (std::size_t i = 0; i < kRtmrs; ++i) out.rtmrs[i] = in.Copy(328 + 48 * i, 48);
  out.report_data = in.Copy(520, 64);
  if (bytes.size() == kTdReport15Bytes) {
    out.tee_tcb_svn_2 = in.Copy(584, 16);
    out.mr_service_td = in.Copy(600, 48);
  }
  return out;
}

Claim TdReportClaims(const TdReportFields& fields) {
  Claim out = Claim::Map();
  out.Add("tee_tcb_svn", Claim::Hex(fields.tee_tcb_svn));
  out.Add("mrseam", Claim::Hex(fields.mr_seam));
  out.Add("mrsignerseam", Claim::Hex(fields.mr_signer_seam));
  out.Add("seam_attributes", Claim::Hex(fields.seam_attributes));
  out.Add("td_attributes", Claim::Hex(fields.td_attributes));
  out.Add("xfam", Claim::Hex(fields.xfam));
  out.Add("mrtd", Claim::Hex(fields.mr_td));
  out.Add("mrconfigid", Claim::Hex(fields.mr_config_id));
  out.Add("mrowner", Claim::Hex(fields.mr_owner));
  out.Add("mrownerconfig", Claim::Hex(fields.mr_owner_config));
  for (std::size_t i = 0; i < kRtmrs; ++i) {
    out.Add("rtmr" + std::to_string(i), Claim::Hex(fields.rtmrs[i]));
  }
  out.Add("report_data", Claim::Hex(fields.report_data));
  if (fields.tee_tcb_svn_2.has_value()) {
    out.Add("tee_tcb_svn2", Claim::Hex(*fields.tee_tcb_svn_2));
    out.Add("mr_service_td", Claim::Hex(*fields.mr_service_td));
  }
  const bool debug = (fields.td_attributes[0] & std::byte{1}) != std::byte{0};
  out.Add("debug", Claim::Number(debug ? 1 : 0));
  out.Add("migratable", Claim::Number(fields.Migratable() ? 1 : 0));
  return out;
}

}  // namespace anchorhold::attest
