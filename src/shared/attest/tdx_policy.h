// The rules of a policy for Intel TDs: its table [tdx]. Of intel_policy.h's rules those about the
// TCB, and:
//
//   debug = "forbidden"              # or "allowed": the host may see into the TD
//   migration = "forbidden"          # or "allowed": the TD may be moved to another machine
//   sept_ve_disable = "required"     # or "not-checked": no #VE for pages that the host takes away
//   event_log = "if-given"           # or "required": RTMRs are replayed from a log
//   td_attributes = "not-checked"    # or a list of 8 bytes in hex, as of xfam
//   xfam = "not-checked"
//   mr_seam = "not-checked"          # the TDX module; or a list of 48 bytes in hex, as of the rest
//   mr_config_id = "not-checked"
//   mr_owner = "not-checked"
//   mr_owner_config = "not-checked"
//   mr_service_td = "not-checked"    # of TDX 1.5
//   rtmr0 = "not-checked"            # and rtmr1, rtmr2, rtmr3
//
// `measurements` are of MRTD, the TD's first memory: usually its firmware. What that loads is in
// the RTMRs. Nothing may be left out.
#pragma once

#include <array>

#include "shared/attest/intel_policy.h"
#include "shared/attest/td_report.h"

namespace anchorhold::attest {

struct TdxPolicy {
  using Accepted = std::optional<std::vector<Bytes>>;  // nothing: not checked
  bool allow_debug = false;
  bool allow_migration = false;
  bool require_sept_ve_disable = false;
  bool require_event_log = false;
  Accepted td_attributes, xfam, mr_seam, mr_config_id, mr_owner, mr_owner_config, mr_service_td;
  std::array<Accepted, kRtmrs> rtmrs;
  IntelRules intel;
};

// A rule that lists what a field of the report may be.
struct TdxListRule {
  std::string_view key;
  std::size_t bytes;
  TdxPolicy::Accepted* accepted;
};
std::vector<TdxListRule> ListRules(TdxPolicy& policy);

// `document` is the whole policy.
Result<TdxPolicy> ReadTdxPolicy(wire::TomlTable& document);
// The table, header included.
std::string FormatTdxPolicy(const TdxPolicy& policy);

}  // namespace anchorhold::attest
