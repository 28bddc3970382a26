// One GET against servers that behave, and servers that do not. No test leaves the machine.
#include "client/core/https.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "client/core/test_web_server.h"
#include "shared/channel/certificate.h"
#include "shared/channel/test_support.h"

namespace anchorhold::client {
namespace {

constexpr HttpLimits kPatient;

class HttpTest : public testing::Test {
 protected:
  Result<HttpAnswer> Get(const std::string& target, const HttpLimits& limits = kPatient) {
    return HttpGet(server_.url() + target, PlainHttp::kAllow, limits);
  }
  void ExpectError(const Result<HttpAnswer>& answer, ErrorCode code, std::string_view words) {
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code(), code) << answer.error().message();
    EXPECT_NE(answer.error().message().find(words), std::string::npos) << answer.error().message();
  }

  WithoutProxies without_proxies_;
  TestWebServer server_;
};

TEST_F(HttpTest, GivesTheBodyAndTheHeaders) {
  server_.Say("/a?b=c", TestWebServer::Answer(std::string("x\0y", 3), "X-One:  two \r\n"));
  const auto answer = Get("/a?b=c");
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(AsText(answer->body), std::string_view("x\0y", 3));
  EXPECT_EQ(answer->Header("x-one").value(), "two");
  EXPECT_EQ(answer->Header("X-Other").error().code(), ErrorCode::kNotFound);
}

TEST_F(HttpTest, AHeaderThatComesTwiceIsNone) {
  server_.Say("/", TestWebServer::Answer("", "A: 1\r\na: 2\r\n"));
  const auto answer = Get("/");
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->body.empty());
  EXPECT_EQ(answer->Header("A").error().code(), ErrorCode::kInvalidInput);
}

TEST_F(HttpTest, HeadersOfAnInterimAnswerAreNobodys) {
  server_.Say("/", "HTTP/1.1 103 Early Hints\r\nA: early\r\n\r\n" + TestWebServer::Answer("body"));
  const auto answer = Get("/");
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_FALSE(answer->Header("A").ok());
  EXPECT_EQ(AsText(answer->body), "body");
}

TEST_F(HttpTest, OtherStatusesAreErrors) {
  const struct {
    const char* status;
    ErrorCode code;
    const char* words;
  } cases[] = {{"404 Not Found", ErrorCode::kNotFound, "no such file"},
               {"410 Gone", ErrorCode::kNotFound, "no such file"},
               {"400 Bad Request", ErrorCode::kUnsupported, "status 400"},
               {"403 Forbidden", ErrorCode::kUnsupported, "status 403"},
               {"204 No Content", ErrorCode::kUnsupported, "status 204"},
               {"429 Too Many Requests", ErrorCode::kUnavailable, "asks to wait"},
               {"500 Oh", ErrorCode::kUnavailable, "status 500"},
               {"503 No", ErrorCode::kUnavailable, "status 503"}};
  for (const auto& expected : cases) {
    server_.Say("/", std::string("HTTP/1.1 ") + expected.status + "\r\n\r\n");
    ExpectError(Get("/"), expected.code, expected.words);
  }
}

TEST_F(HttpTest, RedirectsAreNotFollowed) {
  TestWebServer other;
  other.Say("/", TestWebServer::Answer("elsewhere"));
  server_.Say("/here", TestWebServer::Answer("here"));
  for (const std::string& to : {other.url() + "/", server_.url() + "/here"}) {
    server_.Say("/", "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n");
    ExpectError(Get("/"), ErrorCode::kUnsupported, "to " + to);
  }
  EXPECT_TRUE(other.Requests().empty());
  EXPECT_EQ(server_.Requests().size(), 2u);
}

TEST_F(HttpTest, TheBodyHasALimitWithAndWithoutALength) {
  HttpLimits limits;
  limits.body_bytes = 10;
  server_.Say("/ten", TestWebServer::Answer("0123456789"));
  server_.Say("/eleven", TestWebServer::Answer("0123456789a"));
  server_.Say("/endless", "HTTP/1.1 200 OK\r\n\r\n" + std::string(1 << 20, 'a'));
  EXPECT_TRUE(Get("/ten", limits).ok());
  ExpectError(Get("/eleven", limits), ErrorCode::kLimitExceeded, "larger than 10 bytes");
  ExpectError(Get("/endless", limits), ErrorCode::kLimitExceeded, "larger than 10 bytes");
}

