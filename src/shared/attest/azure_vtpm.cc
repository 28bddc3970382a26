#include "shared/attest/azure_vtpm.h"

#include "shared/attest/hcl_report.h"
#include "shared/attest/hcl_td_report.h"
#include "shared/attest/rule_checks.h"
#include "shared/attest/snp.h"
#include "shared/attest/tdx.h"
#include "shared/attest/tpm2_checks.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kQuoteSignature = "tpm_quote_signature_by_HCLAkPub";
constexpr std::string_view kIntermediates = "ak_cert_intermediates";
constexpr std::size_t kQuoteSignatureBytes = 256;

Result<AzureVtpmPolicy> PolicyInForce(const AppraisalInput& input) {
  return RulesInForce(input, &AppraisalPolicy::azure_vtpm, AzureVtpmPolicy(),
                      "it has no table [azure-vtpm]: nothing is said about such VMs");
}

Result<HclReport> ReadReport(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, RequireFile(files, "hcl_report"));
  auto report = ParseHclReport(bytes);
  if (!report.ok()) return Refuse("hcl_report_is_well_formed", report.error().message());
  return report;
}

Result<HclRuntimeClaims> ReadRuntimeClaims(const HclReport& report) {
  auto claims = ParseHclRuntimeClaims(report.runtime_claims);
  if (!claims.ok()) return Refuse("runtime_claims_is_well_formed", claims.error().message());
  return claims;
}

struct Quote {
  UnverifiedTpm2Attest attest;
  Tpm2Signature signature;
};

Result<Quote> ReadQuote(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const ByteSpan attest_bytes, RequireFile(files, "quote_attest"));
  AH_ASSIGN_OR_RETURN(const ByteSpan signature, RequireFile(files, "quote_signature"));
  auto attest = UnverifiedTpm2Attest::Parse(attest_bytes);
  if (!attest.ok()) return Refuse("quote_attest_is_well_formed", attest.error().message());
  if (signature.size() != kQuoteSignatureBytes) {
    return Refuse("quote_signature_is_well_formed", "a signature that has not 256 bytes");
  }
  return Quote{std::move(attest).value(), Tpm2Signature::Rsassa(Tpm2Hash::kSha256, signature)};
}

// The wrapped report and its endorsements, as the kind sev-snp takes them.
UnverifiedFiles SnpFiles(const UnverifiedFiles& files, const HclReport& report) {
  UnverifiedFiles out;
  AH_CHECK(out.Add(kSnpRoles, "report", report.hardware_report).ok());
  for (const char* role : {"vek", "intermediate", "ark", "cert_table", "crl"}) {
    if (const Bytes* const bytes = files.Find(role); bytes != nullptr) {
      AH_CHECK(out.Add(kSnpRoles, role, *bytes).ok());
    }
  }
  return out;
}

IntelFiles TdFiles(const UnverifiedFiles& files) {
  IntelFiles out = CollectIntelFiles(files);  // the collateral has the same names
  out.quote = files.Find("td_quote");
  out.root = files.Find("intel_root");
  out.may_lack_collateral = true;
  return out;
}

// What the hardware says: a genuine report on a launch, over some report data.
struct Hardware {
  Bytes report_data;
  Bytes launch_measurement;
  Claim claims = Claim::Map();
  TrustVector trust;
  std::vector<std::string> warnings;
};

// {"snp_report": {...}, "vcek_extensions": {...}}
Claim SnpClaims(const Claim& claims) {
  Claim report = Claim::Map();
  Claim out = Claim::Map();
  for (const NamedClaim& member : claims.members()) {
    if (member.name == "vek_extensions") {
      out.Add("vcek_extensions", member.value);
    } else {
      report.Add(member.name, member.value);
    }
  }
  out.Add("snp_report", std::move(report));
  return out;
}

// A TD quote's claims, and the platform's model (FMSPC) beside them.
Claim TdQuoteClaims(const Claim& claims) {
  Claim out = claims;
  const Claim* const pck = claims.Find("pck");
  const Claim* const fmspc = pck == nullptr ? nullptr : pck->Find("fmspc");
  if (fmspc != nullptr && claims.Find("fmspc") == nullptr) out.Add("fmspc", *fmspc);
  return out;
}

