// What tests of Intel's kinds have in common: a platform that is good, a policy that sets every
// rule, and the name of the check that refuses what was bent.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "shared/attest/test_appraisal.h"
#include "shared/attest/test_intel.h"
#include "shared/attest/test_snp.h"

namespace anchorhold::attest::testing {

class IntelTest : public ::testing::TestWithParam<QuoteForm> {
 protected:
  using Files = std::map<std::string, Bytes>;

  explicit IntelTest(QuoteForm form) : platform_(form) {}

  Result<AttestationResult> Judge(const Files& files, UnixSeconds now = kIntelNow) const {
    const UnverifiedFiles added = AddAll(platform_.kind(), files);
    return Appraise(platform_.kind(), {.now = now,
                                       .files = added,
                                       .policy = with_policy_ ? &policy_ : nullptr,
                                       .strict = strict_,
                                       .report_data = report_data_});
  }
  // The name of the check that refuses; "" if none does.
  std::string Refused(const Files& files, UnixSeconds now = kIntelNow) const {
    return RefusedBy(Judge(files, now));
  }
  // The same for a platform that is bent first.
  std::string Refused(const std::function<void(IntelPlatform&)>& bend) const {
    IntelPlatform platform(platform_.form);
    bend(platform);
    return Refused(platform.Files());
  }
  // The same for a report with a number changed in it, `at` from its beginning.
  std::string RefusedWith(std::size_t at, std::uint8_t value) const {
    IntelPlatform platform(platform_.form);
    platform.body[at] = std::byte{value};
    return Refused(platform.WithQuote(files_));
  }
  // The same with other collateral.
  std::string RefusedDocuments(const std::function<void(IntelPlatform&)>& bend) const {
    IntelPlatform platform(platform_.form);
    bend(platform);
    return Refused(platform.WithDocuments(files_));
  }
  IntelRules& rules() { return platform_.IsTd() ? policy_.tdx->intel : policy_.sgx_dcap->intel; }

  IntelPlatform platform_;
  Files files_ = platform_.Files();
  AppraisalPolicy policy_ = platform_.Policy();
  bool with_policy_ = true;
  bool strict_ = true;
  std::optional<Bytes> report_data_ = Bytes(64, std::byte{0xda});
};

// For what is the same for all forms of a quote.
class EveryQuote : public IntelTest {
 protected:
  EveryQuote() : IntelTest(GetParam()) {}
};

inline std::string NameOfForm(const ::testing::TestParamInfo<QuoteForm>& info) {
  return info.param == QuoteForm::kSgx3 ? "Sgx3" : info.param == QuoteForm::kTdx4 ? "Tdx4" : "Tdx5";
}

}  // namespace anchorhold::attest::testing
