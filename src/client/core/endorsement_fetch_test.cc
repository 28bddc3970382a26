// Endorsements from services that behave, and services that do not. No test leaves the machine.
#include "client/core/endorsement_fetch.h"

#include <gtest/gtest.h>

#include "client/core/endorsement_set.h"
#include "client/core/test_folder.h"
#include "client/core/test_web_server.h"
#include "shared/attest/snp.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"

namespace anchorhold::client {
namespace {

using attest::SnpProduct;
using attest::testing::IntelPlatform;
using attest::testing::kIntelNow;
using attest::testing::kSnpNow;
using attest::testing::SnpPlatform;
using Files = std::map<std::string, Bytes>;
using Entries = std::vector<EndorsementCache::Entry>;

std::string Pem(ByteSpan der) { return crypto::testing::ToPem(der, "CERTIFICATE"); }

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) out += "%" + ToHex(AsBytes({&c, 1}));
  return out;
}

class FetchTest : public testing::Test {
 protected:
  Result<Entries> Fetch(const attest::Kind& kind, const attest::UnverifiedFiles& evidence,
                        UnixSeconds now) {
    return FetchEndorsements(cache_, service_, now, kind, evidence);
  }
  void ExpectError(const Result<Entries>& got, ErrorCode code,
                   const std::vector<std::string>& words) {
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code(), code) << got.error().message();
    for (const std::string& word : words) {
      EXPECT_NE(got.error().message().find(word), std::string::npos)
          << word << " is not in " << got.error().message();
    }
    EXPECT_TRUE(cache_.List().value().empty());
  }
  // What is kept is what the platform has, by role.
  void ExpectKept(const Result<Entries>& got, const attest::Kind& kind,
                  const attest::UnverifiedFiles& evidence, UnixSeconds now, const Files& files) {
    ASSERT_TRUE(got.ok()) << got.error().message();
    const auto found = cache_.Find(now, kind, evidence);
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(found->size(), files.size() - 1);
    for (const auto& file : *found) EXPECT_EQ(file.bytes, files.at(file.role)) << file.role;
  }

  WithoutProxies without_proxies_;
  TestFolder folder_;
  TestWebServer server_;
  EndorsementCache cache_{folder_ / "endorsements"};
  EndorsementService service_{.url = server_.url() + "/mirror/", .plain = PlainHttp::kAllow};
};

class SnpFetchTest : public FetchTest {
 protected:
  explicit SnpFetchTest(SnpProduct product = SnpProduct::kMilan)
      : platform_(product), files_(platform_.Files()) {
    Serve();
  }
  void Serve() {
    const std::string base = BaseOf(platform_.product);
    server_.Say(Vek(), TestWebServer::Answer(CopyText(files_.at("vek"))));
    server_.Say(base + "/cert_chain",
                TestWebServer::Answer(Pem(files_.at("intermediate")) + Pem(files_.at("ark"))));
    server_.Say(base + "/crl", TestWebServer::Answer(CopyText(files_.at("crl"))));
  }
  static std::string BaseOf(SnpProduct product) {
    return "/mirror/vcek/v1/" + std::string(attest::SnpProductName(product));
  }
  std::string Vek() const {
    return BaseOf(platform_.product) + "/" + ToHex(Bytes(64, std::byte{0xc4})) +
           "?blSPL=4&teeSPL=3&snpSPL=24&ucodeSPL=219";
  }
  std::string Chain() const { return BaseOf(platform_.product) + "/cert_chain"; }
  attest::UnverifiedFiles Evidence() const {
    return attest::testing::AddAll(attest::kSnpKind, {{"report", files_.at("report")}});
  }
  Result<Entries> Fetch(UnixSeconds now = kSnpNow) {
    return FetchTest::Fetch(attest::kSnpKind, Evidence(), now);
  }

  SnpPlatform platform_;
  Files files_;
};

TEST_F(SnpFetchTest, WhatIsFetchedIsKeptAndPasses) {
  ExpectKept(Fetch(), attest::kSnpKind, Evidence(), kSnpNow, files_);
  EXPECT_EQ(server_.Requests().size(), 3u);  // the chain, which has two of the files, once
  const attest::UnverifiedEvidence evidence{
      attest::Platform::kSevSnp,
      attest::SerializeCarried({{"report", files_.at("report")}}).value()};
  attest::ReportData data;
  data.value.fill(std::byte{0xda});
  EXPECT_TRUE(attest::Appraise(kSnpNow, evidence, platform_.Policy(), data, &cache_).ok());
}

