#include "shared/attest/intel_tcb_info.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kModulesMax = 64;
constexpr std::size_t kModuleIdBytesMax = 32;

Result<std::uint8_t> ReadSvn(const wire::JsonValue& object, std::string_view name) {
  AH_ASSIGN_OR_RETURN(const std::uint32_t svn, ReadJsonNumber(object, name, 255));
  return static_cast<std::uint8_t>(svn);
}

// [{"svn": n, ...}, ...], 16 of them.
Result<TcbComponents> ReadComponents(const wire::JsonValue& tcb, std::string_view name) {
  AH_ASSIGN_OR_RETURN(const auto items, tcb.Array(name));
  if (items.size() != kTcbComponents)
    return InvalidInput(std::string(name) + " must have 16 parts");
  TcbComponents out{};
  for (std::size_t i = 0; i < kTcbComponents; ++i) {
    AH_ASSIGN_OR_RETURN(out[i], ReadSvn(items[i], "svn"));
  }
  return out;
}

// "sgxtcbcomp01svn" to "sgxtcbcomp16svn".
Result<TcbComponents> ReadNamedComponents(const wire::JsonValue& tcb) {
  TcbComponents out{};
  for (std::size_t i = 0; i < kTcbComponents; ++i) {
    const std::string number = std::to_string(i + 1);
    const std::string name = "sgxtcbcomp" + std::string(2 - number.size(), '0') + number + "svn";
    AH_ASSIGN_OR_RETURN(out[i], ReadSvn(tcb, name));
  }
  return out;
}

Result<TcbLevel> ReadLevel(const wire::JsonValue& level, const TcbInfo& info) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue* const tcb, level.Member("tcb"));
  TcbLevel out;
  if (info.version == 2) {
    AH_ASSIGN_OR_RETURN(out.sgx_components, ReadNamedComponents(*tcb));
  } else {
    AH_ASSIGN_OR_RETURN(out.sgx_components, ReadComponents(*tcb, "sgxtcbcomponents"));
  }
  if (info.tee == IntelTee::kTdx) {
    AH_ASSIGN_OR_RETURN(out.tdx_components, ReadComponents(*tcb, "tdxtcbcomponents"));
  }
  AH_ASSIGN_OR_RETURN(out.pce_svn, ReadJsonNumber(*tcb, "pcesvn", 65535));
  AH_ASSIGN_OR_RETURN(out.judgement, ReadTcbJudgement(level));
  return out;
}

Result<TdxModuleIdentity> ReadModule(const wire::JsonValue& object) {
  TdxModuleIdentity out;
  AH_ASSIGN_OR_RETURN(out.mr_signer, ReadJsonHex(object, "mrsigner", 48));
  AH_ASSIGN_OR_RETURN(out.attributes, ReadJsonHex(object, "attributes", 8));
  AH_ASSIGN_OR_RETURN(out.attributes_mask, ReadJsonHex(object, "attributesMask", 8));
  return out;
}

Status ReadModules(const wire::JsonValue& json, TcbInfo& out) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue* const first, json.Member("tdxModule"));
  AH_ASSIGN_OR_RETURN(TdxModuleIdentity unnamed, ReadModule(*first));
  out.modules.push_back(std::move(unnamed));
  if (json.Find("tdxModuleIdentities") == nullptr) return Ok();
  AH_ASSIGN_OR_RETURN(const auto identities, json.Array("tdxModuleIdentities"));
  if (identities.size() > kModulesMax) return LimitExceeded("more than 64 TDX modules");
  for (const wire::JsonValue& identity : identities) {
    AH_ASSIGN_OR_RETURN(TdxModuleIdentity next, ReadModule(identity));
    AH_ASSIGN_OR_RETURN(const std::string_view id, identity.String("id"));
    if (id.empty() || id.size() > kModuleIdBytesMax) return InvalidInput("a TDX module's id");
    for (const TdxModuleIdentity& other : out.modules) {
      if (other.id == id) return InvalidInput("a TDX module that is there twice");
    }
    next.id = std::string(id);
    AH_ASSIGN_OR_RETURN(next.levels, ReadIsvLevels(identity));
    out.modules.push_back(std::move(next));
  }
  return Ok();
}

