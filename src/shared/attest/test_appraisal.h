// What the tests of all kinds ask of an appraisal's outcome.
#pragma once

#include <gtest/gtest.h>

#include "shared/attest/result.h"

namespace anchorhold::attest::testing {

// The name of the check that refuses; "" if none does.
inline std::string RefusedBy(const Result<AttestationResult>& result) {
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code(), ErrorCode::kAttestationRefused);
  EXPECT_FALSE(RefusedCheck(result.error()).empty()) << result.error().message();
  return std::string(RefusedCheck(result.error()));
}

// Null if there is no check of the name.
inline const CheckOutcome* FindCheck(const AttestationResult& result, std::string_view name) {
  for (const CheckOutcome& check : result.checks()) {
    if (check.name == name) return &check;
  }
  return nullptr;
}

inline bool Skipped(const AttestationResult& result, std::string_view name) {
  const CheckOutcome* const check = FindCheck(result, name);
  return check != nullptr && check->skipped_because.has_value();
}

}  // namespace anchorhold::attest::testing