TEST_F(SnpFetchTest, AFileThatIsNotThereIsAnErrorThatSaysHowToGoOn) {
  server_.Say(Chain(), "HTTP/1.1 404 Not Found\r\n\r\n");
  ExpectError(Fetch(), ErrorCode::kNotFound,
              {"intermediate from " + server_.url() + Chain() + ": ", "no such file", "--addresses",
               "--from DIR"});
}

TEST_F(SnpFetchTest, WrongContentIsNotKept) {
  const std::string crl = BaseOf(SnpProduct::kMilan) + "/crl";
  const std::string page = "<html>Please log in to the hotel's network.</html>";
  const std::string intermediate = Pem(files_.at("intermediate"));
  const std::string ark = Pem(files_.at("ark"));
  const struct {
    std::string target, body, word;
  } cases[] = {{Vek(), page, "vek"},
               {Vek(), "", "vek"},
               {Vek(), CopyText(files_.at("crl")), "vek"},
               {Vek(), CopyText(files_.at("vek")).substr(0, 100), "vek"},
               {crl, CopyText(files_.at("vek")), "crl"},
               {crl, page, "crl"},
               {Chain(), page, "intermediate"},
               {Chain(), intermediate, "of two"},
               {Chain(), intermediate + ark + ark, "of two"},
               {Chain(), ark + intermediate, "root"},
               {Chain(), intermediate + Pem(files_.at("vek")), "root"}};
  for (const auto& wrong : cases) {
    Serve();
    server_.Say(wrong.target, TestWebServer::Answer(wrong.body));
    ExpectError(Fetch(), ErrorCode::kInvalidInput, {wrong.word, server_.url(), "--from DIR"});
  }
  Serve();
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(SnpFetchTest, ATooLargeASlowAndABrokenAnswerAreErrors) {
  server_.Say(Vek(), TestWebServer::Answer(std::string(limits::kEvidenceFileBytesMax + 1, 'a')));
  ExpectError(Fetch(), ErrorCode::kLimitExceeded, {"vek from", "larger than"});
  server_.Say(Vek(),
              "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + CopyText(files_.at("vek")));
  ExpectError(Fetch(), ErrorCode::kUnavailable, {"vek from", "broke off"});
  Serve();
  service_.limits.time = std::chrono::milliseconds(300);
  server_.StallAfter(60);
  ExpectError(Fetch(), ErrorCode::kUnavailable, {"vek from", "0.3 seconds"});
}

TEST_F(SnpFetchTest, ARedirectIsNotFollowed) {
  TestWebServer other;
  other.Say("/vek", TestWebServer::Answer(CopyText(files_.at("vek"))));
  server_.Say(Vek(), "HTTP/1.1 301 Moved\r\nLocation: " + other.url() + "/vek\r\n\r\n");
  ExpectError(Fetch(), ErrorCode::kUnsupported, {"vek from", other.url(), "not followed"});
  EXPECT_TRUE(other.Requests().empty());
}

TEST_F(SnpFetchTest, WhatIsOverIsNotKept) {
  ExpectError(Fetch(UnixSeconds(platform_.crl_spec.next_update.value() + 1)),
              ErrorCode::kInvalidInput, {"was good until"});
}

TEST_F(SnpFetchTest, PlainHttpMustBeAllowedAndOtherAddressesAreRefused) {
  service_.plain = PlainHttp::kRefuse;
  ExpectError(Fetch(), ErrorCode::kInvalidInput, {"--insecure-http-service"});
  service_.plain = PlainHttp::kAllow;
  for (const char* url : {"https://", "https:///path", "cache.example", "ftp://cache.example",
                          "https://user:word@cache.example", "https://cache.example/?a=b",
                          "https://cache.example/#a", "https://cache example"}) {
    service_.url = url;
    ExpectError(Fetch(), ErrorCode::kInvalidInput, {"--service", "not an address"});
  }
  EXPECT_TRUE(server_.Requests().empty());
}

// A report of version 2 does not say which product its processor is.
class UnnamedGenoaTest : public SnpFetchTest {
 protected:
  UnnamedGenoaTest() : SnpFetchTest(SnpProduct::kGenoa) {
    platform_.report[0] = std::byte{2};
    for (const std::size_t at : {0x188u, 0x189u, 0x18au}) platform_.report[at] = std::byte{0};
    files_ = platform_.WithReport(files_);
  }
};

TEST_F(UnnamedGenoaTest, EachProductIsAskedInTurn) {
  ExpectKept(Fetch(), attest::kSnpKind, Evidence(), kSnpNow, files_);
  EXPECT_EQ(server_.Requests().size(), 4u);
}

TEST_F(UnnamedGenoaTest, AServiceThatFailsEndsTheSearch) {
  const std::string milan = BaseOf(SnpProduct::kMilan);
  const std::string genoa = BaseOf(SnpProduct::kGenoa);
  server_.Say(milan + Vek().substr(genoa.size()), "HTTP/1.1 500 Oh\r\n\r\n");
  ExpectError(Fetch(), ErrorCode::kUnavailable, {"vek from", "Milan"});
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(UnnamedGenoaTest, WithoutAChipsKeyNothingTellsTheProduct) {
  SnpPlatform vlek(SnpProduct::kGenoa, true);
  vlek.report[0] = std::byte{2};
  const auto evidence =
      attest::testing::AddAll(attest::kSnpKind, {{"report", vlek.SignedReport()}});
  ExpectError(FetchTest::Fetch(attest::kSnpKind, evidence, kSnpNow), ErrorCode::kUnsupported,
              {"which product"});
  EXPECT_TRUE(server_.Requests().empty());
}

class IntelFetchTest : public FetchTest,
                       public testing::WithParamInterface<attest::testing::QuoteForm> {
 protected:
  IntelFetchTest() : platform_(GetParam()), files_(platform_.Files()), kind_(platform_.kind()) {
    Serve();
  }
  std::string Own() const {
    return std::string("/mirror/") + (platform_.IsTd() ? "tdx" : "sgx") + "/certification/v4/";
  }
  std::string TcbInfo() const { return Own() + "tcb?fmspc=" + ToHex(platform_.fmspc); }
  std::string Document(const std::string& role, const std::string& header) const {
    return TestWebServer::Answer(
        CopyText(files_.at(role)),
        header + ": " + PercentEncode(AsText(files_.at(role + "_issuer_chain"))) + "\r\n");
  }
  void Serve() {
    server_.Say(TcbInfo(), Document("tcb_info", "TCB-Info-Issuer-Chain"));
    server_.Say(Own() + "qe/identity",
                Document("qe_identity", "sgx-enclave-identity-issuer-chain"));
    const std::string ca =
        platform_.ca_spec.subject.find("Platform") != std::string::npos ? "platform" : "processor";
    server_.Say("/mirror/sgx/certification/v4/pckcrl?ca=" + ca + "&encoding=der",
                TestWebServer::Answer(CopyText(files_.at("pck_crl"))));
    server_.Say("/mirror/IntelSGXRootCA.der",
                TestWebServer::Answer(CopyText(files_.at("root_ca_crl"))));
  }
  attest::UnverifiedFiles Evidence() const {
    return attest::testing::AddAll(kind_, {{"quote", files_.at("quote")}});
  }
  Result<Entries> Fetch() { return FetchTest::Fetch(kind_, Evidence(), kIntelNow); }

  IntelPlatform platform_;
  Files files_;
  attest::Kind kind_;
};

INSTANTIATE_TEST_SUITE_P(Forms, IntelFetchTest,
                         testing::Values(attest::testing::QuoteForm::kSgx3,
                                         attest::testing::QuoteForm::kTdx4));

TEST_P(IntelFetchTest, WhatIsFetchedIsKept) {
  ExpectKept(Fetch(), kind_, Evidence(), kIntelNow, files_);
  EXPECT_EQ(server_.Requests().size(), 4u);  // each document brings its chain in its headers
}

TEST_P(IntelFetchTest, WithoutTheIssuersChainNothingIsKept) {
  const std::string body = CopyText(files_.at("tcb_info"));
  const std::string chain = "TCB-Info-Issuer-Chain: ";
  const struct {
    std::string headers, word;
  } cases[] = {{"", "has no header TCB-Info-Issuer-Chain"},
               {chain + "\r\n", "certificate"},
               {chain + "%4\r\n", "'%'"},
               {chain + "hello\r\n", "tcb_info_issuer_chain from"},
               {chain + "a\r\n" + chain + "b\r\n", "several headers"}};
  for (const auto& wrong : cases) {
    server_.Say(TcbInfo(), TestWebServer::Answer(body, wrong.headers));
    ExpectError(Fetch(), ErrorCode::kInvalidInput, {"tcb_info_issuer_chain", wrong.word});
  }
}

TEST_P(IntelFetchTest, OneDocumentIsNotTheOther) {
  server_.Say(TcbInfo(),
              TestWebServer::Answer(CopyText(files_.at("qe_identity")),
                                    "TCB-Info-Issuer-Chain: " +
                                        PercentEncode(AsText(files_.at("tcb_info_issuer_chain"))) +
                                        "\r\n"));
  ExpectError(Fetch(), ErrorCode::kInvalidInput, {"tcb_info from", "no tcbInfo"});
  Serve();
  server_.Say("/mirror/IntelSGXRootCA.der", TestWebServer::Answer("{}"));
  ExpectError(Fetch(), ErrorCode::kInvalidInput, {"root_ca_crl from"});
}

}  // namespace
}  // namespace anchorhold::client