Result<Hardware> CheckSnp(const AppraisalInput& input, Appraiser& appraiser, const HclReport& hcl) {
  const UnverifiedFiles files = SnpFiles(input.files, hcl);
  AH_ASSIGN_OR_RETURN(
      const SnpFindings snp,
      VerifySnpReport(
          {.now = input.now, .files = files, .policy = input.policy, .strict = input.strict},
          appraiser));
  AH_CHECK(!snp.report.empty());
  const SnpReportFields& report = snp.report.front();
  // The guest runs above it, and may ask for reports over what it likes.
  AH_RETURN_IF_ERROR(appraiser.Check("vmpl_is_zero", report.vmpl == 0,
                                     "the report was asked for by the guest, not the paravisor"));
  return Hardware{.report_data = report.report_data,
                  .launch_measurement = report.measurement,
                  .claims = SnpClaims(snp.findings.claims),
                  .trust = snp.findings.trust,
                  .warnings = snp.findings.warnings};
}

Result<Hardware> CheckTdx(const AppraisalInput& input, Appraiser& appraiser, const HclReport& hcl) {
  AH_RETURN_IF_ERROR(RequireFile(input.files, "td_quote"));
  AH_ASSIGN_OR_RETURN(const VerifiedTd td, VerifyTdQuote(input, appraiser, TdFiles(input.files)));
  const auto report = ParseHclTdReport(hcl.hardware_report);
  if (!report.ok()) return Refuse("tdreport_is_well_formed", report.error().message());
  AH_RETURN_IF_ERROR(appraiser.Check("tdreport_internal_hashes", report->hashes_hold,
                                     "the TDREPORT's hashes are not those of its parts"));
  AH_RETURN_IF_ERROR(appraiser.Check("td_quote_mrtd_equals_tdreport_mrtd",
                                     report->report.mr_td == td.report.mr_td,
                                     "the quote is of another TD than the HCL report"));
  AH_RETURN_IF_ERROR(appraiser.Check("td_quote_equals_tdreport", SameTd(report->report, td.report),
                                     "the quote and the HCL report are not of one state of a TD"));
  Claim claims = Claim::Map();
  claims.Add("tdreport", HclTdReportClaims(*report));
  claims.Add("td_quote", TdQuoteClaims(td.claims));
  return Hardware{.report_data = td.report.report_data,
                  .launch_measurement = td.report.mr_td,
                  .claims = std::move(claims),
                  .trust = td.trust,
                  .warnings = td.warnings};
}

// Whether Azure certified the virtual TPM; a certificate that is given has to be good.
Result<Claim> CheckAk(const AppraisalInput& input, Appraiser& appraiser,
                      const AzureVtpmPolicy& policy, const crypto::PublicKey& ak) {
  AH_ASSIGN_OR_RETURN(const auto chain,
                      CheckTpm2AkCertificate(appraiser, input, ak,
                                             {.key_name = "ak_cert_key_is_HCLAkPub",
                                              .intermediates_role = kIntermediates,
                                              .roots = policy.roots,
                                              .require_crl = policy.require_crl}));
  if (!chain.has_value()) {
    if (policy.require_ak_certificate) {
      return Refuse("ak_cert_is_given", "the policy requires the attestation key's certificate");
    }
    appraiser.Skip("ak_cert_chain", "no certificate was given: the hardware vouches for the key");
    return Claim::Null();
  }
  Claim subjects = Claim::List();
  for (const auto& certificate : *chain) {
    subjects.Add(Claim::Text(certificate.fields().common_name));
  }
  return subjects;
}

Status CheckRules(const AppraisalInput& input, Appraiser& appraiser, const AzureVtpmPolicy& policy,
                  const Hardware& hardware, const HclRuntimeClaims& claims) {
  AH_RETURN_IF_ERROR(CheckListed(appraiser, input, "launch_measurement", policy.launch_measurements,
                                 &hardware.launch_measurement));
  return CheckIfSet(appraiser, input, "secure_boot", policy.require_secure_boot,
                    claims.secure_boot == true,
                    "the VM's configuration does not say that it started securely");
}

void AddAll(Claim& to, const Claim& from) {
  for (const NamedClaim& member : from.members()) to.Add(member.name, member.value);
}