Status ReadTee(const wire::JsonValue& json, TcbInfo& out) {
  AH_ASSIGN_OR_RETURN(out.version, ReadJsonNumber(json, "version", 65535));
  if (out.version != 2 && out.version != 3) {
    return Unsupported("TCB info of version " + std::to_string(out.version));
  }
  if (out.version == 2) return Ok();
  AH_ASSIGN_OR_RETURN(const std::string_view id, json.String("id"));
  if (id != "SGX" && id != "TDX") return Unsupported("TCB info of neither SGX nor TDX");
  out.tee = id == "TDX" ? IntelTee::kTdx : IntelTee::kSgx;
  return Ok();
}

bool IsAtLeast(const TcbComponents& found, const TcbComponents& asked) {
  for (std::size_t i = 0; i < kTcbComponents; ++i) {
    if (found[i] < asked[i]) return false;
  }
  return true;
}

std::uint8_t SvnAt(const TdReportFields& td, std::size_t i) {
  return std::to_integer<std::uint8_t>(td.tee_tcb_svn[i]);
}

bool IsTdAtLeast(const TdReportFields& td, const TcbComponents& asked) {
  for (std::size_t i = SvnAt(td, 1) == 0 ? 0 : 2; i < kTcbComponents; ++i) {
    if (SvnAt(td, i) < asked[i]) return false;
  }
  return true;
}

}  // namespace

Result<TcbInfo> ReadTcbInfo(const VerifiedIntelDocument& document) {
  const wire::JsonValue& json = document.value();
  TcbInfo out;
  AH_RETURN_IF_ERROR(ReadTee(json, out));
  AH_ASSIGN_OR_RETURN(out.dates.issue_date, ReadJsonTime(json, "issueDate"));
  AH_ASSIGN_OR_RETURN(out.dates.next_update, ReadJsonTime(json, "nextUpdate"));
  AH_ASSIGN_OR_RETURN(out.fmspc, ReadJsonHex(json, "fmspc", 6));
  AH_ASSIGN_OR_RETURN(out.pceid, ReadJsonHex(json, "pceId", 2));
  AH_ASSIGN_OR_RETURN(out.evaluation_number,
                      ReadJsonNumber(json, "tcbEvaluationDataNumber", 1u << 30));
  AH_ASSIGN_OR_RETURN(const std::int64_t type, json.Int64("tcbType"));
  if (type != 0) return Unsupported("TCB info of type " + std::to_string(type));
  if (out.tee == IntelTee::kTdx) AH_RETURN_IF_ERROR(ReadModules(json, out));
  AH_ASSIGN_OR_RETURN(const auto levels, json.Array("tcbLevels"));
  if (levels.empty()) return InvalidInput("no TCB level");
  if (levels.size() > kTcbLevelsMax) return LimitExceeded("more than 256 TCB levels");
  for (const wire::JsonValue& level : levels) {
    AH_ASSIGN_OR_RETURN(TcbLevel next, ReadLevel(level, out));
    out.levels.push_back(std::move(next));
  }
  return out;
}

TcbJudgement MatchTcbLevel(const TcbInfo& info, const PckFields& pck, const TdReportFields* td) {
  for (const TcbLevel& level : info.levels) {
    if (IsAtLeast(pck.components, level.sgx_components) && pck.pce_svn >= level.pce_svn &&
        (td == nullptr || IsTdAtLeast(*td, level.tdx_components))) {
      return level.judgement;
    }
  }
  return {};
}

const TdxModuleIdentity* FindTdxModule(const TcbInfo& info, const TdReportFields& td) {
  constexpr std::string_view kPrefix = "TDX_";
  const Bytes version = {td.tee_tcb_svn[1]};
  for (const TdxModuleIdentity& module : info.modules) {
    if (module.id.empty() && version[0] == std::byte{0}) return &module;
    if (!module.id.starts_with(kPrefix)) continue;
    const auto number = FromHex(std::string_view(module.id).substr(kPrefix.size()));
    if (number.ok() && *number == version && version[0] != std::byte{0}) return &module;
  }
  return nullptr;
}

bool IsOfTdxModule(const TdxModuleIdentity& identity, const TdReportFields& td) {
  if (identity.mr_signer != td.mr_signer_seam) return false;
  for (std::size_t i = 0; i < identity.attributes.size(); ++i) {
    if ((td.seam_attributes[i] & identity.attributes_mask[i]) != identity.attributes[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace anchorhold::attest
