// The rules of a policy for NVIDIA GPUs: its table [nvidia-gpu]. The policy's `measurements` are
// digests of the firmware (FWID, SHA-384) that the boot ROM states in the certificate of the
// attestation key.
//
//   [nvidia-gpu]
//   driver_rim = "required"            # or "if-given": NVIDIA's reference values of the driver
//   vbios_rim = "required"             # or "if-given": those of the VBIOS
//   driver_versions = ["590.12"]       # that are accepted; or "not-checked"
//   vbios_versions = "not-checked"     # the same
//   roots = ["vendor"]                 # NVIDIA's device identity key; or SHA-256 values of others
//   rim_roots = ["vendor"]             # the key that NVIDIA's RIMs end in; or SHA-256 values
//
// Nothing may be left out. The verifier itself needs an XML library, so it is the client's.
#pragma once

#include "shared/attest/policy_rules.h"

namespace anchorhold::attest {

struct NvidiaGpuPolicy {
  bool require_driver_rim = false;
  bool require_vbios_rim = false;
  std::optional<std::vector<std::string>> driver_versions;  // nothing: not checked
  std::optional<std::vector<std::string>> vbios_versions;
  RootRule roots;
  RootRule rim_roots;
};

// `document` is the whole policy.
Result<NvidiaGpuPolicy> ReadNvidiaGpuPolicy(wire::TomlTable& document);
// The table, header included.
std::string FormatNvidiaGpuPolicy(const NvidiaGpuPolicy& policy);

}  // namespace anchorhold::attest
