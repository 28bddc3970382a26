// The rules of a policy as named checks: each is made, or written down as left out.
#pragma once

#include <optional>

#include "shared/attest/kind.h"

namespace anchorhold::attest {

// `forbidden` is the rule, `present` what the evidence says.
Status CheckForbidden(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                      bool forbidden, bool present, std::string_view reason);
// `found` is one of those accepted; what is absent (null) never matches.
Status CheckListed(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                   const std::optional<std::vector<Bytes>>& accepted, const Bytes* found);
// The rules in force: those of the policy's table, or `without_policy` if there is no policy. A
// policy that says nothing of the kind is refused as "policy", for that reason.
template <typename Rules>
Result<Rules> RulesInForce(const AppraisalInput& input,
                           std::optional<Rules> AppraisalPolicy::*table,
                           const Rules& without_policy, std::string_view reason) {
  if (input.policy == nullptr) return without_policy;
  const std::optional<Rules>& rules = input.policy->*table;
  if (!rules.has_value()) return Refuse("policy", reason);
  return *rules;
}
// A rule that may be left unset: the check is then written down as left out, and `holds` and
// `reason`, which must be safe to work out all the same, say nothing.
Status CheckIfSet(Appraiser& appraiser, const AppraisalInput& input, std::string_view name,
                  bool is_set, bool holds, std::string_view reason);
// Why rules that nobody set were left out.
std::string_view WhyLeftOut(const AppraisalInput& input);

}  // namespace anchorhold::attest
