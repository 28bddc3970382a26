// Intel's provisioning certification key (PCK): a certificate for one machine at one TCB (Intel SGX
// PCK Certificate and CRL Profile Specification). Extension 1.2.840.113741.1.13.1 is a SEQUENCE of
// SEQUENCE { arc, value }, with arcs below its own:
//   .1 PPID(16)  .2 TCB  .3 PCEID(2)  .4 FMSPC(6)  .5 SGX type  .6 platform instance(16)
//   .7 configuration
//   TCB: .2.1 to .2.16 component SVNs, .2.17 PCESVN, .2.18 CPUSVN(16)
//   configuration: .7.1 dynamic platform  .7.2 cached keys  .7.3 SMT
#pragma once

#include <array>
#include <optional>

#include "shared/attest/claims.h"
#include "shared/crypto/certificate.h"

namespace anchorhold::attest {

inline constexpr std::size_t kTcbComponents = 16;
using TcbComponents = std::array<std::uint8_t, kTcbComponents>;

struct PckFields {
  Bytes ppid, pceid, fmspc, cpu_svn;
  TcbComponents components{};
  std::uint16_t pce_svn = 0;
  std::uint16_t sgx_type = 0;  // 0 standard, 1 scalable, 2 scalable with integrity
  // Of platforms with several packages.
  std::optional<Bytes> platform_instance;
  std::optional<bool> dynamic_platform, cached_keys, smt;
};

// kInvalidInput unless everything up to .5 is there, once.
Result<PckFields> ReadPck(const crypto::CertificateFields& certificate);
// {"ppid": "...", "comp": [...], ..., "ca": "Intel SGX PCK Platform CA", "serial": "..."}
Claim PckClaims(const PckFields& fields, const crypto::CertificateFields& certificate);

// One to four certificates in PEM, which zeros may follow, or in DER one after another; the PCK's
// first, or last. The result has the PCK's first, if there is one.
Result<std::vector<crypto::UnverifiedCertificate>> ReadPckChain(ByteSpan bytes);

}  // namespace anchorhold::attest
