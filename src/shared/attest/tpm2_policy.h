// The rules of a policy for quotes of a TPM 2.0: its table [tpm2], and one for each register.
//
//   [tpm2]
//   ak = "certified"                   # by one of `roots`; "pinned": one of `ak_keys`;
//                                      # "not-checked": any key, which anybody can make
//   ak_keys = "not-checked"            # SHA-256 of each key (SubjectPublicKeyInfo), if pinned
//   roots = ["vendor"]                 # Google's and Microsoft's for their virtual TPMs; or
//                                      # SHA-256 values of others
//   crl = "if-given"                   # or "required": of who certified the key
//   ak_attributes = "required"         # or "if-given": the key is restricted to its TPM's words
//   sha1_signatures = "forbidden"      # or "allowed": they can be forged
//   event_log = "if-given"             # or "required"
//   bank = "sha256"                    # of all registers below; or "sha384", "sha512"
//   measurement_pcr = 11               # whose value is one of the policy's `measurements`
//   pcrs = "required"
//   [[tpm2-pcr]]                       # one for each register that is checked
//   index = 7
//   values = ["hex", ...]
//
// Without tables, pcrs is "not-checked". Nothing may be left out.
#pragma once

#include "shared/attest/policy_rules.h"
#include "shared/attest/tpm2_pcrs.h"

namespace anchorhold::attest {

// What registers must hold; also for kinds whose evidence has a quote among others.
struct Tpm2PcrRules {
  Tpm2Hash bank = Tpm2Hash::kSha256;
  std::uint8_t measurement_pcr = 0;
  // Nothing: not checked.
  std::optional<std::map<std::uint8_t, std::vector<Bytes>>> values;
};

enum class Tpm2AkRule { kCertified, kPinned, kWaived };

struct Tpm2Policy {
  Tpm2AkRule ak = Tpm2AkRule::kCertified;
  std::vector<Bytes> ak_keys;  // if pinned
  RootRule roots;
  bool require_crl = false;
  bool require_ak_attributes = false;
  bool allow_sha1_signatures = false;
  bool require_event_log = false;
  Tpm2PcrRules pcrs;
};

// `document` is the whole policy.
Result<Tpm2Policy> ReadTpm2Policy(wire::TomlTable& document);
// The tables, headers included.
std::string FormatTpm2Policy(const Tpm2Policy& policy);

// The keys bank, measurement_pcr and pcrs of `rules`, and the tables of the name `tables`.
Result<Tpm2PcrRules> ReadTpm2PcrRules(wire::TomlTable& document, wire::TomlTable& rules,
                                      std::string_view tables);
// The keys and, to stand after everything else of their table, the tables.
std::string FormatTpm2PcrKeys(const Tpm2PcrRules& rules);
std::string FormatTpm2PcrTables(const Tpm2PcrRules& rules, std::string_view tables);

}  // namespace anchorhold::attest
