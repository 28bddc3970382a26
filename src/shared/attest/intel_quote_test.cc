// Quotes, certificates and collateral of a platform of our own, in every form: good evidence
// passes, and everything that is bent is refused by the check that is meant for it.
#include "shared/attest/intel_quote.h"

#include "shared/attest/intel_evidence.h"
#include "shared/attest/test_intel_fixture.h"

namespace anchorhold::attest::testing {
namespace {

TEST_P(EveryQuote, IsAccepted) {
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->platform(), platform_.kind().platform);
  EXPECT_EQ(result->measurement(), Bytes(platform_.IsTd() ? 48 : 32, std::byte{0x5a}));
  EXPECT_TRUE(result->warnings().empty());
  EXPECT_EQ(result->trust().Status(), TrustTier::kAffirming);
  EXPECT_EQ(result->claims().Find("tcb_status")->Find("merged")->text(), "UpToDate");
  EXPECT_EQ(result->claims().Find("pck")->Find("fmspc")->text(), "00906ed50000");
  EXPECT_EQ(result->claims().Find("pck")->Find("comp")->items()[15].text(), "18");
  for (const CheckOutcome& check : result->checks()) {
    const bool no_log = check.name == "event_log";
    const bool not_of_10 = check.name == "mr_service_td" && GetParam() == QuoteForm::kTdx4;
    EXPECT_TRUE(!check.skipped_because.has_value() || no_log || not_of_10) << check.name;
  }
}

// Certificates make a verification slow: every byte of every file is changed in one form of a
// quote, and every fifth in the others.
std::size_t StepFor(QuoteForm form, const std::string& role) {
  return form == QuoteForm::kTdx5 && role != "qe_identity_issuer_chain" ? 1 : 5;
}

TEST_P(EveryQuote, NoChangedByteOfTheQuotePasses) {
  const Bytes& good = files_["quote"];
  for (std::size_t at = 0; at < good.size(); at += StepFor(GetParam(), "quote")) {
    Files other = files_;
    other["quote"][at] ^= std::byte{1};
    const bool is_buffer = at >= good.size() - platform_.trailing.size();
    const std::string name = Refused(other);
    EXPECT_EQ(name.empty(), is_buffer) << at;
    const bool is_report =
        at >= platform_.BodyAt() && at < platform_.BodyAt() + platform_.body.size();
    if (is_report) {
      EXPECT_EQ(name, "quote_signature") << at;
    }
  }
}

// Every byte ahead of the certificates, in every form.
TEST_P(EveryQuote, NoChangedByteOfASignedPartPasses) {
  const Bytes& good = files_["quote"];
  const auto chain = ReadPckChain(AsBytes(platform_.PckChain())).value();
  const crypto::PublicKey pck = chain[0].unverified().key;
  const std::size_t certificates = CopyText(good).find("-----BEGIN");
  for (std::size_t at = 0; at < certificates; ++at) {
    Bytes other = good;
    other[at] ^= std::byte{1};
    const auto quote = UnverifiedIntelQuote::Parse(other);
    if (!quote.ok()) continue;
    Appraiser appraiser(kIntelNow);
    const auto verified = quote->VerifiedBy(appraiser, pck);
    // The type of the certification data says where certificates come from, and is not signed.
    const bool is_type = at + 6 == certificates || at + 5 == certificates;
    EXPECT_EQ(verified.ok(), is_type) << at;
  }
}

TEST_P(EveryQuote, NoChangedByteOfAnEndorsementPasses) {
  Files few = files_;  // without lists, for all that is no list
  few.erase("root_ca_crl");
  few.erase("pck_crl");
  for (const auto& [role, bytes] : files_) {
    if (role == "quote") continue;
    const bool is_list = role.ends_with("_crl");
    strict_ = rules().require_crls = is_list;
    EXPECT_EQ(Refused(is_list ? files_ : few), "");
    for (std::size_t at = 0; at < bytes.size(); at += StepFor(GetParam(), role)) {
      Files other = is_list ? files_ : few;
      other[role][at] ^= std::byte{1};
      EXPECT_NE(Refused(other), "") << role << at;
    }
  }
}

TEST_P(EveryQuote, NoTruncationPasses) {
  for (const auto& [role, bytes] : files_) {
    const bool is_certificate = role.ends_with("_chain") || role.ends_with("_crl");
    const std::size_t step = is_certificate ? StepFor(GetParam(), role) : 1;
    const std::size_t used = bytes.size() - (role == "quote" ? platform_.trailing.size() : 0);
    for (std::size_t size = 0; size < used; size += step) {
      Files other = files_;
      other[role].resize(size);
      const std::string name = Refused(other);
      if (role == "quote") {
        EXPECT_EQ(name, "quote_is_well_formed") << size;
      } else if (role.ends_with("_chain")) {
        // Without the last white space it is the same PEM.
        EXPECT_EQ(name, size + 1 == used ? "" : role) << size;
      } else if (role.ends_with("_crl")) {
        EXPECT_EQ(name, role == "pck_crl" ? "pck_crl_signature" : "root_crl_signature") << size;
      } else {
        EXPECT_EQ(name, role + "_is_well_formed") << size;
      }
    }
  }
}

TEST_P(EveryQuote, NothingMayBeMissing) {
  for (const auto& [role, bytes] : files_) {
    Files other = files_;
    other.erase(role);
    EXPECT_EQ(Refused(other), role + "_is_given");
  }
}

TEST_P(EveryQuote, WhatIsWaivedMayBeMissing) {
  rules() = {.require_crls = false, .roots = rules().roots};
  strict_ = false;
  const auto result = Judge({{"quote", files_["quote"]}});
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name :
       {"pck_not_revoked", "intermediate_not_revoked", "tcb_info_signature",
        "qe_identity_signature", "tcb_status", "tcb_advisories", "tcb_evaluation_data_number"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  EXPECT_EQ(result->trust().hardware, TrustTier::kNone);
  // Without an identity, a quoting enclave has to be one that Intel is known to have signed.
  for (const std::size_t at : {std::size_t{48}, std::size_t{128}, std::size_t{256}}) {
    IntelPlatform platform(GetParam());
    platform.qe_report[at] ^= std::byte{3};
    EXPECT_EQ(Refused({{"quote", platform.WithQuote(files_)["quote"]}}), "qe_is_known") << at;
  }
  // Each of the three rules about the TCB asks for both documents.
  rules().tcb_statuses = {TcbStatus::kUpToDate};
  EXPECT_EQ(Refused({{"quote", files_["quote"]}}), "tcb_info_is_given");
  rules().tcb_statuses.reset();
  rules().tcb_advisories = {"INTEL-SA-00001"};
  EXPECT_EQ(Refused({{"quote", files_["quote"]}}), "tcb_info_is_given");
  rules().tcb_advisories.reset();
  rules().evaluation_number_min = 1;
  EXPECT_EQ(Refused({{"quote", files_["quote"]}}), "tcb_info_is_given");
}

TEST_P(EveryQuote, TheRootIsTrustedForItsKey) {
  rules().roots = {.vendor = true, .others = {}};
  EXPECT_EQ(Refused(files_), "root_is_intel_sgx_root_ca");
  with_policy_ = false;
  EXPECT_EQ(Refused(files_), "root_is_intel_sgx_root_ca");
}

TEST_P(EveryQuote, CertificatesMayComeInOtherWays) {
  // Without certificates of its own, from a file.
  IntelPlatform platform(GetParam());
  platform.certification_type = 1;
  platform.certification_data = Bytes(36);
  Files files = platform.Files();
  EXPECT_EQ(Refused(files), "pck_chain_is_given");
  const std::string chain = platform.PckChain();
  files["pck_chain"] = CopyBytes(AsBytes(chain));
  EXPECT_EQ(Refused(files), "");
  files["pck_chain"].push_back(std::byte{0});  // as a C string
  EXPECT_EQ(Refused(files), "");
  // The root from its own file; a root that is not trusted stays so.
  const std::size_t last = chain.rfind("-----BEGIN");
  files["pck_chain"] = CopyBytes(AsBytes(chain.substr(0, last)));
  EXPECT_EQ(Refused(files), "pck_chain_is_well_formed");
  files["root"] = CopyBytes(AsBytes(chain.substr(last)));
  EXPECT_EQ(Refused(files), "");
  files["root"] = CopyBytes(AsBytes(chain.substr(0, chain.find("-----BEGIN", 1))));
  EXPECT_EQ(Refused(files), "root_is_intel_sgx_root_ca");
  files["root"] = {};
  EXPECT_EQ(Refused(files), "root_is_well_formed");
  // In DER, of which the root may be the first.
  const auto certificates = crypto::ReadCertificates(AsBytes(chain), 3).value();
  Bytes der, reversed;
  for (std::size_t i = 0; i < 3; ++i) {
    AppendBytes(der, certificates[i].unverified().der);
    AppendBytes(reversed, certificates[2 - i].unverified().der);
  }
  files.erase("root");
  for (const Bytes& bytes : {der, reversed}) {
    files["pck_chain"] = bytes;
    EXPECT_EQ(Refused(files), "");
    files["pck_chain"].pop_back();
    EXPECT_EQ(Refused(files), "pck_chain_is_well_formed");
  }
}

TEST_P(EveryQuote, CertificatesStandWhereTheyBelong) {
  const auto swapped = [&](std::size_t a, std::size_t b) {
    IntelPlatform platform(GetParam());
    auto read = crypto::ReadCertificates(AsBytes(platform.PckChain()), 3).value();
    std::swap(read[a], read[b]);
    std::string chain;
    for (const auto& one : read)
      chain += crypto::testing::ToPem(one.unverified().der, "CERTIFICATE");
    platform.certification_data = CopyBytes(AsBytes(chain));
    return Refused(platform.Files());
  };
  EXPECT_EQ(swapped(0, 0), "");
  EXPECT_EQ(swapped(0, 1), "root_is_intel_sgx_root_ca");  // read from its end
  EXPECT_EQ(swapped(1, 2), "root_is_intel_sgx_root_ca");
  // The signer of collateral signs no quotes, and a PCK no collateral.
  Files other = files_;
  const std::string pck = platform_.PckChain();
  other["tcb_info_issuer_chain"] = CopyBytes(AsBytes(pck));
  EXPECT_EQ(Refused(other), "tcb_info_issuer_chain");
  other["tcb_info_issuer_chain"] =
      CopyBytes(AsBytes(pck.substr(pck.find("-----BEGIN", 1))));  // CA and root
  EXPECT_EQ(Refused(other), "tcb_signer_is_intel_tcb_signing");
  IntelPlatform platform(GetParam());
  platform.certification_data = files_["tcb_info_issuer_chain"];
  EXPECT_EQ(Refused(platform.Files()), "pck_chain_is_well_formed");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.pck_spec.subject = "Intel SGX TCB Signing"; }),
            "pck_certificate_is_pck");
  EXPECT_EQ(Refused([](IntelPlatform& p) {
              p.ca_spec.subject = p.pck_spec.issuer = p.pck_crl_spec.issuer = "Another CA";
            }),
            "pck_certificate_is_pck");
  EXPECT_EQ(Refused([](IntelPlatform& p) {
              p.ca_spec.subject = p.pck_spec.issuer = p.pck_crl_spec.issuer =
                  "Intel SGX PCK Processor CA";
            }),
            "");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.ca_spec.ca = false; }), "certificate_constraints");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.pck_spec.issuer = "Another CA"; }),
            "pck_chain_signatures");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.signer_spec.issuer = "Another CA"; }),
            "tcb_info_issuer_chain");
}

