// The status of a platform's TCB: what TCB info says of the machine (and of the TDX module), and
// the identity of the quoting enclave of that enclave.
#pragma once

#include "shared/attest/intel_qe_identity.h"
#include "shared/attest/result.h"

namespace anchorhold::attest {

struct IntelTcb {
  std::optional<TcbJudgement> platform;
  std::optional<TcbJudgement> module;  // of a TDX module that has an identity of its own
  std::string module_id;
  std::uint32_t module_isv_svn = 0;
  std::optional<TcbJudgement> qe;
  // Of all together; nothing unless both documents were given.
  std::optional<TcbStatus> status;
  std::vector<std::string> advisories;  // of all, each once
  std::optional<std::uint32_t> tcb_info_version;
  std::optional<std::uint32_t> evaluation_number;  // the lower of the two documents'
};

// Judge by a document that is genuine; the checks are tcb_info_fmspc_matches_pck and
// tdx_module_identity, and qe_identity_matches_qe_report. `td` is null for an enclave.
Status JudgeByTcbInfo(Appraiser& appraiser, const TcbInfo& info, const PckFields& pck,
                      const TdReportFields* td, IntelTcb& tcb);
Status JudgeByQeIdentity(Appraiser& appraiser, const QeIdentity& identity,
                         const SgxReportFields& qe_report, IntelTcb& tcb);
// Merges what was found; after both.
void ConcludeTcb(IntelTcb& tcb);

// {"platform": "UpToDate", "advisories": [...], "qe": ..., "merged": ...}: what is known.
Claim IntelTcbClaims(const IntelTcb& tcb);

}  // namespace anchorhold::attest
