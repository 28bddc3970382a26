#include "shared/attest/hcl_td_report.h"

#include "shared/attest/fields.h"
#include "shared/crypto/hash.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kTdReportBytes = 1024;
constexpr std::uint8_t kType = 0x81;
constexpr std::size_t kTcbInfoAt = 256;
constexpr std::size_t kTcbInfoBytes = 239;
constexpr std::size_t kTdInfoAt = 512;
constexpr std::size_t kTdInfoBytes = 512;

// The report of a quote: the parts of this one that are signed there, in the order of there.
Bytes AsQuoted(const Fields& in) {
  Bytes out = in.Copy(kTcbInfoAt + 8, 120);
  AppendBytes(out, in.Span(kTdInfoAt, 400));
  AppendBytes(out, in.Span(128, 64));
  return out;
}

}  // namespace

Result<HclTdReport> ParseHclTdReport(ByteSpan bytes) {
  if (bytes.size() != kTdReportBytes) return InvalidInput("a TDREPORT has 1024 bytes");
  const Fields in(bytes);
  HclTdReport out;
  out.version = in.U8(2);
  if (in.U8(0) != kType || in.U8(1) != 0 || out.version > 1) {
    return Unsupported("a TDREPORT of another type or version");
  }
  if (!AllZero(in.Span(3, 13)) || !AllZero(in.Span(192, 32)) || !AllZero(in.Span(495, 17))) {
    return InvalidInput("a TDREPORT with bytes that are not zero");
  }
  out.cpusvn = in.Copy(16, 16);
  out.tee_tcb_info_hash = in.Copy(32, 48);
  out.tee_info_hash = in.Copy(80, 48);
  out.mac = in.Copy(224, 32);
  out.hashes_hold =
      BytesEqual(crypto::Sha384(in.Span(kTcbInfoAt, kTcbInfoBytes)).span(),
                 out.tee_tcb_info_hash) &&
      BytesEqual(crypto::Sha384(in.Span(kTdInfoAt, kTdInfoBytes)).span(), out.tee_info_hash);
  AH_ASSIGN_OR_RETURN(out.report, ParseTdReport(AsQuoted(in)));
  return out;
}

Claim HclTdReportClaims(const HclTdReport& fields) {
  Claim out = Claim::Map();
  out.Add("type", Claim::Number(kType));
  out.Add("subtype", Claim::Number(0));
  out.Add("version", Claim::Number(fields.version));
  out.Add("cpusvn", Claim::Hex(fields.cpusvn));
  out.Add("tee_tcb_info_hash", Claim::Hex(fields.tee_tcb_info_hash));
  out.Add("tee_info_hash", Claim::Hex(fields.tee_info_hash));
  out.Add("report_data", Claim::Hex(fields.report.report_data));
  out.Add("mac", Claim::Hex(fields.mac));
  return out;
}

bool SameTd(const TdReportFields& ours, const TdReportFields& quoted) {
  return ours.tee_tcb_svn == quoted.tee_tcb_svn && ours.mr_seam == quoted.mr_seam &&
         ours.mr_signer_seam == quoted.mr_signer_seam &&
         ours.seam_attributes == quoted.seam_attributes &&
         ours.td_attributes == quoted.td_attributes && ours.xfam == quoted.xfam &&
         ours.mr_td == quoted.mr_td && ours.mr_config_id == quoted.mr_config_id &&
         ours.mr_owner == quoted.mr_owner && ours.mr_owner_config == quoted.mr_owner_config &&
         ours.rtmrs == quoted.rtmrs && ours.report_data == quoted.report_data;
}

}  // namespace anchorhold::attest
