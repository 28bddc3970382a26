// What is of SGX alone: an enclave's own rules.
#include "shared/attest/sgx_dcap.h"

#include "shared/attest/test_intel_fixture.h"

namespace anchorhold::attest::testing {
namespace {

class SgxDcap : public IntelTest {
 protected:
  SgxDcap() : IntelTest(QuoteForm::kSgx3) {}
};

TEST_F(SgxDcap, EachRuleRefuses) {
  EXPECT_EQ(RefusedWith(48, 7), "no_debug");
  EXPECT_EQ(RefusedWith(128, 0), "mr_signer");
  EXPECT_EQ(RefusedWith(256, 4), "isv_prod_id");
  EXPECT_EQ(RefusedWith(258, 6), "isv_svn");
  EXPECT_EQ(RefusedWith(258, 8), "");
  EXPECT_EQ(RefusedWith(192, 0), "config_id");
  EXPECT_EQ(RefusedWith(64, 0), "measurement");
  EXPECT_EQ(RefusedWith(320, 0), "report_data");
  EXPECT_EQ(RefusedWith(16, 1), "");  // MISCSELECT has no rule
}

TEST_F(SgxDcap, StrictForbidsWhatAPolicyAllows) {
  policy_.sgx_dcap->allow_debug = true;
  EXPECT_EQ(RefusedWith(48, 7), "no_debug");
  strict_ = false;
  IntelPlatform debug(QuoteForm::kSgx3);
  debug.body[48] = std::byte{7};
  const auto result = Judge(debug.WithQuote(files_));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->warnings().size(), 1u);
  EXPECT_EQ(result->trust().Status(), TrustTier::kContraindicated);
}

TEST_F(SgxDcap, RulesThatAreWaivedAreShown) {
  const IntelRules intel = policy_.sgx_dcap->intel;
  policy_.sgx_dcap = SgxPolicy();
  policy_.sgx_dcap->intel = intel;
  const auto result = Judge(files_);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const char* name : {"mr_signer", "isv_prod_id", "isv_svn", "config_id"}) {
    EXPECT_TRUE(Skipped(*result, name)) << name;
  }
  EXPECT_FALSE(Skipped(*result, "no_debug"));
}

TEST_F(SgxDcap, AQuoteOfATdIsNone) {
  files_["quote"] = IntelPlatform(QuoteForm::kTdx4).Files()["quote"];
  EXPECT_EQ(Refused(files_), "quote_is_of_platform");
}

}  // namespace
}  // namespace anchorhold::attest::testing
