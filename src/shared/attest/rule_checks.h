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
// Why rules that nobody set were left out.
std::string_view WhyLeftOut(const AppraisalInput& input);

}  // namespace anchorhold::attest
