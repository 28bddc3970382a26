// The rules of a policy for AWS Nitro Enclaves: its table [nitro]. The policy's `measurements` are
// values of PCR0, the image.
//
//   [nitro]
//   debug = "forbidden"                # or "allowed": the instance's owner may read the enclave
//   age_max = 600                      # seconds since the document was made; or "not-checked"
//   pcr1 = ["hex", ...]                # 48 bytes: kernel and start of Linux; or "not-checked"
//   pcr2 = "not-checked"               # the application; the same, as of the next three
//   pcr3 = "not-checked"               # SHA-384 of the instance's IAM role
//   pcr4 = "not-checked"               # SHA-384 of the instance's id
//   pcr8 = "not-checked"               # SHA-384 of the certificate that signed the image
//   roots = ["vendor"]                 # AWS's root key; or SHA-256 values of others
//
// Nothing may be left out.
#pragma once

#include <map>

#include "shared/attest/policy_rules.h"

namespace anchorhold::attest {

// PCRs that the policy has a rule for; PCR0 is the measurement.
inline constexpr std::uint8_t kNitroPcrRules[] = {1, 2, 3, 4, 8};

struct NitroPolicy {
  bool allow_debug = false;
  std::optional<std::uint32_t> age_max;             // nothing: not checked
  std::map<std::uint8_t, std::vector<Bytes>> pcrs;  // those of kNitroPcrRules that are checked
  RootRule roots;
};

// `document` is the whole policy.
Result<NitroPolicy> ReadNitroPolicy(wire::TomlTable& document);
// The table, header included.
std::string FormatNitroPolicy(const NitroPolicy& policy);

}  // namespace anchorhold::attest
