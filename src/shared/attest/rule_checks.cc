#include "shared/attest/rule_checks.h"

#include <algorithm>

namespace anchorhold::attest {

std::string_view WhyLeftOut(const AppraisalInput& input) {
  return input.policy == nullptr ? "no policy was given" : "the policy says \"not-checked\"";
}

Status CheckForbidden(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                      bool forbidden, bool present, std::string_view reason) {
  if (forbidden) return appraiser.Check(name, !present, reason);
  appraiser.Skip(name, input.policy == nullptr ? "no policy was given" : "the policy allows it");
  return Ok();
}

Status CheckIfSet(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                  bool is_set, bool holds, std::string_view reason) {
  if (is_set) return appraiser.Check(name, holds, reason);
  appraiser.Skip(name, WhyLeftOut(input));
  return Ok();
}

Status CheckListed(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                   const std::optional<std::vector<Bytes>>& accepted, const Bytes* found) {
  const bool listed = accepted.has_value() && found != nullptr &&
                      std::find(accepted->begin(), accepted->end(), *found) != accepted->end();
  return CheckIfSet(appraiser, input, name, accepted.has_value(), listed,
                    found == nullptr ? "the evidence states none"
                                     : ToHex(*found) + " is not listed in the policy");
}

}  // namespace anchorhold::attest