TEST_F(HttpTest, HeadersHaveALimit) {
  std::string headers;
  for (int i = 0; i < 300; ++i) headers += "H: " + std::string(1024, 'h') + "\r\n";
  server_.Say("/", TestWebServer::Answer("", headers));
  EXPECT_FALSE(Get("/").ok());
}

TEST_F(HttpTest, AnAnswerThatBreaksOffIsAnError) {
  server_.Say("/", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  ExpectError(Get("/"), ErrorCode::kUnavailable, "broke off");
  server_.Say("/", "");
  ExpectError(Get("/"), ErrorCode::kUnavailable, "no answer");
}

TEST_F(HttpTest, ASlowAnswerIsGivenUp) {
  HttpLimits limits;
  limits.time = std::chrono::milliseconds(300);
  server_.Say("/", TestWebServer::Answer(std::string(1000, 'a')));
  for (const std::size_t bytes : {0u, 10u, 500u}) {
    server_.StallAfter(bytes);
    ExpectError(Get("/", limits), ErrorCode::kUnavailable, "within 0.3 seconds");
  }
}

TEST_F(HttpTest, NothingIsToldButTheRequest) {
  server_.Say("/", TestWebServer::Answer("", "Set-Cookie: a=b; Path=/\r\n"));
  ASSERT_TRUE(Get("/").ok());
  ASSERT_TRUE(Get("/").ok());
  const std::string expected =
      "GET / HTTP/1.1\r\nHost: " + server_.url().substr(7) + "\r\nAccept: */*\r\n\r\n";
  EXPECT_EQ(server_.Requests(), (std::vector<std::string>{expected, expected}));
}

TEST_F(HttpTest, AProxyOfTheEnvironmentIsUsed) {
  server_.Say("http://service.invalid/a", TestWebServer::Answer("by proxy"));
  setenv("http_proxy", server_.url().c_str(), 1);
  const auto answer = HttpGet("http://service.invalid/a", PlainHttp::kAllow, kPatient);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(AsText(answer->body), "by proxy");
}

TEST_F(HttpTest, OnlyHttpsUnlessAllowedAndNothingElseEver) {
  server_.Say("/", TestWebServer::Answer("plain"));
  ExpectError(HttpGet(server_.url() + "/", PlainHttp::kRefuse, kPatient), ErrorCode::kInvalidInput,
              "not an address");
  for (const char* url : {"file:///etc/hostname", "ftp://127.0.0.1/", "", "http://", "nonsense://a",
                          "http://user:password@127.0.0.1:1/"}) {
    ExpectError(HttpGet(url, PlainHttp::kAllow, kPatient), ErrorCode::kInvalidInput,
                "not an address");
  }
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(HttpTest, ACertificateThatNoAuthoritySignedIsRefused) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const auto certificate = channel::MakeCertificate(key, "127.0.0.1", std::nullopt);
  ASSERT_TRUE(certificate.ok());
  channel::testing::RawServer server(key, certificate->get());
  const std::string url = "https://127.0.0.1:" + std::to_string(server.address().port) + "/";
  ExpectError(HttpGet(url, PlainHttp::kAllow, kPatient), ErrorCode::kIntegrity,
              "certificate does not hold");
}

TEST_F(HttpTest, NobodyThereIsAnError) {
  std::string url;
  {
    const TestWebServer gone;
    url = gone.url();
  }
  ExpectError(HttpGet(url, PlainHttp::kAllow, kPatient), ErrorCode::kUnavailable, "no answer");
  // A server without TLS is none of https.
  const channel::testing::SayingServer server(CopyBytes(AsBytes(TestWebServer::Answer("a"))));
  url = "https://127.0.0.1:" + std::to_string(server.address().port) + "/";
  ExpectError(HttpGet(url, PlainHttp::kAllow, kPatient), ErrorCode::kUnavailable, "no answer");
}

TEST(PercentDecode, DecodesAndRefuses) {
  EXPECT_EQ(PercentDecode("").value(), "");
  EXPECT_EQ(PercentDecode("a+b%2B%0a%2f%00c").value(), std::string("a+b+\n/\0c", 8));
  EXPECT_EQ(PercentDecode("%2541").value(), "%41");
  for (const char* bad : {"%", "%4", "a%", "%g0", "%0g", "%%41", "% 1"}) {
    EXPECT_EQ(PercentDecode(bad).error().code(), ErrorCode::kInvalidInput) << bad;
  }
}

}  // namespace
}  // namespace anchorhold::client
