// The report that a TDX module makes for its own machine (TDREPORT, Intel TDX Module ABI), 1024
// bytes, as the paravisor of an Azure VM hands it over. It is not signed but carries a MAC that
// only that machine can check, so what it says counts for nothing until a quote says the same.
//
//   0 type(0x81) subtype(0) version(0, 1) zeros(13) cpusvn(16) tee_tcb_info_hash(48)
//   80 tee_info_hash(48) report_data(64) zeros(32) mac(32)
//   256 tee_tcb_info(239): valid(8), then 120 bytes as a quote's report begins    495 zeros(17)
//   512 td info(512): 400 bytes as they follow in a quote's report, and more
//
// Both hashes are SHA-384, of tee_tcb_info and of td info.
#pragma once

#include "shared/attest/td_report.h"

namespace anchorhold::attest {

struct HclTdReport {
  std::uint8_t version = 0;
  Bytes cpusvn, tee_tcb_info_hash, tee_info_hash, mac;
  bool hashes_hold = false;
  TdReportFields report;  // as a quote of TDX 1.0 would have it
};

// kInvalidInput for another length, type or anything but zeros where they belong.
Result<HclTdReport> ParseHclTdReport(ByteSpan bytes);
Claim HclTdReportClaims(const HclTdReport& fields);
// Whether the quote's report is of the same TD in the same state; everything is compared.
bool SameTd(const TdReportFields& ours, const TdReportFields& quoted);

}  // namespace anchorhold::attest
