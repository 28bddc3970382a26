#include "shared/attest/intel_tcb_status.h"

#include "shared/attest/intel_document.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kAdvisoriesMax = 256;
constexpr std::size_t kAdvisoryBytesMax = 64;

constexpr std::pair<TcbStatus, std::string_view> kNames[] = {
    {TcbStatus::kUpToDate, "UpToDate"},
    {TcbStatus::kSwHardeningNeeded, "SWHardeningNeeded"},
    {TcbStatus::kConfigurationNeeded, "ConfigurationNeeded"},
    {TcbStatus::kConfigurationAndSwHardeningNeeded, "ConfigurationAndSWHardeningNeeded"},
    {TcbStatus::kOutOfDate, "OutOfDate"},
    {TcbStatus::kOutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    {TcbStatus::kRevoked, "Revoked"}};

bool NeedsConfiguration(TcbStatus status) {
  return status == TcbStatus::kConfigurationNeeded ||
         status == TcbStatus::kConfigurationAndSwHardeningNeeded ||
         status == TcbStatus::kOutOfDateConfigurationNeeded;
}

}  // namespace

std::string_view TcbStatusName(TcbStatus status) {
  for (const auto& [known, name] : kNames) {
    if (known == status) return name;
  }
  return "NotFound";
}

Result<TcbStatus> ParseTcbStatus(std::string_view name) {
  for (const auto& [status, known] : kNames) {
    if (known == name) return status;
  }
  return InvalidInput("no such TCB status");
}

TcbStatus MergeTcbStatus(TcbStatus platform, TcbStatus part) {
  for (const TcbStatus worst : {TcbStatus::kRevoked, TcbStatus::kNotFound}) {
    if (platform == worst || part == worst) return worst;
  }
  if (part == TcbStatus::kUpToDate) return platform;
  // Of a part Intel states OutOfDate alone; what else it could be is not up to date either.
  return NeedsConfiguration(platform) || NeedsConfiguration(part)
             ? TcbStatus::kOutOfDateConfigurationNeeded
             : TcbStatus::kOutOfDate;
}

Result<TcbJudgement> ReadTcbJudgement(const wire::JsonValue& level) {
  TcbJudgement out;
  AH_ASSIGN_OR_RETURN(const std::string_view name, level.String("tcbStatus"));
  AH_ASSIGN_OR_RETURN(out.status, ParseTcbStatus(name));
  AH_ASSIGN_OR_RETURN(out.date, ReadJsonTime(level, "tcbDate"));
  if (level.Find("advisoryIDs") == nullptr) return out;
  AH_ASSIGN_OR_RETURN(const auto advisories, level.Array("advisoryIDs"));
  if (advisories.size() > kAdvisoriesMax) return LimitExceeded("more than 256 advisories");
  for (const wire::JsonValue& advisory : advisories) {
    AH_ASSIGN_OR_RETURN(const std::string_view id, advisory.String());
    if (id.empty() || id.size() > kAdvisoryBytesMax) return InvalidInput("an advisory's name");
    out.advisories.emplace_back(id);
  }
  return out;
}

Result<std::vector<IsvLevel>> ReadIsvLevels(const wire::JsonValue& object) {
  AH_ASSIGN_OR_RETURN(const auto levels, object.Array("tcbLevels"));
  if (levels.empty()) return InvalidInput("no TCB level");
  if (levels.size() > kTcbLevelsMax) return LimitExceeded("more than 256 TCB levels");
  std::vector<IsvLevel> out;
  for (const wire::JsonValue& level : levels) {
    AH_ASSIGN_OR_RETURN(const wire::JsonValue* const tcb, level.Member("tcb"));
    IsvLevel next;
    AH_ASSIGN_OR_RETURN(next.isv_svn, ReadJsonNumber(*tcb, "isvsvn", 65535));
    AH_ASSIGN_OR_RETURN(next.judgement, ReadTcbJudgement(level));
    out.push_back(std::move(next));
  }
  return out;
}

TcbJudgement MatchIsvLevel(const std::vector<IsvLevel>& levels, std::uint32_t isv_svn) {
  for (const IsvLevel& level : levels) {
    if (level.isv_svn <= isv_svn) return level.judgement;
  }
  return {};
}

}  // namespace anchorhold::attest
