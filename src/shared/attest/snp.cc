#include "shared/attest/snp.h"

#include "shared/attest/chain_checks.h"
#include "shared/attest/fields.h"
#include "shared/attest/rule_checks.h"
#include "shared/attest/snp_certificate.h"
#include "shared/attest/snp_rules.h"

namespace anchorhold::attest {
namespace {

// The SHA-256 of each ARK's SubjectPublicKeyInfo
// (https://kdsintf.amd.com/vcek/v1/PRODUCT/cert_chain).
constexpr std::string_view kAmdRoots[] = {
    "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",  // Milan
    "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",  // Genoa
    "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",  // Turin
};

// The certificates by role, from files of their own or from the host's table.
struct Endorsements {
  Bytes vek, intermediate, ark, crl;
};

Result<Endorsements> CollectEndorsements(const UnverifiedFiles& files) {
  SnpCertificateTable table;
  if (const Bytes* const bytes = files.Find("cert_table"); bytes != nullptr) {
    auto read = ReadSnpCertificateTable(*bytes);
    if (!read.ok()) return Refuse("cert_table_is_well_formed", read.error().message());
    table = std::move(read).value();
  }
  const auto pick = [&](std::string_view role, Bytes& from_table) {
    const Bytes* const own = files.Find(role);
    return own == nullptr ? std::move(from_table) : *own;
  };
  return Endorsements{.vek = pick("vek", table.vek),
                      .intermediate = pick("intermediate", table.intermediate),
                      .ark = pick("ark", table.ark),
                      .crl = pick("crl", table.crl)};
}

Result<std::vector<crypto::UnverifiedCertificate>> ReadChain(const Endorsements& files) {
  const std::pair<std::string_view, const Bytes*> links[] = {
      {"vek", &files.vek}, {"intermediate", &files.intermediate}, {"ark", &files.ark}};
  std::vector<crypto::UnverifiedCertificate> chain;
  for (const auto& [role, bytes] : links) {
    if (bytes->empty()) {
      return Refuse(std::string(role) + "_is_given",
                    "there is no certificate of the role '" + std::string(role) + "'");
    }
    AH_ASSIGN_OR_RETURN(auto certificate, ReadOneCertificate(role, *bytes));
    chain.push_back(std::move(certificate));
  }
  return chain;
}

// AMD's names say what a key is for: "ARK-Milan", and "SEV-Milan" or "SEV-VLEK-Milan".
Status CheckNames(Appraiser& appraiser, const SnpVekFields& vek,
                  std::span<const crypto::VerifiedCertificate> chain) {
  const std::string product(SnpProductName(vek.product));
  const std::string intermediate = (vek.IsVlek() ? "SEV-VLEK-" : "SEV-") + product;
  return appraiser.Check("certificates_are_of_one_product",
                         chain[1].fields().common_name == intermediate &&
                             chain[2].fields().common_name == "ARK-" + product,
                         "the endorsement key is of " + product + ", but was certified by " +
                             chain[1].fields().common_name + " under " +
                             chain[2].fields().common_name);
}

Status CheckCrl(Appraiser& appraiser, const AppraisalInput& input, const SnpPolicy& policy,
                const Bytes& crl, std::span<const crypto::VerifiedCertificate> chain) {
  if (crl.empty()) {
    if (policy.require_crl) return Refuse("crl_is_given", "the policy requires a revocation list");
    appraiser.Skip("intermediate_not_revoked", "no revocation list was given");
    return Ok();
  }
  return CheckNotRevoked(appraiser, input, crl, chain[2], chain[1],
                         {"crl_signature", "crl_current", "intermediate_not_revoked"});
}

Status CheckChip(Appraiser& appraiser, const AppraisalInput& input, const SnpReportFields& report,
                 const SnpVekFields& vek) {
  constexpr std::string_view kName = "chip_id_equals_vek_hwid";
  const ByteSpan chip_id(report.chip_id);
  if (vek.IsVlek()) {
    return appraiser.Check("chip_id_is_absent", AllZero(chip_id),
                           "a report signed for a service names a chip");
  }
  if (report.ChipKeyMasked() && AllZero(chip_id) && !input.strict) {
    appraiser.Skip(kName, "the platform hides its chip id");
    return Ok();
  }
  const std::size_t size = vek.hardware_id.size();
  return appraiser.Check(
      kName, BytesEqual(chip_id.first(size), vek.hardware_id) && AllZero(chip_id.subspan(size)),
      "the report is of another chip than the certificate");
}

// What the report says about its signer is what the certificate says.
Status CheckBindings(Appraiser& appraiser, const AppraisalInput& input,
                     const SnpReportFields& report, const SnpVekFields& vek) {
  // Reports of version 2 do not name their CPU; they predate Turin.
  const bool same_product =
      report.version == 2 ? vek.product != SnpProduct::kTurin : report.Product() == vek.product;
  AH_RETURN_IF_ERROR(
      appraiser.Check("product_equals_vek_product", same_product,
                      "the report's CPU is no " + std::string(SnpProductName(vek.product))));
  const SnpSigningKey expected = vek.IsVlek() ? SnpSigningKey::kVlek : SnpSigningKey::kVcek;
  AH_RETURN_IF_ERROR(appraiser.Check("signing_key_is_vek", report.SigningKey() == expected,
                                     "the report names another kind of signing key"));
  AH_RETURN_IF_ERROR(appraiser.Check("reported_tcb_equals_vek_tcb",
                                     ParseSnpTcb(report.reported_tcb, vek.product) == vek.tcb,
                                     "the report's TCB is not that of the certificate"));
  return CheckChip(appraiser, input, report, vek);
}

TrustVector TrustOf(const SnpReportFields& report, const SnpPolicy& policy, bool strict) {
  TrustVector trust;
  trust.instance_identity = TrustTier::kAffirming;
  trust.hardware = policy.tcb_floors.has_value() ? TrustTier::kAffirming : TrustTier::kNone;
  trust.configuration =
      strict || policy.vmpl.has_value() ? TrustTier::kAffirming : TrustTier::kNone;
  trust.runtime_opaque = TrustTier::kAffirming;
  if (report.MigrationAgentAllowed()) trust.configuration = TrustTier::kWarning;
  if (report.DebugAllowed()) {
    trust.configuration = TrustTier::kContraindicated;
    trust.runtime_opaque = TrustTier::kContraindicated;
  }
  return trust;
}

// Nothing if there is no report and only certificates are to be verified.
Result<std::optional<UnverifiedSnpReport>> ReadReport(const AppraisalInput& input) {
  const Bytes* const bytes = input.files.Find("report");
  if (bytes == nullptr) {
    if (input.SignaturesOnly()) return std::optional<UnverifiedSnpReport>();
    return Refuse("report_is_given", "no file has the role 'report'");
  }
  auto report = UnverifiedSnpReport::Parse(*bytes);
  if (!report.ok()) return Refuse("report_is_well_formed", report.error().message());
  return std::optional(std::move(report).value());
}

Result<SnpPolicy> PolicyInForce(const AppraisalInput& input) {
  SnpPolicy waived;
  // Nothing is judged but signatures, chains and bindings.
  waived.allow_debug = waived.allow_migration_agent = waived.allow_smt = true;
  AH_ASSIGN_OR_RETURN(SnpPolicy policy,
                      RulesInForce(input, &AppraisalPolicy::sev_snp, waived,
                                   "it has no table [sev-snp]: nothing is said about such guests"));
  if (input.strict) policy.allow_debug = policy.allow_migration_agent = false;
  return policy;
}

}  // namespace

Result<SnpFindings> VerifySnpReport(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const SnpPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(const auto unverified, ReadReport(input));
  AH_ASSIGN_OR_RETURN(const Endorsements files, CollectEndorsements(input.files));
  AH_ASSIGN_OR_RETURN(const auto unverified_chain, ReadChain(files));
  constexpr std::string_view kLinks[] = {"vek_signed_by_intermediate", "intermediate_signed_by_ark",
                                         "ark_self_signed"};
  const std::vector<crypto::Sha256Digest> pins = RootPins(policy.roots, kAmdRoots);
  AH_ASSIGN_OR_RETURN(const auto chain,
                      CheckChain(appraiser, unverified_chain, kLinks, {.pins = pins}));
  const auto vek = ReadSnpVek(chain[0].fields());
  if (!vek.ok()) return Refuse("vek_is_well_formed", vek.error().message());
  AH_ASSIGN_OR_RETURN(Claim vek_claims, SnpVekClaims(chain[0].fields()));
  AH_RETURN_IF_ERROR(CheckNames(appraiser, *vek, chain));
  AH_RETURN_IF_ERROR(CheckCrl(appraiser, input, policy, files.crl, chain));

  Findings findings;
  if (!unverified.has_value()) {
    appraiser.Skip("report_signature", "no report was given: only the certificates were verified");
    findings.warnings.emplace_back("there is no report: this says nothing about any guest");
    findings.claims.Add("vek_extensions", std::move(vek_claims));
    return SnpFindings{std::move(findings), {}};
  }
  const auto report = unverified->VerifiedBy(chain[0].key());
  if (!report.ok()) return Refuse("report_signature", report.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("report_signature", Ok()));
  AH_RETURN_IF_ERROR(CheckBindings(appraiser, input, *report, *vek));
  AH_RETURN_IF_ERROR(CheckSnpRules(appraiser, input, policy, *report, vek->product));

  findings.claims = SnpReportClaims(*report, vek->product);
  findings.claims.Add("vek_extensions", std::move(vek_claims));
  findings.measurement = report->measurement;
  findings.report_data = report->report_data;
  findings.trust = TrustOf(*report, policy, input.strict);
  if (report->DebugAllowed()) {
    findings.warnings.emplace_back("debugging is allowed: the host can read the guest's memory");
  }
  return SnpFindings{std::move(findings), {*report}};
}

Result<Findings> VerifySnp(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(SnpFindings found, VerifySnpReport(input, appraiser));
  return std::move(found.findings);
}

Result<UnverifiedClaims> ShowSnp(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const Endorsements endorsements, CollectEndorsements(files));
  Claim claims = Claim::Map();
  std::optional<SnpProduct> product;
  std::optional<Claim> vek_claims;
  if (!endorsements.vek.empty()) {
    AH_ASSIGN_OR_RETURN(const auto vek, ReadOneCertificate("vek", endorsements.vek));
    const auto fields = ReadSnpVek(vek.unverified());
    if (fields.ok()) product = fields->product;
    AH_ASSIGN_OR_RETURN(vek_claims, SnpVekClaims(vek.unverified()));
  }
  if (const Bytes* const bytes = files.Find("report"); bytes != nullptr) {
    AH_ASSIGN_OR_RETURN(const auto report, UnverifiedSnpReport::Parse(*bytes));
    const SnpReportFields& fields = report.unverified();
    claims =
        SnpReportClaims(fields, fields.Product().value_or(product.value_or(SnpProduct::kMilan)));
  }
  if (vek_claims.has_value()) claims.Add("vek_extensions", std::move(*vek_claims));
  return UnverifiedClaims{std::move(claims)};
}

}  // namespace anchorhold::attest
