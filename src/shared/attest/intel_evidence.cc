#include "shared/attest/intel_evidence.h"

#include <algorithm>

#include "shared/attest/chain_checks.h"
#include "shared/attest/rule_checks.h"

namespace anchorhold::attest {
namespace {

// The SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA"
// (https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer).
constexpr std::string_view kIntelRoots[] = {
    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"};
constexpr std::string_view kRootName = "root_is_intel_sgx_root_ca";
constexpr std::string_view kIntelVendor = "939a7233f79c4ca9940a0db3957f0607";
constexpr std::uint16_t kPckChainCertification = 5;

// The quoting enclaves that Intel has signed so far, for when there is no identity to judge by:
// without either, whoever owns a machine could certify a key of their own.
struct KnownQe {
  IntelTee tee;
  std::string_view mr_signer;
  std::uint16_t isv_prod_id;
};
constexpr KnownQe kKnownQes[] = {
    {IntelTee::kSgx, "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff", 1},
    {IntelTee::kTdx, "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5", 2}};
constexpr std::size_t kPckChainLength = 3;
constexpr std::size_t kSignerChainLength = 2;

using Chain = std::vector<crypto::VerifiedCertificate>;
using UnverifiedChain = std::vector<crypto::UnverifiedCertificate>;

// One verification, with what all its steps need.
class IntelVerification {
 public:
  IntelVerification(const AppraisalInput& input, Appraiser& appraiser, const IntelFiles& files,
                    const IntelRules& rules, IntelTee tee)
      : input_(input),
        appraiser_(appraiser),
        files_(files),
        rules_(rules),
        tee_(tee),
        pins_(RootPins(rules.roots, kIntelRoots)) {}

  Result<VerifiedIntelQuote> Verify();

 private:
  Status VerifyPckChain(const IntelQuoteFields& unverified, PckFields& pck);
  Status VerifyLists();
  Status VerifyList(std::string_view role, const Bytes* list, std::size_t issuer,
                    const RevocationNames& names);
  // The document of that role, if it is given.
  Result<std::optional<VerifiedIntelDocument>> VerifyDocument(
      std::string_view role, const std::optional<UnverifiedIntelDocument>& document,
      const Bytes* chain_file);
  Result<Chain> VerifySigner(const std::string& role, const Bytes* chain_file);
  Status CheckKnownQe(const SgxReportFields& report);
  Status CheckDates(const std::string& role, const IntelDates& dates);
  Status VerifyCollateral(VerifiedIntelQuote& out);
  Status CheckTcb(const IntelTcb& tcb);
  // Adds the root from its own file if the chain ends one short of `length`.
  Result<UnverifiedChain> WithRoot(UnverifiedChain chain, std::size_t length);
  bool NeedsCollateral() const {
    return (input_.strict && !files_.may_lack_collateral) || rules_.NeedsCollateral();
  }
  bool NeedsLists() const {
    return (input_.strict && !files_.may_lack_collateral) || rules_.require_crls;
  }

  const AppraisalInput& input_;
  Appraiser& appraiser_;
  const IntelFiles& files_;
  const IntelRules& rules_;
  const IntelTee tee_;
  const std::vector<crypto::Sha256Digest> pins_;
  std::optional<UnverifiedIntelDocument> tcb_info_, qe_identity_;
  Chain pck_chain_;
};

Error NotGiven(std::string_view role) {
  return Refuse(std::string(role) + "_is_given",
                "no file has the role '" + std::string(role) + "'");
}

// Where the certificates of a quote are: within it, or in a file of their own.
Result<std::optional<UnverifiedChain>> FindPckChain(const IntelQuoteFields& quote,
                                                    const IntelFiles& files) {
  const bool within = quote.certification_type == kPckChainCertification;
  const Bytes* const bytes = within ? &quote.certification_data : files.pck_chain;
  if (bytes == nullptr) return std::optional<UnverifiedChain>();
  auto chain = ReadPckChain(*bytes);
  if (!chain.ok()) return Refuse("pck_chain_is_well_formed", chain.error().message());
  return std::optional(std::move(chain).value());
}

Result<UnverifiedChain> IntelVerification::WithRoot(UnverifiedChain chain, std::size_t length) {
  if (chain.size() + 1 == length && files_.root != nullptr) {
    AH_ASSIGN_OR_RETURN(auto root, ReadOneCertificate("root", *files_.root));
    chain.push_back(std::move(root));
  }
  return chain;
}

Status IntelVerification::VerifyPckChain(const IntelQuoteFields& unverified, PckFields& pck) {
  AH_ASSIGN_OR_RETURN(auto found, FindPckChain(unverified, files_));
  if (!found.has_value()) {
    return Refuse("pck_chain_is_given",
                  "the quote has no certificates, and no file has the role 'pck_chain'");
  }
  AH_ASSIGN_OR_RETURN(const auto chain, WithRoot(std::move(*found), kPckChainLength));
  if (chain.size() != kPckChainLength) {
    return Refuse("pck_chain_is_well_formed", "it must have three certificates, the PCK's first");
  }
  constexpr std::string_view kName = "pck_chain_signatures";
  constexpr std::string_view kLinks[kPckChainLength] = {kName, kName, kName};
  AH_ASSIGN_OR_RETURN(pck_chain_,
                      CheckChain(appraiser_, chain, kLinks, {.pins = pins_}, kRootName));
  const std::string& leaf = pck_chain_[0].fields().common_name;
  const std::string& ca = pck_chain_[1].fields().common_name;
  AH_RETURN_IF_ERROR(appraiser_.Check(
      "pck_certificate_is_pck",
      leaf == "Intel SGX PCK Certificate" &&
          (ca == "Intel SGX PCK Platform CA" || ca == "Intel SGX PCK Processor CA"),
      "\"" + leaf + "\" of \"" + ca + "\" is no key that Intel certifies machines by"));
  auto fields = ReadPck(pck_chain_[0].fields());
  if (!fields.ok()) return Refuse("pck_is_well_formed", fields.error().message());
  pck = std::move(fields).value();
  return Ok();
}

// `issuer`: of the list, in the PCK's chain, which issued the certificate before it.
Status IntelVerification::VerifyList(std::string_view role, const Bytes* list, std::size_t issuer,
                                     const RevocationNames& names) {
  if (list == nullptr) {
    if (NeedsLists()) return NotGiven(role);
    appraiser_.Skip(names.not_revoked, "no revocation list was given");
    return Ok();
  }
  return CheckNotRevoked(appraiser_, input_, *list, pck_chain_[issuer], pck_chain_[issuer - 1],
                         names);
}

Status IntelVerification::VerifyLists() {
  AH_RETURN_IF_ERROR(
      VerifyList("root_ca_crl", files_.root_ca_crl, 2,
                 {"root_crl_signature", "root_crl_current", "intermediate_not_revoked"}));
  return VerifyList("pck_crl", files_.pck_crl, 1,
                    {"pck_crl_signature", "pck_crl_current", "pck_not_revoked"});
}

Result<Chain> IntelVerification::VerifySigner(const std::string& role, const Bytes* chain_file) {
  const std::string name = role + "_issuer_chain";
  if (chain_file == nullptr) return NotGiven(name);
  auto read = crypto::ReadCertificates(*chain_file, kSignerChainLength);
  if (!read.ok()) return Refuse(name, read.error().message());
  AH_ASSIGN_OR_RETURN(const auto chain, WithRoot(std::move(read).value(), kSignerChainLength));
  if (chain.size() != kSignerChainLength) {
    return Refuse(name, "it must have two certificates, the signer's first");
  }
  const std::string_view links[kSignerChainLength] = {name, name};
  AH_ASSIGN_OR_RETURN(Chain verified,
                      CheckChain(appraiser_, chain, links, {.pins = pins_}, kRootName));
  AH_RETURN_IF_ERROR(appraiser_.Check("collateral_root_is_pck_root",
                                      verified[1].key() == pck_chain_[2].key(),
                                      "collateral and quote come from two authorities"));
  AH_RETURN_IF_ERROR(
      appraiser_.Check("tcb_signer_is_intel_tcb_signing",
                       verified[0].fields().common_name == "Intel SGX TCB Signing",
                       "\"" + verified[0].fields().common_name + "\" does not sign collateral"));
  return verified;
}

// Nothing if there is none.
Result<std::optional<UnverifiedIntelDocument>> ParseDocument(std::string_view role,
                                                             std::string_view member,
                                                             const Bytes* bytes) {
  if (bytes == nullptr) return std::optional<UnverifiedIntelDocument>();
  auto parsed = UnverifiedIntelDocument::Parse(*bytes, member);
  if (!parsed.ok()) {
    return Refuse(std::string(role) + "_is_well_formed", parsed.error().message());
  }
  return std::optional(std::move(parsed).value());
}

Result<std::optional<VerifiedIntelDocument>> IntelVerification::VerifyDocument(
    std::string_view role, const std::optional<UnverifiedIntelDocument>& document,
    const Bytes* chain_file) {
  const std::string name(role);
  if (!document.has_value()) {
    if (NeedsCollateral()) return NotGiven(role);
    appraiser_.Skip(name + "_signature", "no file has the role '" + name + "'");
    return std::optional<VerifiedIntelDocument>();
  }
  AH_ASSIGN_OR_RETURN(const Chain signer, VerifySigner(name, chain_file));
  auto verified = document->VerifiedBy(signer[0].key());
  AH_RETURN_IF_ERROR(
      appraiser_.Check(name + "_signature", verified.ok() ? Ok() : Status(verified.error())));
  if (files_.root_ca_crl != nullptr) {
    AH_RETURN_IF_ERROR(
        CheckNotRevoked(appraiser_, input_, *files_.root_ca_crl, signer[1], signer[0],
                        {"root_crl_signature", "root_crl_current", "tcb_signer_not_revoked"}));
  }
  return std::optional(std::move(verified).value());
}

Status IntelVerification::CheckKnownQe(const SgxReportFields& report) {
  bool known = false;
  for (const KnownQe& qe : kKnownQes) {
    known = known || (qe.tee == tee_ && qe.mr_signer == ToHex(report.mr_signer) &&
                      qe.isv_prod_id == report.isv_prod_id);
  }
  return appraiser_.Check("qe_is_known", known && !report.Debug(),
                          "the quoting enclave is none that is known here, and no identity of it "
                          "was given");
}

Status IntelVerification::CheckDates(const std::string& role, const IntelDates& dates) {
  if (input_.SignaturesOnly()) {
    appraiser_.Skip(role + "_current",
                    "no policy was given, so that old collateral counts as well");
    return Ok();
  }
  return appraiser_.Check(role + "_current", dates.Contain(input_.now),
                          "it holds from " + FormatTime(dates.issue_date) + " to " +
                              FormatTime(dates.next_update) + "; fetch what is current");
}

Status IntelVerification::VerifyCollateral(VerifiedIntelQuote& out) {
  std::optional<TdReportFields> td;
  if (tee_ == IntelTee::kTdx) {
    AH_ASSIGN_OR_RETURN(td, ParseTdReport(out.quote.body));
  }
  AH_ASSIGN_OR_RETURN(const auto tcb_info,
                      VerifyDocument("tcb_info", tcb_info_, files_.tcb_info_issuer_chain));
  if (tcb_info.has_value()) {
    const auto info = ReadTcbInfo(*tcb_info);
    if (!info.ok()) return Refuse("tcb_info_is_well_formed", info.error().message());
    AH_RETURN_IF_ERROR(CheckDates("tcb_info", info->dates));
    AH_RETURN_IF_ERROR(
        appraiser_.Check("tcb_info_is_of_platform", info->tee == tee_,
                         "the TCB info is of SGX for a TD, or of TDX for an enclave"));
    AH_RETURN_IF_ERROR(JudgeByTcbInfo(appraiser_, *info, out.pck, td ? &*td : nullptr, out.tcb));
  }
  AH_ASSIGN_OR_RETURN(const auto qe_identity,
                      VerifyDocument("qe_identity", qe_identity_, files_.qe_identity_issuer_chain));
  if (qe_identity.has_value()) {
    const auto identity = ReadQeIdentity(*qe_identity);
    if (!identity.ok()) return Refuse("qe_identity_is_well_formed", identity.error().message());
    AH_RETURN_IF_ERROR(CheckDates("qe_identity", identity->dates));
    AH_RETURN_IF_ERROR(appraiser_.Check("qe_identity_is_of_platform", identity->tee == tee_,
                                        "the identity is of the other quoting enclave"));
    AH_RETURN_IF_ERROR(JudgeByQeIdentity(appraiser_, *identity, out.quote.qe_report, out.tcb));
  } else {
    AH_RETURN_IF_ERROR(CheckKnownQe(out.quote.qe_report));
  }
  ConcludeTcb(out.tcb);
  return Ok();
}

Status IntelVerification::CheckTcb(const IntelTcb& tcb) {
  const std::string_view because = WhyLeftOut(input_);
  const std::string status(tcb.status ? TcbStatusName(*tcb.status) : "unknown");
  if (input_.strict && tcb.status.has_value()) {
    AH_RETURN_IF_ERROR(appraiser_.Check("tcb_status", tcb.status == TcbStatus::kUpToDate,
                                        "the platform's status is " + status));
  }
  if (rules_.tcb_statuses.has_value()) {
    const auto& accepted = *rules_.tcb_statuses;
    AH_RETURN_IF_ERROR(appraiser_.Check(
        "tcb_status",
        tcb.status.has_value() &&
            std::find(accepted.begin(), accepted.end(), *tcb.status) != accepted.end(),
        "the platform's status is " + status + ", which the policy does not accept"));
  } else if (!input_.strict) {
    appraiser_.Skip("tcb_status", because);
  } else if (!tcb.status.has_value()) {
    appraiser_.Skip("tcb_status", "TCB info and the quoting enclave's identity were not given");
  }
  if (rules_.tcb_advisories.has_value()) {
    const auto& accepted = *rules_.tcb_advisories;
    for (const std::string& id : tcb.advisories) {
      AH_RETURN_IF_ERROR(appraiser_.Check(
          "tcb_advisories", std::find(accepted.begin(), accepted.end(), id) != accepted.end(),
          "the platform is subject to " + id + ", which the policy does not accept"));
    }
    AH_RETURN_IF_ERROR(appraiser_.Check("tcb_advisories", Ok()));
  } else {
    appraiser_.Skip("tcb_advisories", because);
  }
  const std::uint32_t number_min = rules_.evaluation_number_min.value_or(0);
  return CheckIfSet(
      appraiser_, input_, "tcb_evaluation_data_number", rules_.evaluation_number_min.has_value(),
      tcb.evaluation_number.value_or(0) >= number_min,
      "the collateral is of an evaluation before number " + std::to_string(number_min));
}

Result<VerifiedIntelQuote> IntelVerification::Verify() {
  if (files_.quote == nullptr) return NotGiven("quote");
  const auto unverified = UnverifiedIntelQuote::Parse(*files_.quote);
  if (!unverified.ok()) return Refuse("quote_is_well_formed", unverified.error().message());
  const bool is_sgx = unverified->unverified().body_type == QuoteBody::kSgxReport;
  AH_RETURN_IF_ERROR(appraiser_.Check("quote_is_of_platform", is_sgx == (tee_ == IntelTee::kSgx),
                                      is_sgx ? "a quote of SGX" : "a quote of TDX"));
  AH_ASSIGN_OR_RETURN(tcb_info_, ParseDocument("tcb_info", "tcbInfo", files_.tcb_info));
  AH_ASSIGN_OR_RETURN(qe_identity_,
                      ParseDocument("qe_identity", "enclaveIdentity", files_.qe_identity));
  VerifiedIntelQuote out;
  AH_RETURN_IF_ERROR(VerifyPckChain(unverified->unverified(), out.pck));
  AH_ASSIGN_OR_RETURN(out.quote, unverified->VerifiedBy(appraiser_, pck_chain_[0].key()));
  AH_RETURN_IF_ERROR(appraiser_.Check("qe_vendor_is_intel",
                                      ToHex(out.quote.vendor_id) == kIntelVendor,
                                      "the quoting enclave is not Intel's"));
  AH_RETURN_IF_ERROR(VerifyLists());
  AH_RETURN_IF_ERROR(VerifyCollateral(out));
  AH_RETURN_IF_ERROR(CheckTcb(out.tcb));
  out.claims = IntelQuoteClaims(out.quote);
  out.claims.Add("pck", PckClaims(out.pck, pck_chain_[0].fields()));
  out.claims.Add("tcb_status", IntelTcbClaims(out.tcb));
  return out;
}

TrustTier HardwareTier(const AppraisalInput& input, const IntelTcb& tcb) {
  if (!tcb.status.has_value()) return TrustTier::kNone;
  if (tcb.status == TcbStatus::kUpToDate) {
    // By collateral that may be an old one.
    return input.SignaturesOnly() ? TrustTier::kNone : TrustTier::kAffirming;
  }
  return tcb.status == TcbStatus::kRevoked || tcb.status == TcbStatus::kNotFound
             ? TrustTier::kContraindicated
             : TrustTier::kWarning;
}

}  // namespace

IntelFiles CollectIntelFiles(const UnverifiedFiles& files) {
  IntelFiles out;
  out.quote = files.Find("quote");
  out.pck_chain = files.Find("pck_chain");
  out.root = files.Find("root");
  out.tcb_info = files.Find("tcb_info");
  out.tcb_info_issuer_chain = files.Find("tcb_info_issuer_chain");
  out.qe_identity = files.Find("qe_identity");
  out.qe_identity_issuer_chain = files.Find("qe_identity_issuer_chain");
  out.pck_crl = files.Find("pck_crl");
  out.root_ca_crl = files.Find("root_ca_crl");
  return out;
}

Result<VerifiedIntelQuote> VerifyIntelQuote(const AppraisalInput& input, Appraiser& appraiser,
                                            const IntelFiles& files, const IntelRules& rules,
                                            IntelTee tee) {
  return IntelVerification(input, appraiser, files, rules, tee).Verify();
}

Result<ShownIntelQuote> ShowIntelQuote(const IntelFiles& files) {
  if (files.quote == nullptr) return InvalidInput("there is no quote to show");
  AH_ASSIGN_OR_RETURN(const auto quote, UnverifiedIntelQuote::Parse(*files.quote));
  ShownIntelQuote out{.quote = quote.unverified(), .claims = IntelQuoteClaims(quote.unverified())};
  AH_ASSIGN_OR_RETURN(const auto chain, FindPckChain(out.quote, files));
  if (!chain.has_value()) return out;
  const crypto::CertificateFields& leaf = chain->front().unverified();
  AH_ASSIGN_OR_RETURN(const PckFields pck, ReadPck(leaf));
  out.claims.Add("pck", PckClaims(pck, leaf));
  return out;
}

TrustVector IntelTrust(const AppraisalInput& input, const IntelTcb& tcb, bool debug) {
  TrustVector trust;
  trust.instance_identity = TrustTier::kAffirming;
  trust.hardware = HardwareTier(input, tcb);
  trust.configuration = input.SignaturesOnly() ? TrustTier::kNone : TrustTier::kAffirming;
  trust.runtime_opaque = TrustTier::kAffirming;
  if (debug) {
    trust.configuration = TrustTier::kContraindicated;
    trust.runtime_opaque = TrustTier::kContraindicated;
  }
  return trust;
}

}  // namespace anchorhold::attest
