// The rules of a policy for SEV-SNP, held against a report that is genuine.
#pragma once

#include "shared/attest/kind.h"
#include "shared/attest/snp_policy.h"

namespace anchorhold::attest {

// Each rule of the policy is a named check; a rule that is waived is written down as left out.
Status CheckSnpRules(Appraiser& appraiser, const AppraisalInput& input, const SnpPolicy& policy,
                     const SnpReportFields& report, SnpProduct product);

}  // namespace anchorhold::attest
