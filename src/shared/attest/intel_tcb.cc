#include "shared/attest/intel_tcb.h"

#include <algorithm>

namespace anchorhold::attest {
namespace {

void SetEvaluationNumber(IntelTcb& tcb, std::uint32_t number) {
  tcb.evaluation_number = std::min(tcb.evaluation_number.value_or(number), number);
}

Claim TextList(const std::vector<std::string>& texts) {
  Claim out = Claim::List();
  for (const std::string& text : texts) out.Add(Claim::Text(text));
  return out;
}

}  // namespace

Status JudgeByTcbInfo(Appraiser& appraiser, const TcbInfo& info, const PckFields& pck,
                      const TdReportFields* td, IntelTcb& tcb) {
  AH_RETURN_IF_ERROR(appraiser.Check(
      "tcb_info_fmspc_matches_pck", info.fmspc == pck.fmspc && info.pceid == pck.pceid,
      "the TCB info is of platforms " + ToHex(info.fmspc) + "/" + ToHex(info.pceid) +
          ", and this one is of " + ToHex(pck.fmspc) + "/" + ToHex(pck.pceid)));
  tcb.tcb_info_version = info.version;
  SetEvaluationNumber(tcb, info.evaluation_number);
  tcb.platform = MatchTcbLevel(info, pck, td);
  if (td == nullptr) return Ok();
  const TdxModuleIdentity* const module = FindTdxModule(info, *td);
  AH_RETURN_IF_ERROR(appraiser.Check("tdx_module_identity",
                                     module != nullptr && IsOfTdxModule(*module, *td),
                                     "the TD runs on a TDX module that Intel does not name"));
  if (module->id.empty()) return Ok();
  tcb.module_id = module->id;
  tcb.module_isv_svn = std::to_integer<std::uint32_t>(td->tee_tcb_svn[0]);
  tcb.module = MatchIsvLevel(module->levels, tcb.module_isv_svn);
  return Ok();
}

Status JudgeByQeIdentity(Appraiser& appraiser, const QeIdentity& identity,
                         const SgxReportFields& qe_report, IntelTcb& tcb) {
  AH_RETURN_IF_ERROR(appraiser.Check("qe_identity_matches_qe_report", IsOfQe(identity, qe_report),
                                     "the quote was made by another enclave than Intel's"));
  SetEvaluationNumber(tcb, identity.evaluation_number);
  tcb.qe = MatchIsvLevel(identity.levels, qe_report.isv_svn);
  return Ok();
}

void ConcludeTcb(IntelTcb& tcb) {
  for (const auto* part : {&tcb.platform, &tcb.module, &tcb.qe}) {
    if (!part->has_value()) continue;
    for (const std::string& id : (*part)->advisories) {
      if (std::find(tcb.advisories.begin(), tcb.advisories.end(), id) == tcb.advisories.end()) {
        tcb.advisories.push_back(id);
      }
    }
  }
  if (!tcb.platform.has_value() || !tcb.qe.has_value()) return;
  tcb.status = MergeTcbStatus(tcb.platform->status, tcb.qe->status);
  if (tcb.module.has_value()) tcb.status = MergeTcbStatus(*tcb.status, tcb.module->status);
}

Claim IntelTcbClaims(const IntelTcb& tcb) {
  Claim out = Claim::Map();
  if (tcb.platform.has_value()) {
    const auto& date = tcb.platform->date;
    out.Add("platform", Claim::Text(TcbStatusName(tcb.platform->status)));
    out.Add("platform_tcb_date", date ? Claim::Text(FormatTime(*date)) : Claim::Null());
    out.Add("tcb_info_version", Claim::Number(*tcb.tcb_info_version));
    out.Add("advisories", TextList(tcb.platform->advisories));
  }
  if (tcb.module.has_value()) {
    Claim module = Claim::Map();
    module.Add("kind", Claim::Text(tcb.module_id));
    module.Add("isvsvn", Claim::Number(tcb.module_isv_svn));
    module.Add("status", Claim::Text(TcbStatusName(tcb.module->status)));
    module.Add("advisories", TextList(tcb.module->advisories));
    out.Add("tdx_module", std::move(module));
  }
  if (tcb.qe.has_value()) {
    out.Add("qe", Claim::Text(TcbStatusName(tcb.qe->status)));
    out.Add("qe_advisories", TextList(tcb.qe->advisories));
  }
  if (tcb.evaluation_number.has_value()) {
    out.Add("tcb_evaluation_data_number", Claim::Number(*tcb.evaluation_number));
  }
  out.Add("merged", tcb.status ? Claim::Text(TcbStatusName(*tcb.status)) : Claim::Null());
  return out;
}

}  // namespace anchorhold::attest
