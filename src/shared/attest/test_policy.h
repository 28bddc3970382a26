// What the tests of policies have in common: reading and bending their text.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "shared/attest/verifier.h"

namespace anchorhold::attest::testing {

inline Result<AppraisalPolicy> Parse(const std::string& text) { return ParsePolicy(AsBytes(text)); }

// `text` with `other` instead of `line`, which it must have.
inline std::string With(std::string text, const std::string& line, const std::string& other) {
  const std::size_t at = text.find(line);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, line.size(), other);
}

// The error's message has that part.
inline void ExpectRefusal(const std::string& text, const std::string& part) {
  const auto policy = Parse(text);
  ASSERT_FALSE(policy.ok()) << text;
  EXPECT_NE(policy.error().message().find(part), std::string::npos) << policy.error().message();
}

// Neither the table [name] nor one of its keys; tables in arrays may follow it, others may not.
inline void ExpectNothingMayBeLeftOut(const std::string& text, const std::string& name) {
  const std::string header = "[" + name + "]\n";
  const std::size_t table = text.find(header);
  ASSERT_NE(table, std::string::npos) << text;
  ExpectRefusal(text.substr(0, table), name + " is missing");
  const std::size_t end = std::min(text.find("[[", table), text.size());
  for (std::size_t at = table + header.size(), next = 0; at < end; at = next) {
    next = text.find('\n', at) + 1;
    const std::string key = text.substr(at, text.find(' ', at) - at);
    ExpectRefusal(text.substr(0, at) + text.substr(next), name + "." + key);
  }
}

// `text` is read, written and read again; `compare` gets what was read first and last.
template <typename Compare>
void ExpectRoundTrip(const std::string& text, const Compare& compare) {
  const auto policy = Parse(text);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  const auto again = Parse(FormatPolicy(*policy));
  ASSERT_TRUE(again.ok()) << again.error().message() << FormatPolicy(*policy);
  EXPECT_EQ(FormatPolicy(*again), FormatPolicy(*policy));
  compare(*policy, *again);
}

}  // namespace anchorhold::attest::testing
