// `anchorhold attest` on the platform without hardware: the token, and the page that a person
// reads.
#include <gtest/gtest.h>

#include "shared/attest/ear.h"
#include "tests/support/deployment.h"

namespace anchorhold::testing {
namespace {

TEST(AttestCommand, PrintsATokenAndAPage) {
  Deployment deployment;
  deployment.Up();
  deployment.Introduce("hospital");
  const auto json = deployment.JsonAs("hospital", {"attest", "--server", deployment.server()});
  EXPECT_EQ(json["accepted"], true);
  const auto key =
      crypto::Ed25519PublicKey::From(FromHex(json["ear_signed_by"].get<std::string>()).value());
  ASSERT_TRUE(key.ok());
  const std::string token = json["ear"];
  const UnixSeconds now = SystemClock().Now();
  // For the party itself, unless another audience is named.
  const auto ear = attest::VerifyEar(now, token, *key, deployment.FingerprintOf("hospital"));
  ASSERT_TRUE(ear.ok()) << ear.error().message();
  EXPECT_EQ(ear->platform, attest::Platform::kInsecureSimulated);
  EXPECT_EQ(ear->status, attest::TrustTier::kContraindicated);
  EXPECT_EQ(nlohmann::json::parse(ear->payload), json["ear_claims"]);
  EXPECT_FALSE(attest::VerifyEar(now, token, *key, "registry").ok());
  EXPECT_FALSE(attest::VerifyEar(UnixSeconds(now.value() + 25 * 3600), token, *key,
                                 deployment.FingerprintOf("hospital"))
                   .ok());
  const auto named = deployment.JsonAs(
      "hospital", {"attest", "--server", deployment.server(), "--audience", "registry"});
  EXPECT_TRUE(
      attest::VerifyEar(SystemClock().Now(), named["ear"].get<std::string>(), *key, "registry")
          .ok());

  const Outcome page = deployment.As("hospital", {"attest"});
  ASSERT_EQ(page.status, 0) << page.err;
  for (const char* part :
       {"although something speaks against it", "Is the program one that you listed?",
        "Is its memory closed to the machine's operator?", "NO", "Checked, and found to hold",
        "Left out: nothing", "warning: the enclave presents insecure-simulated evidence",
        "now remembered as your server"}) {
    EXPECT_NE(page.out.find(part), std::string::npos) << part << "\n" << page.out;
  }
  std::istringstream lines(page.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(AttestCommand, SimulatedMachinesHaveNoEndorsements) {
  Deployment deployment;
  deployment.Up();
  deployment.Introduce("hospital");
  const Outcome fetch = deployment.As("hospital", {"endorsements", "fetch", "--from", "."});
  EXPECT_EQ(fetch.status, 2);
  EXPECT_NE(fetch.err.find("has no endorsements"), std::string::npos) << fetch.err;
  const Outcome list = deployment.As("hospital", {"endorsements", "list"});
  EXPECT_EQ(list.status, 0);
  EXPECT_NE(list.out.find("Nothing is kept"), std::string::npos) << list.out;
}

}  // namespace
}  // namespace anchorhold::testing