TEST_P(EveryQuote, DocumentsStandWhereTheyBelong) {
  Files other = files_;
  std::swap(other["tcb_info"], other["qe_identity"]);
  EXPECT_EQ(Refused(other), "tcb_info_is_well_formed");
  other = files_;
  other["pck_crl"] = files_["root_ca_crl"];
  EXPECT_EQ(Refused(other), "pck_crl_signature");
  other = files_;
  other["root_ca_crl"] = files_["pck_crl"];
  EXPECT_EQ(Refused(other), "root_crl_signature");
  // A signature over another document's value.
  other = files_;
  std::string text = CopyText(files_["tcb_info"]);
  const std::string foreign = CopyText(files_["qe_identity"]);
  text.replace(text.size() - 130, 128, foreign.substr(foreign.size() - 130, 128));
  other["tcb_info"] = CopyBytes(AsBytes(text));
  EXPECT_EQ(Refused(other), "tcb_info_signature");
  // The same values, written another way, are not what was signed.
  text = CopyText(files_["tcb_info"]);
  text.insert(text.find("\"version\""), " ");
  other["tcb_info"] = CopyBytes(AsBytes(text));
  EXPECT_EQ(Refused(other), "tcb_info_signature");
  // Outside of the value, white space means nothing, and another member is not Intel's.
  text = CopyText(files_["tcb_info"]);
  other["tcb_info"] = CopyBytes(AsBytes(" { " + text.substr(1) + "\n"));
  EXPECT_EQ(Refused(other), "");
  other["tcb_info"] = CopyBytes(AsBytes("{\"more\":1," + text.substr(1)));
  EXPECT_EQ(Refused(other), "tcb_info_is_well_formed");
}

