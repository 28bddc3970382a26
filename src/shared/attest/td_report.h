// The report of a trust domain as a quote carries it (Intel TDX Module ABI, TDINFO and
// TEE_TCB_INFO), little-endian: 584 bytes for TDX 1.0, 648 for TDX 1.5.
//
//   0 tee_tcb_svn(16)  16 mr_seam(48)  64 mr_signer_seam(48)  112 seam_attributes(8)
//   120 td_attributes(8)  128 xfam(8)  136 mr_td(48)  184 mr_config_id(48)  232 mr_owner(48)
//   280 mr_owner_config(48)  328 rtmr0 to rtmr3 (48 each)  520 report_data(64)
//   584 tee_tcb_svn_2(16)  600 mr_service_td(48)               in 1.5 alone
#pragma once

#include <array>
#include <optional>

#include "shared/attest/claims.h"

namespace anchorhold::attest {

inline constexpr std::size_t kTdReport10Bytes = 584;
inline constexpr std::size_t kTdReport15Bytes = 648;
inline constexpr std::size_t kRtmrs = 4;

struct TdReportFields {
  Bytes tee_tcb_svn, mr_seam, mr_signer_seam, seam_attributes;
  Bytes td_attributes, xfam, mr_td, mr_config_id, mr_owner, mr_owner_config;
  std::array<Bytes, kRtmrs> rtmrs;
  Bytes report_data;
  std::optional<Bytes> tee_tcb_svn_2, mr_service_td;

  // Any of the attributes under which the host sees into the TD: debugging (bit 0), profiling, and
  // what the group's other bits (1 to 7) will stand for.
  bool UnderDebug() const { return td_attributes[0] != std::byte{0}; }
  bool SeptVeDisabled() const { return Attribute(28); }
  bool Migratable() const { return Attribute(29); }

 private:
  bool Attribute(std::size_t bit) const {
    return (td_attributes[bit / 8] >> (bit % 8) & std::byte{1}) != std::byte{0};
  }
};

// kInvalidInput for another length.
Result<TdReportFields> ParseTdReport(ByteSpan bytes);
// {"tee_tcb_svn": "...", "mrtd": "...", "debug": 0, ...}
Claim TdReportClaims(const TdReportFields& fields);

}  // namespace anchorhold::attest
