#include "client/core/endorsement_set.h"

#include "shared/attest/intel_pck.h"
#include "shared/attest/intel_quote.h"
#include "shared/attest/snp_report.h"
#include "shared/attest/tpm2_key.h"

namespace anchorhold::client {
namespace {

using attest::Platform;

constexpr std::size_t kChipBytes = 16;
constexpr std::size_t kKeyBytes = 16;

Result<attest::SnpReportFields> SnpFields(const attest::UnverifiedFiles& evidence) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, attest::RequireFile(evidence, "report"));
  AH_ASSIGN_OR_RETURN(const auto report, attest::UnverifiedSnpReport::Parse(bytes));
  return report.unverified();
}

std::string SnpSet(const attest::SnpReportFields& report) {
  return ToHex(ByteSpan(report.chip_id).first(kChipBytes)) + "-" + ToHex(report.reported_tcb);
}

// AMD's Key Distribution Service (AMD publication 57230).
EndorsementOrigins SnpOrigins(const attest::SnpReportFields& report, attest::SnpProduct product) {
  const std::string name(attest::SnpProductName(product));
  const bool vlek = report.SigningKey() == attest::SnpSigningKey::kVlek;
  const std::string base =
      std::string("https://kdsintf.amd.com/") + (vlek ? "vlek" : "vcek") + "/v1/" + name;
  EndorsementOrigins out;
  if (!vlek) {
    const bool turin = product == attest::SnpProduct::kTurin;
    const attest::SnpTcb tcb = ParseSnpTcb(report.reported_tcb, product);
    std::string query =
        "?blSPL=" + std::to_string(tcb.boot_loader) + "&teeSPL=" + std::to_string(tcb.tee) +
        "&snpSPL=" + std::to_string(tcb.snp) + "&ucodeSPL=" + std::to_string(tcb.microcode);
    if (tcb.fmc.has_value()) query += "&fmcSPL=" + std::to_string(*tcb.fmc);
    const ByteSpan chip(report.chip_id);
    out.push_back({"vek", base + "/" + ToHex(turin ? chip.first(8) : chip) + query});
  }
  out.push_back({"intermediate", base + "/cert_chain", AnswerPart::kFirstCertificate});
  out.push_back({"ark", base + "/cert_chain", AnswerPart::kSecondCertificate});
  out.push_back({"crl", base + "/crl"});
  return out;
}

std::vector<EndorsementOrigins> SnpChoices(const attest::SnpReportFields& report) {
  if (const auto product = report.Product()) return {SnpOrigins(report, *product)};
  // Reports of version 2 do not name their CPU, and are older than Turin.
  return {SnpOrigins(report, attest::SnpProduct::kMilan),
          SnpOrigins(report, attest::SnpProduct::kGenoa)};
}

struct IntelMachine {
  std::string fmspc;
  std::string ca;  // "platform", "processor"
};

Result<IntelMachine> ReadIntelMachine(const attest::UnverifiedFiles& evidence) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, attest::RequireFile(evidence, "quote"));
  AH_ASSIGN_OR_RETURN(const auto quote, attest::UnverifiedIntelQuote::Parse(bytes));
  AH_ASSIGN_OR_RETURN(const auto chain,
                      attest::ReadPckChain(quote.unverified().certification_data));
  if (chain.empty()) return InvalidInput("the quote has no certificate of its machine");
  const crypto::CertificateFields& leaf = chain.front().unverified();
  AH_ASSIGN_OR_RETURN(const attest::PckFields pck, attest::ReadPck(leaf));
  const bool platform = leaf.issuer_common_name.find("Platform") != std::string::npos;
  return IntelMachine{.fmspc = ToHex(pck.fmspc), .ca = platform ? "platform" : "processor"};
}

