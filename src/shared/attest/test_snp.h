// An SEV-SNP platform for tests: a root, an intermediate and an endorsement key of our own, and
// reports that it signs. Every part can be bent before it is made.
#pragma once

#include <map>

#include "shared/attest/kind.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kSnpNow{1'750'000'000};

class SnpPlatform {
 public:
  explicit SnpPlatform(SnpProduct product = SnpProduct::kMilan, bool vlek = false);

  // Files by role: report, vek, intermediate, ark, crl.
  std::map<std::string, Bytes> Files() const;
  // The report as it stands in `report`, signed.
  Bytes SignedReport() const;
  // Files of an earlier call, with the report signed anew: certificates take long to make.
  std::map<std::string, Bytes> WithReport(std::map<std::string, Bytes> files) const;
  // The host's table of the certificates in `files`.
  static Bytes Table(const std::map<std::string, Bytes>& files);
  // Names our root; every rule is set, and holds for the report.
  AppraisalPolicy Policy() const;
  // Lays the TCB into the report at `offset`, and (for all of them) into the certificate.
  void SetTcb(std::size_t offset, const SnpTcb& tcb);
  void SetAllTcbs(const SnpTcb& tcb);

  SnpProduct product;
  bool vlek;
  SnpTcb tcb;
  Bytes report;  // unsigned
  crypto::testing::CertificateSpec vek_spec, intermediate_spec, ark_spec;
  crypto::testing::RevocationListSpec crl_spec;

 private:
  std::vector<crypto::CertificateExtension> VekExtensions() const;
};

// Each file under its role, as a kind takes them.
UnverifiedFiles AddAll(const Kind& kind, const std::map<std::string, Bytes>& files);

}  // namespace anchorhold::attest::testing