TEST_P(EveryQuote, TimeEndsEveryPart) {
  const UnixSeconds from(1'749'000'000), to(1'751'000'000);
  const auto ends = [&](const std::function<void(IntelPlatform&)>& bend, const std::string& early,
                        const std::string& late) {
    IntelPlatform platform(GetParam());
    bend(platform);
    const Files files = platform.Files();
    EXPECT_EQ(Refused(files, from), "");
    EXPECT_EQ(Refused(files, to), "");
    EXPECT_EQ(Refused(files, UnixSeconds(from.value() - 1)), early);
    EXPECT_EQ(Refused(files, UnixSeconds(to.value() + 1)), late);
  };
  for (const auto spec : {&IntelPlatform::pck_spec, &IntelPlatform::ca_spec,
                          &IntelPlatform::root_spec, &IntelPlatform::signer_spec}) {
    ends(
        [&](IntelPlatform& p) {
          (p.*spec).not_before = from;
          (p.*spec).not_after = to;
        },
        "certificate_not_yet_valid", "certificate_expired");
  }
  const std::pair<crypto::testing::RevocationListSpec IntelPlatform::*, std::string> lists[] = {
      {&IntelPlatform::pck_crl_spec, "pck_crl_current"},
      {&IntelPlatform::root_crl_spec, "root_crl_current"}};
  for (const auto& [list, name] : lists) {
    const auto spec = list;
    ends(
        [&](IntelPlatform& p) {
          (p.*spec).this_update = from;
          (p.*spec).next_update = to;
        },
        name, name);
  }
  ends(
      [&](IntelPlatform& p) {
        p.tcb_info_dates = {from, to};
      },
      "tcb_info_current", "tcb_info_current");
  ends(
      [&](IntelPlatform& p) {
        p.qe_identity_dates = {from, to};
      },
      "qe_identity_current", "qe_identity_current");
}