// Intel's Provisioning Certification Service, version 4.
EndorsementOrigins IntelOrigins(const attest::Kind& kind, const IntelMachine& machine) {
  const std::string base = "https://api.trustedservices.intel.com/";
  const std::string own =
      base + (kind.platform == Platform::kTdx ? "tdx" : "sgx") + "/certification/v4/";
  const std::string tcb = own + "tcb?fmspc=" + machine.fmspc;
  const std::string qe = own + "qe/identity";
  return {
      {"tcb_info", tcb},
      {"tcb_info_issuer_chain", tcb, AnswerPart::kHeader, "TCB-Info-Issuer-Chain"},
      {"qe_identity", qe},
      {"qe_identity_issuer_chain", qe, AnswerPart::kHeader, "SGX-Enclave-Identity-Issuer-Chain"},
      {"pck_crl", base + "sgx/certification/v4/pckcrl?ca=" + machine.ca + "&encoding=der"},
      {"root_ca_crl", "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"}};
}

Result<std::string> TpmSet(const attest::UnverifiedFiles& evidence) {
  AH_ASSIGN_OR_RETURN(const ByteSpan bytes, attest::RequireFile(evidence, "ak_public_tpmt"));
  AH_ASSIGN_OR_RETURN(const attest::Tpm2Public key, attest::ParseTpm2Public(bytes));
  return ToHex(key.key.Fingerprint().span().first(kKeyBytes));
}

Error NoEndorsements(const attest::Kind& kind) {
  return Unsupported("this version keeps no endorsements for " + std::string(kind.name()));
}

}  // namespace

Result<std::string> EndorsementSet(const attest::Kind& kind,
                                   const attest::UnverifiedFiles& evidence) {
  switch (kind.platform) {
    case Platform::kSevSnp: {
      AH_ASSIGN_OR_RETURN(const auto report, SnpFields(evidence));
      return SnpSet(report);
    }
    case Platform::kTdx:
    case Platform::kSgxDcap: {
      AH_ASSIGN_OR_RETURN(const IntelMachine machine, ReadIntelMachine(evidence));
      return machine.fmspc + "-" + machine.ca;
    }
    case Platform::kTpm2:
      return TpmSet(evidence);
    default:
      return NoEndorsements(kind);
  }
}

EndorsementForm FormOfRole(std::string_view role) {
  if (role == "tcb_info") return EndorsementForm::kTcbInfo;
  if (role == "qe_identity") return EndorsementForm::kQeIdentity;
  return role.ends_with("crl") ? EndorsementForm::kRevocationList : EndorsementForm::kCertificates;
}

std::string EndorsementOrigin::Text() const {
  if (url.empty()) return "(no service is known)";
  switch (part) {
    case AnswerPart::kBody:
      return url;
    case AnswerPart::kFirstCertificate:
      return url + " (the first certificate)";
    case AnswerPart::kSecondCertificate:
      return url + " (the second certificate)";
    case AnswerPart::kHeader:
      return url + " (its header " + header + ", percent-decoded)";
  }
  return url;
}

Result<std::vector<EndorsementOrigins>> EndorsementChoices(
    const attest::Kind& kind, const attest::UnverifiedFiles& evidence) {
  switch (kind.platform) {
    case Platform::kSevSnp: {
      AH_ASSIGN_OR_RETURN(const auto report, SnpFields(evidence));
      return SnpChoices(report);
    }
    case Platform::kTdx:
    case Platform::kSgxDcap: {
      AH_ASSIGN_OR_RETURN(const IntelMachine machine, ReadIntelMachine(evidence));
      return std::vector<EndorsementOrigins>{IntelOrigins(kind, machine)};
    }
    case Platform::kTpm2:  // whoever certified the TPM's attestation key, if anybody did
      return std::vector<EndorsementOrigins>{
          {{"ak_cert", ""}, {"ak_cert_intermediate", ""}, {"ak_cert_root", ""}}};
    default:
      return NoEndorsements(kind);
  }
}

}  // namespace anchorhold::client
