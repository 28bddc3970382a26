// The rules that are the same for every quote of Intel's, within [tdx] and [sgx-dcap]:
//
//   crls = "required"                        # or "if-given"
//   tcb_statuses = ["UpToDate"]              # or more of Intel's names, or "not-checked"
//   tcb_advisories = ["INTEL-SA-00615"]      # what a status may come with; [] is none
//   tcb_evaluation_data_number_min = 17      # of the collateral
//   roots = ["vendor"]                       # Intel SGX Root CA; or SHA-256 values of other keys
//
// The three about the TCB may be "not-checked". While one is checked, TCB info and the quoting
// enclave's identity have to be given. "Revoked" cannot be accepted.
#pragma once

#include "shared/attest/intel_tcb_status.h"
#include "shared/attest/policy_rules.h"

namespace anchorhold::attest {

struct IntelRules {
  bool require_crls = false;
  // Nothing: not checked.
  std::optional<std::vector<TcbStatus>> tcb_statuses = std::nullopt;
  std::optional<std::vector<std::string>> tcb_advisories = std::nullopt;
  std::optional<std::uint32_t> evaluation_number_min = std::nullopt;
  RootRule roots = {};

  bool NeedsCollateral() const {
    return tcb_statuses.has_value() || tcb_advisories.has_value() ||
           evaluation_number_min.has_value();
  }
};

// Of the kind's table.
Result<IntelRules> ReadIntelRules(wire::TomlTable& table);
std::string FormatIntelRules(const IntelRules& rules);

}  // namespace anchorhold::attest
