// Tokens of an appraisal: whoever relies on one pins the appraiser's key.
#include "shared/attest/ear.h"

#include <gtest/gtest.h>

#include "shared/attest/snp.h"
#include "shared/attest/test_snp.h"
#include "shared/base/base64.h"
#include "shared/crypto/jws.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

using testing::kSnpNow;

class Ear : public ::testing::Test {
 protected:
  static AttestationResult Result() {
    const testing::SnpPlatform platform;
    const AppraisalPolicy policy = platform.Policy();
    const UnverifiedFiles files = testing::AddAll(kSnpKind, platform.Files());
    return Appraise(kSnpKind, {.now = kSnpNow, .files = files, .policy = &policy}).value();
  }
  std::string Refused(std::string_view token, UnixSeconds now = kSnpNow) {
    const auto ear = VerifyEar(now, token, key_.public_key(), "hospital");
    return ear.ok() ? "" : std::string(RefusedCheck(ear.error()));
  }

  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
  EarTerms terms_{.build = "1", .audience = "hospital", .policy_id = "p", .lifetime_seconds = 60};
  std::string token_ = SignEar(key_, Result(), terms_);
};

TEST_F(Ear, SaysWhatWasFound) {
  const auto ear = VerifyEar(kSnpNow, token_, key_.public_key(), "hospital");
  ASSERT_TRUE(ear.ok()) << ear.error().message();
  EXPECT_EQ(ear->platform, Platform::kSevSnp);
  EXPECT_EQ(ear->status, TrustTier::kAffirming);
  EXPECT_EQ(ear->policy_id, "p");
  const auto json = wire::ParseJson(AsBytes(ear->payload), 1 << 20);
  ASSERT_TRUE(json.ok());
  const auto* submodule = json->Find("submods")->Find("sev-snp");
  EXPECT_EQ(submodule->Find("ear.trustworthiness-vector")->Int64("hardware").value(), 2);
  EXPECT_NE(submodule->Find("anchorhold.skipped")->Find("report_data"), nullptr);
  EXPECT_NE(submodule->Find("anchorhold.claims")->Find("measurement"), nullptr);
}

TEST_F(Ear, HoldsForItsTimeAndItsAudience) {
  EXPECT_EQ(Refused(token_, UnixSeconds(kSnpNow.value() + 60)), "");
  EXPECT_EQ(Refused(token_, UnixSeconds(kSnpNow.value() + 61)), "token_expired");
  EXPECT_EQ(Refused(token_, UnixSeconds(kSnpNow.value() - 1)), "token_not_yet_valid");
  terms_.audience = "bank";
  EXPECT_EQ(Refused(SignEar(key_, Result(), terms_)), "token_audience");
  terms_.audience = "";
  const std::string nobody = SignEar(key_, Result(), terms_);
  EXPECT_FALSE(VerifyEar(kSnpNow, nobody, key_.public_key(), "").ok());
}

TEST_F(Ear, OnlyTheTrustedKeySigns) {
  const auto other = crypto::Ed25519PrivateKey::Generate();
  EXPECT_EQ(Refused(SignEar(other, Result(), terms_)), "token_signature");
  // A header of another kind, or with a key of its own, is not read at all.
  const std::string payload = token_.substr(token_.find('.'));
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"EdDSA","jwk":{}})", R"({})"}) {
    EXPECT_EQ(Refused(EncodeBase64(AsBytes(header), Base64::kUrl) + payload), "token_signature");
  }
}

TEST_F(Ear, NoChangedByteAndNoTruncationPasses) {
  for (std::size_t at = 0; at < token_.size(); ++at) {
    std::string other = token_;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_NE(Refused(other), "") << at;
    EXPECT_NE(Refused(token_.substr(0, at)), "") << at;
  }
}

TEST_F(Ear, ASignedTokenOfOtherContentIsRefused) {
  for (const char* payload : {"", "{}", "[]", R"({"eat_profile":"x","aud":"hospital"})"}) {
    EXPECT_NE(Refused(crypto::SignJws(key_, payload)), "") << payload;
  }
}

}  // namespace
}  // namespace anchorhold::attest
