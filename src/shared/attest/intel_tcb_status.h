// What Intel says of a TCB: the statuses of TCB info and enclave identities, and levels of enclaves
// and modules that have one version number alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {

enum class TcbStatus {
  kUpToDate,
  kSwHardeningNeeded,
  kConfigurationNeeded,
  kConfigurationAndSwHardeningNeeded,
  kOutOfDate,
  kOutOfDateConfigurationNeeded,
  kRevoked,
  kNotFound,  // below every level that the collateral knows: ours, not Intel's
};
std::string_view TcbStatusName(TcbStatus status);  // "UpToDate", as Intel spells it
// Intel's; kNotFound has no name to be read.
Result<TcbStatus> ParseTcbStatus(std::string_view name);

// The status of a platform together with a part of it (the quoting enclave, the TDX module): a part
// that is out of date makes the whole so; revoked, and then not found, win over everything.
TcbStatus MergeTcbStatus(TcbStatus platform, TcbStatus part);

// {"tcbStatus": "...", "tcbDate": "...", "advisoryIDs": [...]} of a level.
struct TcbJudgement {
  TcbStatus status = TcbStatus::kNotFound;
  std::optional<UnixSeconds> date;
  std::vector<std::string> advisories;  // "INTEL-SA-00615"
};
Result<TcbJudgement> ReadTcbJudgement(const wire::JsonValue& level);

// A level of an enclave or module: {"tcb": {"isvsvn": n}, ...}.
struct IsvLevel {
  std::uint32_t isv_svn = 0;
  TcbJudgement judgement;
};
inline constexpr std::size_t kTcbLevelsMax = 256;
// The list "tcbLevels" of `object`, at least one.
Result<std::vector<IsvLevel>> ReadIsvLevels(const wire::JsonValue& object);
// Of the first level that is not above `isv_svn`; kNotFound if all are.
TcbJudgement MatchIsvLevel(const std::vector<IsvLevel>& levels, std::uint32_t isv_svn);

}  // namespace anchorhold::attest
