// The attestation report of AMD SEV-SNP (AMD publication 56860, "ATTESTATION_REPORT"): 1184 bytes,
// little-endian.
//
//   0x000 version(4) guest_svn(4) policy(8)      0x010 family_id(16) image_id(16)
//   0x030 vmpl(4) signature_algo(4) current_tcb(8) platform_info(8) key_info(4) 0(4)
//   0x050 report_data(64) measurement(48) host_data(32)
//   0x0e0 id_key_digest(48) author_key_digest(48) report_id(32) report_id_ma(32)
//   0x180 reported_tcb(8) cpuid_family(1) cpuid_model(1) cpuid_stepping(1)   cpuid: version 3 on
//   0x1a0 chip_id(64) committed_tcb(8) current build, minor, major(3) 0 committed(3) 0
//   0x1f0 launch_tcb(8) launch_mit_vector(8) current_mit_vector(8)           vectors: version 5 on
//   0x2a0 signature r(72) s(72), little-endian, zeros to the end: ECDSA P-384 with SHA-384 over all
//         bytes ahead of it
#pragma once

#include <optional>

#include "shared/attest/claims.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::attest {

// AMD's server generations, each with a certificate authority of its own.
enum class SnpProduct { kMilan, kGenoa, kTurin };
std::string_view SnpProductName(SnpProduct product);  // "Milan"
Result<SnpProduct> ParseSnpProduct(std::string_view name);

// Security patch levels of the platform's firmware. Milan and Genoa have no `fmc`.
struct SnpTcb {
  std::optional<std::uint8_t> fmc;
  std::uint8_t boot_loader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;
  friend bool operator==(const SnpTcb&, const SnpTcb&) = default;
};
// From the 8 bytes of a report. Milan, Genoa: boot loader, tee, 4 reserved, snp, microcode; Turin:
// fmc, boot loader, tee, snp, 3 reserved, microcode.
SnpTcb ParseSnpTcb(ByteSpan raw, SnpProduct product);

enum class SnpSigningKey { kVcek, kVlek, kNone, kReserved };

struct SnpReportFields {
  std::uint32_t version = 0;
  std::uint32_t guest_svn = 0;
  std::uint64_t policy = 0;
  Bytes family_id, image_id;
  std::uint32_t vmpl = 0;
  std::uint32_t signature_algo = 0;
  std::uint64_t platform_info = 0;
  std::uint32_t key_info = 0;
  Bytes report_data, measurement, host_data, id_key_digest, author_key_digest;
  Bytes report_id, report_id_ma, chip_id;
  Bytes current_tcb, reported_tcb, committed_tcb, launch_tcb;  // 8 bytes each, as they stand
  std::optional<std::uint32_t> cpuid_family, cpuid_model, cpuid_stepping;
  std::string current_firmware, committed_firmware;  // "1.55.29"
  std::optional<std::uint64_t> launch_mit_vector, current_mit_vector;

  bool SmtAllowed() const { return (policy >> 16 & 1) != 0; }
  bool MigrationAgentAllowed() const { return (policy >> 18 & 1) != 0; }
  bool DebugAllowed() const { return (policy >> 19 & 1) != 0; }
  bool ChipKeyMasked() const { return (key_info >> 1 & 1) != 0; }
  SnpSigningKey SigningKey() const;
  // From the CPUID bytes; nothing for version 2, or for a CPU that is unknown here.
  std::optional<SnpProduct> Product() const;
};

class UnverifiedSnpReport {
 public:
  // kInvalidInput unless it has the length and the zeros of a report, kUnsupported for a version
  // other than 2 to 5.
  static Result<UnverifiedSnpReport> Parse(ByteSpan bytes);
  const SnpReportFields& unverified() const { return fields_; }
  // The fields, if the key signed them; otherwise kIntegrity.
  Result<SnpReportFields> VerifiedBy(const crypto::PublicKey& key) const;

 private:
  UnverifiedSnpReport() = default;
  SnpReportFields fields_;
  Bytes bytes_;
};

// The claims of a report; `product` decides how TCB versions are read.
Claim SnpReportClaims(const SnpReportFields& fields, SnpProduct product);

}  // namespace anchorhold::attest
