// What AMD's certificates say beside X.509 (AMD publication 57230): the chip or service that an
// endorsement key (VEK) belongs to and the TCB that it stands for. Extensions under
// 1.3.6.1.4.1.3704.1:
//   .1 structure version  .2 product name  .3.1 boot loader  .3.2 TEE  .3.3 SNP  .3.8 microcode
//   .3.9 FMC (Turin)      .4 HWID (a VCEK's chip)            .5 CSP_ID (a VLEK's service)
#pragma once

#include "shared/attest/snp_report.h"
#include "shared/crypto/certificate.h"

namespace anchorhold::attest {

struct SnpVekFields {
  SnpProduct product = SnpProduct::kMilan;
  SnpTcb tcb;
  Bytes hardware_id;    // 64 bytes; 8 on Turin; empty in a VLEK
  std::string service;  // empty in a VCEK
  bool IsVlek() const { return hardware_id.empty(); }
};

// kInvalidInput unless every field is there and is what its product has.
Result<SnpVekFields> ReadSnpVek(const crypto::CertificateFields& certificate);
// The extensions as they stand: {"struct_version": 0, "product_name": "Milan-B0", ...}.
Result<Claim> SnpVekClaims(const crypto::CertificateFields& certificate);

// The table of certificates that a host hands to guests (AMD publication 56421): entries of
// guid(16) offset(4) length(4), little-endian, ended by one of zeros; certificates in DER or PEM.
struct SnpCertificateTable {
  Bytes ark, intermediate, vek, crl;  // empty where there is none
};
Result<SnpCertificateTable> ReadSnpCertificateTable(ByteSpan table);

}  // namespace anchorhold::attest