TEST_P(EveryQuote, WhatIsRevokedIsRefused) {
  EXPECT_EQ(Refused([](IntelPlatform& p) {
              p.pck_crl_spec.serials = {99, 70002};
            }),
            "pck_not_revoked");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.root_crl_spec.serials = {70001}; }),
            "intermediate_not_revoked");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.root_crl_spec.serials = {70003}; }),
            "tcb_signer_not_revoked");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.pck_crl_spec.issuer = "Intel SGX Root CA"; }),
            "pck_crl_signature");
  EXPECT_EQ(Refused([](IntelPlatform& p) { p.pck_crl_spec.critical_extension = true; }),
            "pck_crl_signature");
}

TEST_P(EveryQuote, TheKeyIsTheQuotingEnclaves) {
  constexpr const char* kName = "qe_report_data_binds_attestation_key";
  Bytes bound = CopyBytes(crypto::Sha256(AsBytes("another key")).span());
  EXPECT_EQ(Refused([&](IntelPlatform& p) { p.qe_report_data = bound; }), kName);
  // Bound, but with something more behind it.
  const Bytes good =
      UnverifiedIntelQuote::Parse(files_["quote"])->unverified().qe_report.report_data;
  Bytes more = good;
  more[40] = std::byte{1};
  EXPECT_EQ(Refused([&](IntelPlatform& p) { p.qe_report_data = more; }), kName);
  EXPECT_EQ(Refused([&](IntelPlatform& p) { p.qe_report_data = good; }), "");
  // Without authentication data there is only the key.
  EXPECT_EQ(Refused([&](IntelPlatform& p) { p.authentication_data.clear(); }), "");
  EXPECT_EQ(Refused([&](IntelPlatform& p) { p.header[12] ^= std::byte{1}; }), "qe_vendor_is_intel");
}

