#include "shared/attest/contract_check.h"

#include <algorithm>

namespace anchorhold::attest {

Status CheckContractAllows(const wire::Contract& contract, Platform platform,
                           const Measurement& measurement) {
  const std::string name(PlatformName(platform));
  const auto& platforms = contract.platforms;
  if (std::find(platforms.begin(), platforms.end(), name) == platforms.end()) {
    return AttestationRefused("the contract does not allow the platform " + name +
                              ", on which this enclave runs; use another enclave, or a contract "
                              "that names the platform");
  }
  const auto& allowed = contract.measurements;
  if (std::find(allowed.begin(), allowed.end(), measurement) == allowed.end()) {
    return AttestationRefused("the contract does not allow this enclave's measurement " +
                              ToHex(measurement) +
                              "; use another enclave, or a contract that names the measurement");
  }
  return Ok();
}

}  // namespace anchorhold::attest
