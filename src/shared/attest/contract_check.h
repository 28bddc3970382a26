// Whether a contract lets an enclave open its data: asked by the client before it sends them, by
// the enclave before it takes them, and by the ledger before every use.
#pragma once

#include "shared/attest/evidence.h"
#include "shared/wire/contract.h"

namespace anchorhold::attest {

// kAttestationRefused, saying which, unless the contract names the platform and the measurement.
Status CheckContractAllows(const wire::Contract& contract, Platform platform,
                           const Measurement& measurement);

}  // namespace anchorhold::attest
