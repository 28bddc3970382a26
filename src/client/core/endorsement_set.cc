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
std::vector<EndorsementOrigin> SnpOrigins(const attest::SnpReportFields& report) {
  // Reports of version 2 do not name their CPU.
  const auto product = report.Product();
  const std::string name =
      product.has_value() ? std::string(attest::SnpProductName(*product)) : "Milan (or Genoa)";
  const bool vlek = report.SigningKey() == attest::SnpSigningKey::kVlek;
  const std::string base =
      std::string("https://kdsintf.amd.com/") + (vlek ? "vlek" : "vcek") + "/v1/" + name;
  std::vector<EndorsementOrigin> out;
  if (!vlek) {
    const bool turin = product == attest::SnpProduct::kTurin;
    const attest::SnpTcb tcb =
        ParseSnpTcb(report.reported_tcb, product.value_or(attest::SnpProduct::kMilan));
    std::string query =
        "?blSPL=" + std::to_string(tcb.boot_loader) + "&teeSPL=" + std::to_string(tcb.tee) +
        "&snpSPL=" + std::to_string(tcb.snp) + "&ucodeSPL=" + std::to_string(tcb.microcode);
    if (tcb.fmc.has_value()) query += "&fmcSPL=" + std::to_string(*tcb.fmc);
    const ByteSpan chip(report.chip_id);
    out.push_back({"vek", base + "/" + ToHex(turin ? chip.first(8) : chip) + query});
  }
  out.push_back({"intermediate", base + "/cert_chain (the first certificate)"});
  out.push_back({"ark", base + "/cert_chain (the second certificate)"});
  out.push_back({"crl", base + "/crl"});
  return out;
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
std::vector<EndorsementOrigin> IntelOrigins(const attest::Kind& kind, const IntelMachine& machine) {
  const std::string base = "https://api.trustedservices.intel.com/";
  const std::string own =
      base + (kind.platform == Platform::kTdx ? "tdx" : "sgx") + "/certification/v4/";
  const std::string tcb = own + "tcb?fmspc=" + machine.fmspc;
  const std::string qe = own + "qe/identity";
  return {{"tcb_info", tcb},
          {"tcb_info_issuer_chain", tcb + " (its header TCB-Info-Issuer-Chain)"},
          {"qe_identity", qe},
          {"qe_identity_issuer_chain", qe + " (its header SGX-Enclave-Identity-Issuer-Chain)"},
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

Result<std::vector<EndorsementOrigin>> EndorsementOrigins(const attest::Kind& kind,
                                                          const attest::UnverifiedFiles& evidence) {
  switch (kind.platform) {
    case Platform::kSevSnp: {
      AH_ASSIGN_OR_RETURN(const auto report, SnpFields(evidence));
      return SnpOrigins(report);
    }
    case Platform::kTdx:
    case Platform::kSgxDcap: {
      AH_ASSIGN_OR_RETURN(const IntelMachine machine, ReadIntelMachine(evidence));
      return IntelOrigins(kind, machine);
    }
    case Platform::kTpm2: {
      const std::string who = "(whoever certified the TPM's attestation key, if anybody did)";
      return std::vector<EndorsementOrigin>{
          {"ak_cert", who}, {"ak_cert_intermediate", who}, {"ak_cert_root", who}};
    }
    default:
      return NoEndorsements(kind);
  }
}

}  // namespace anchorhold::client