TEST_P(EveryQuote, OtherFormsAreNotRead) {
  const auto well_formed = [&](std::size_t at, std::uint8_t value) {
    Files other = files_;
    other["quote"][at] = std::byte{value};
    return Refused(other) != "quote_is_well_formed";
  };
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{2}, std::uint8_t{6}}) {
    EXPECT_FALSE(well_formed(0, version));
  }
  EXPECT_FALSE(well_formed(1, 1));
  EXPECT_FALSE(well_formed(2, 3));                            // ECDSA P-384
  EXPECT_FALSE(well_formed(4, platform_.IsTd() ? 0 : 0x81));  // the other TEE
  const std::size_t size = platform_.BodyAt() + platform_.body.size();
  EXPECT_FALSE(well_formed(size + 3, 1));  // signature data beyond the file
  if (platform_.IsTd()) {
    EXPECT_FALSE(well_formed(size + 132, 5));  // no report of a QE
  }
  Files large = files_;
  large["quote"].resize(kQuoteBytesMax);
  EXPECT_EQ(Refused(large), "");
  large["quote"].resize(kQuoteBytesMax + 1);
  EXPECT_EQ(Refused(large), "quote_is_well_formed");
}

TEST_P(EveryQuote, SignaturesAloneDoNotAskForCurrencyOrStatus) {
  with_policy_ = strict_ = false;
  EXPECT_EQ(Refused(files_), "root_is_intel_sgx_root_ca");  // it is ours; so by a policy below
  with_policy_ = strict_ = true;
  IntelPlatform old(GetParam());
  old.levels[0].status = "OutOfDate";
  EXPECT_EQ(Refused(old.WithDocuments(files_)), "tcb_status");
  strict_ = false;
  rules().tcb_statuses = {TcbStatus::kOutOfDate};
  const auto result = Judge(old.WithDocuments(files_));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->trust().hardware, TrustTier::kWarning);
  // Strict judges on top of what a policy allows.
  strict_ = true;
  EXPECT_EQ(Refused(old.WithDocuments(files_)), "tcb_status");
}

TEST_P(EveryQuote, APolicyThatSaysNothingOfItRefuses) {
  policy_.tdx.reset();
  policy_.sgx_dcap.reset();
  EXPECT_EQ(Refused(files_), "policy");
  policy_ = platform_.Policy();
  policy_.platforms = {Platform::kSevSnp};
  EXPECT_EQ(Refused(files_), "platform");
  policy_ = platform_.Policy();
  policy_.measurements = {Bytes(48, std::byte{1})};
  EXPECT_EQ(Refused(files_), "measurement");
  policy_ = platform_.Policy();
  report_data_ = Bytes(64);
  EXPECT_EQ(Refused(files_), "report_data");
}

TEST_P(EveryQuote, IsShownWithoutJudging) {
  Files files = files_;
  files["quote"][platform_.BodyAt() + platform_.body.size() + 4] ^= std::byte{1};
  const auto shown = platform_.kind().show(AddAll(platform_.kind(), files));
  ASSERT_TRUE(shown.ok());
  EXPECT_NE(shown->unverified.Find("body"), nullptr);
  EXPECT_EQ(shown->unverified.Find("pck")->Find("pcesvn")->text(), "13");
  const Kind other = platform_.IsTd() ? IntelPlatform(QuoteForm::kSgx3).kind()
                                      : IntelPlatform(QuoteForm::kTdx4).kind();
  EXPECT_FALSE(other.show(AddAll(other, files)).ok());
  EXPECT_FALSE(other.show(UnverifiedFiles()).ok());
}

INSTANTIATE_TEST_SUITE_P(Forms, EveryQuote,
                         ::testing::Values(QuoteForm::kSgx3, QuoteForm::kTdx4, QuoteForm::kTdx5),
                         NameOfForm);

}  // namespace
}  // namespace anchorhold::attest::testing
