// Admission: whether a job may be reserved. Pure questions to documents, the book and a time.
#pragma once

#include "trusted/ledger/book.h"

namespace anchorhold::ledger {

// Who runs, and when.
struct Circumstances {
  attest::Platform platform = attest::Platform::kInsecureSimulated;
  attest::Measurement measurement;
  UnixSeconds now;
};

// What can be judged without any contract: counts, names, and terms whose stated epsilon is no less
// than the accountant's. kInvalidInput, kLimitExceeded.
Status CheckRequest(const JobRequest& request);

// kPermissionDenied if the contract has expired.
Status CheckNotExpired(const wire::Contract& contract, UnixSeconds now);

// kAttestationRefused unless the contract names this platform and measurement.
Status CheckEnclave(const wire::Contract& contract, const Circumstances& here);

// Whether the dataset's contract allows the job, in this order: expiry, platform and measurement, a
// grant for the researcher, delta, what the contract and then the grant have left. The code says
// which: kPermissionDenied, kAttestationRefused, kPrivacyRefused, kBudgetExceeded. The messages
// give epsilons, which are functions of public numbers.
Status Admit(const DatasetState& dataset, const JobRequest& request, const Circumstances& here);

// kInvalidInput, naming both, if two of the datasets do not share one schema.
Status CheckSameSchema(const std::vector<const DatasetState*>& datasets);

}  // namespace anchorhold::ledger
