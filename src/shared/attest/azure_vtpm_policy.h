// The rules of a policy for confidential VMs of Azure: its table [azure-vtpm], and one for each
// register of the virtual TPM. Of the hardware, the tables of its own kind say what is accepted:
// [sev-snp] for VMs on SNP, [tdx] for those on TDX; without one, such VMs are refused.
//
//   [azure-vtpm]
//   launch_measurements = ["hex", ...] # 48 bytes: the paravisor, as SNP or TDX measured it; or
//                                      # "not-checked"
//   secure_boot = "required"           # or "not-checked"
//   ak_certificate = "if-given"        # or "required": that Azure certified the virtual TPM
//   roots = ["vendor"]                 # of that certificate; or SHA-256 values of others
//   crl = "if-given"                   # or "required": of who certified it
//   bank = "sha256"                    # of all registers below; or "sha384", "sha512"
//   measurement_pcr = 11               # whose value is one of the policy's `measurements`
//   pcrs = "required"
//   [[azure-vtpm-pcr]]                 # one for each register that is checked
//   index = 7
//   values = ["hex", ...]
//
// Without tables, pcrs is "not-checked". Nothing may be left out.
#pragma once

#include "shared/attest/tpm2_policy.h"

namespace anchorhold::attest {

struct AzureVtpmPolicy {
  std::optional<std::vector<Bytes>> launch_measurements;  // nothing: not checked
  bool require_secure_boot = false;
  bool require_ak_certificate = false;
  RootRule roots;
  bool require_crl = false;
  Tpm2PcrRules pcrs;
};

// `document` is the whole policy.
Result<AzureVtpmPolicy> ReadAzureVtpmPolicy(wire::TomlTable& document);
// The tables, headers included.
std::string FormatAzureVtpmPolicy(const AzureVtpmPolicy& policy);

}  // namespace anchorhold::attest
