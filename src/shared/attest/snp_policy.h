// The rules of a policy for SEV-SNP guests: its table [sev-snp], and one for each product's
// firmware.
//
//   [sev-snp]
//   debug = "forbidden"                 # or "allowed": the host may read the guest's memory
//   migration_agent = "forbidden"       # or "allowed"
//   smt = "allowed"                     # or "forbidden"
//   crl = "required"                    # or "if-given"
//   vmpl = 0                            # exactly this privilege level
//   guest_svn_min = 2
//   host_data = "not-checked"           # or a list of 32 bytes in hex, as of the next two
//   id_key_digests = ["hex", ...]       # 48 bytes
//   author_key_digests = "not-checked"
//   roots = ["vendor"]                  # AMD's root keys; or SHA-256 values of others
//   tcb_floor = "required"
//   [[sev-snp-floor]]                   # one for each product that is accepted
//   product = "Milan"
//   boot_loader = 4
//   tee = 0
//   snp = 24
//   microcode = 219                     # and fmc, on Turin
//
// vmpl, guest_svn_min, the lists and tcb_floor (then without tables) may be "not-checked" instead;
// nothing may be left out.
#pragma once

#include <map>

#include "shared/attest/policy_rules.h"
#include "shared/attest/snp_report.h"

namespace anchorhold::attest {

struct SnpPolicy {
  bool allow_debug = false;
  bool allow_migration_agent = false;
  bool allow_smt = true;
  bool require_crl = false;
  // Nothing: not checked.
  std::optional<std::uint32_t> vmpl;
  std::optional<std::uint32_t> guest_svn_min;
  std::optional<std::vector<Bytes>> host_data;
  std::optional<std::vector<Bytes>> id_key_digests;
  std::optional<std::vector<Bytes>> author_key_digests;
  std::optional<std::map<SnpProduct, SnpTcb>> tcb_floors;
  RootRule roots;
};

// `document` is the whole policy.
Result<SnpPolicy> ReadSnpPolicy(wire::TomlTable& document);
// The tables, headers included.
std::string FormatSnpPolicy(const SnpPolicy& policy);

}  // namespace anchorhold::attest