Claim ClaimsOf(const HclReport& report, const HclRuntimeClaims& runtime, const Claim& hardware,
               const Tpm2AttestFields& quote) {
  Claim out = Claim::Map();
  AddHclClaims(out, report, runtime);
  AddAll(out, hardware);
  out.Add("tpm_quote", Tpm2AttestClaims(quote));
  // What whoever verifies must have asked with: the extra data once more, by the cases' name.
  out.Add("expected_nonce_hex", Claim::Hex(quote.extra_data));
  return out;
}

}  // namespace

Result<Findings> VerifyAzureVtpm(const AppraisalInput& input, Appraiser& appraiser) {
  AH_ASSIGN_OR_RETURN(const AzureVtpmPolicy policy, PolicyInForce(input));
  AH_ASSIGN_OR_RETURN(const HclReport report, ReadReport(input.files));
  AH_ASSIGN_OR_RETURN(const Quote unverified_quote, ReadQuote(input.files));
  AH_ASSIGN_OR_RETURN(const Hardware hardware, report.type == HclReportType::kSnp
                                                   ? CheckSnp(input, appraiser, report)
                                                   : CheckTdx(input, appraiser, report));
  AH_RETURN_IF_ERROR(
      appraiser.Check("report_data_is_sha256_of_runtime_claims",
                      hardware.report_data == report.ExpectedReportData(),
                      "the hardware's report was made over other claims than these"));
  AH_ASSIGN_OR_RETURN(const HclRuntimeClaims runtime, ReadRuntimeClaims(report));
  AH_ASSIGN_OR_RETURN(const Tpm2AttestFields quote,
                      CheckTpm2Quote(appraiser, unverified_quote.attest, unverified_quote.signature,
                                     runtime.ak, kQuoteSignature));
  AH_ASSIGN_OR_RETURN(Claim subjects, CheckAk(input, appraiser, policy, runtime.ak));
  AH_ASSIGN_OR_RETURN(const Tpm2PcrValues values,
                      CheckTpm2PcrValues(appraiser, input, quote, Tpm2Hash::kSha256));
  AH_RETURN_IF_ERROR(CheckRules(input, appraiser, policy, hardware, runtime));

  Findings findings;
  AH_ASSIGN_OR_RETURN(
      findings.measurement,
      CheckTpm2PcrRules(appraiser, input.policy == nullptr ? nullptr : &policy.pcrs, values));
  findings.claims = ClaimsOf(report, runtime, hardware.claims, quote);
  if (subjects.type() == Claim::Type::kList) {
    findings.claims.Add("ak_cert_chain_subjects", std::move(subjects));
  }
  if (!values.empty()) findings.claims.Add("pcrs", Tpm2PcrClaims(values));
  if (!quote.extra_data.empty()) findings.report_data = quote.extra_data;
  findings.trust = hardware.trust;
  findings.warnings = hardware.warnings;
  return findings;
}

Result<UnverifiedClaims> ShowAzureVtpm(const UnverifiedFiles& files) {
  AH_ASSIGN_OR_RETURN(const HclReport report, ReadReport(files));
  AH_ASSIGN_OR_RETURN(const HclRuntimeClaims runtime, ReadRuntimeClaims(report));
  AH_ASSIGN_OR_RETURN(const Quote quote, ReadQuote(files));
  Claim hardware = Claim::Map();
  if (report.type == HclReportType::kSnp) {
    AH_ASSIGN_OR_RETURN(const UnverifiedClaims shown, ShowSnp(SnpFiles(files, report)));
    hardware = SnpClaims(shown.unverified);
  } else {
    AH_ASSIGN_OR_RETURN(const HclTdReport td_report, ParseHclTdReport(report.hardware_report));
    hardware.Add("tdreport", HclTdReportClaims(td_report));
    if (files.Find("td_quote") != nullptr) {
      AH_ASSIGN_OR_RETURN(const Claim td_quote, ShowTdQuote(TdFiles(files)));
      hardware.Add("td_quote", TdQuoteClaims(td_quote));
    }
  }
  Claim claims = ClaimsOf(report, runtime, hardware, quote.attest.unverified());
  AH_ASSIGN_OR_RETURN(const auto chain, ReadTpm2AkChain(files, kIntermediates));
  if (!chain.empty()) {
    Claim subjects = Claim::List();
    for (const auto& certificate : chain) {
      subjects.Add(Claim::Text(certificate.unverified().common_name));
    }
    claims.Add("ak_cert_chain_subjects", std::move(subjects));
  }
  return UnverifiedClaims{std::move(claims)};
}

}  // namespace anchorhold::attest
