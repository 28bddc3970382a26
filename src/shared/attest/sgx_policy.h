// The rules of a policy for SGX enclaves: its table [sgx-dcap]. Of intel_policy.h's rules those
// about the TCB, and:
//
//   debug = "forbidden"              # or "allowed": the host may read the enclave's memory
//   mr_signer = "not-checked"        # or a list of 32 bytes in hex
//   isv_prod_id = "not-checked"      # or exactly this number
//   isv_svn_min = 2                  # or "not-checked"
//   config_id = "not-checked"        # or a list of 64 bytes in hex
//
// `measurements` are of MRENCLAVE. Nothing may be left out.
#pragma once

#include "shared/attest/intel_policy.h"

namespace anchorhold::attest {

struct SgxPolicy {
  bool allow_debug = false;
  // Nothing: not checked.
  std::optional<std::vector<Bytes>> mr_signer, config_id;
  std::optional<std::uint32_t> isv_prod_id, isv_svn_min;
  IntelRules intel;
};

// `document` is the whole policy.
Result<SgxPolicy> ReadSgxPolicy(wire::TomlTable& document);
// The table, header included.
std::string FormatSgxPolicy(const SgxPolicy& policy);

}  // namespace anchorhold::attest
