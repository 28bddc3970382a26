// TCB info (Intel SGX and TDX Provisioning Certification Service API): which versions of a
// platform's parts have which status. Version 2 is of SGX alone and names its components one by
// one; version 3 has arrays, an id, and for TDX the modules.
#pragma once

#include <array>

#include "shared/attest/intel_document.h"
#include "shared/attest/intel_pck.h"
#include "shared/attest/intel_tcb_status.h"
#include "shared/attest/td_report.h"

namespace anchorhold::attest {

enum class IntelTee { kSgx, kTdx };

// From when until when a document holds, both included.
struct IntelDates {
  UnixSeconds issue_date;
  UnixSeconds next_update;
  bool Contain(UnixSeconds now) const { return issue_date <= now && now <= next_update; }
};

// Who may have made a TDX module. `attributes` counts where `attributes_mask` has ones.
struct TdxModuleIdentity {
  std::string id;  // "TDX_01"; empty for modules of version 1.0
  Bytes mr_signer, attributes, attributes_mask;
  std::vector<IsvLevel> levels;  // none of 1.0, whose version is among the TDX components
};

struct TcbLevel {
  TcbComponents sgx_components{}, tdx_components{};
  std::uint32_t pce_svn = 0;
  TcbJudgement judgement;
};

struct TcbInfo {
  std::uint32_t version = 0;
  IntelTee tee = IntelTee::kSgx;
  IntelDates dates;
  Bytes fmspc, pceid;
  std::uint32_t evaluation_number = 0;
  std::vector<TdxModuleIdentity> modules;
  std::vector<TcbLevel> levels;  // in the document's order, the newest first
};

// kInvalidInput, kUnsupported (another version or type of TCB), kLimitExceeded.
Result<TcbInfo> ReadTcbInfo(const VerifiedIntelDocument& document);

// Of the first level that asks for nothing newer than the platform has: the PCK's components and
// PCESVN and, of a TD, TEE_TCB_SVN (from its third byte on if the second is not zero: the first two
// are then the module's, which are judged by its identity).
TcbJudgement MatchTcbLevel(const TcbInfo& info, const PckFields& pck, const TdReportFields* td);

// The identity that the TD's module must have; null if the document has none for its version.
const TdxModuleIdentity* FindTdxModule(const TcbInfo& info, const TdReportFields& td);
bool IsOfTdxModule(const TdxModuleIdentity& identity, const TdReportFields& td);

}  // namespace anchorhold::attest
