#include "shared/attest/intel_qe_identity.h"

namespace anchorhold::attest {
namespace {

bool MatchesWhereMasked(const Bytes& found, const Bytes& mask, const Bytes& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if ((found[i] & mask[i]) != expected[i]) return false;
  }
  return true;
}

}  // namespace

Result<QeIdentity> ReadQeIdentity(const VerifiedIntelDocument& document) {
  const wire::JsonValue& json = document.value();
  QeIdentity out;
  AH_ASSIGN_OR_RETURN(const std::int64_t version, json.Int64("version"));
  if (version != 2) return Unsupported("an identity of version " + std::to_string(version));
  AH_ASSIGN_OR_RETURN(const std::string_view id, json.String("id"));
  if (id != "QE" && id != "TD_QE") return Unsupported("an identity of another enclave");
  out.tee = id == "TD_QE" ? IntelTee::kTdx : IntelTee::kSgx;
  AH_ASSIGN_OR_RETURN(out.dates.issue_date, ReadJsonTime(json, "issueDate"));
  AH_ASSIGN_OR_RETURN(out.dates.next_update, ReadJsonTime(json, "nextUpdate"));
  AH_ASSIGN_OR_RETURN(out.evaluation_number,
                      ReadJsonNumber(json, "tcbEvaluationDataNumber", 1u << 30));
  AH_ASSIGN_OR_RETURN(out.misc_select, ReadJsonHex(json, "miscselect", 4));
  AH_ASSIGN_OR_RETURN(out.misc_select_mask, ReadJsonHex(json, "miscselectMask", 4));
  AH_ASSIGN_OR_RETURN(out.attributes, ReadJsonHex(json, "attributes", 16));
  AH_ASSIGN_OR_RETURN(out.attributes_mask, ReadJsonHex(json, "attributesMask", 16));
  AH_ASSIGN_OR_RETURN(out.mr_signer, ReadJsonHex(json, "mrsigner", 32));
  AH_ASSIGN_OR_RETURN(out.isv_prod_id, ReadJsonNumber(json, "isvprodid", 65535));
  AH_ASSIGN_OR_RETURN(out.levels, ReadIsvLevels(json));
  return out;
}

bool IsOfQe(const QeIdentity& identity, const SgxReportFields& report) {
  return report.mr_signer == identity.mr_signer && report.isv_prod_id == identity.isv_prod_id &&
         MatchesWhereMasked(report.attributes, identity.attributes_mask, identity.attributes) &&
         MatchesWhereMasked(report.misc_select, identity.misc_select_mask, identity.misc_select);
}

}  // namespace anchorhold::attest
