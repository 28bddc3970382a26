#include "client/core/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace anchorhold::client {
namespace {

TEST(Number, ReadsDecimals) {
  EXPECT_EQ(*ParseNumber("0"), 0);
  EXPECT_EQ(*ParseNumber("-1.5"), -1.5);
  EXPECT_EQ(*ParseNumber("2e-3"), 0.002);
  EXPECT_EQ(*ParseNumber("1E+2"), 100);
  EXPECT_EQ(*ParseNumber("0.1"), 0.1);
}

TEST(Number, RefusesEverythingElse) {
  for (const char* text :
       {"",         " 1",    "1 ",  "\t1",   "+1",  "nan", "NaN", "inf",   "-inf",
        "infinity", "0x10",  "1,5", "1.5.2", "--1", "e5",  "1e",  "1e999", "-1e999",
        "1e-999",   "1_000", ".",   "-",     "1d",  "one", "1\n"}) {
    EXPECT_FALSE(ParseNumber(text).ok()) << text;
  }
}

TEST(Number, ErrorsDoNotRepeatTheText) {
  for (const char* text : {"secret42x", " 98765", "98765e99999", "0x98765"}) {
    const auto error = ParseNumber(text).error();
    EXPECT_EQ(error.message().find(text), std::string::npos);
    EXPECT_EQ(error.message().find("98765"), std::string::npos);
  }
}

TEST(Number, FormatsSoThatItReadsBack) {
  for (const double value : {0.1, 1e-4, 3.0, 1.0 / 3, 1e300, -5e-324 * 4e15}) {
    EXPECT_EQ(*ParseNumber(FormatNumber(value)), value);
  }
}

TEST(Number, Counts) {
  EXPECT_EQ(*ParseCount("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"", "-1", "+1", "1.0", "18446744073709551616", "1 ", "0x1"}) {
    EXPECT_FALSE(ParseCount(text).ok()) << text;
  }
}

TEST(Number, Ranges) {
  for (const char* text : {"0", "-1", "inf", "nan", ""}) {
    EXPECT_FALSE(ParseEpsilon("--epsilon", text).ok()) << text;
    EXPECT_FALSE(ParseNoiseMultiplier("--noise-multiplier", text).ok()) << text;
    EXPECT_FALSE(ParseSamplingProbability("--q", text).ok()) << text;
    EXPECT_FALSE(ParseDelta("--delta", text).ok()) << text;
    EXPECT_FALSE(ParsePositive("--x", text).ok()) << text;
  }
  EXPECT_TRUE(ParseEpsilon("--epsilon", "1").ok());
  EXPECT_TRUE(ParseSamplingProbability("--q", "1").ok());
  EXPECT_FALSE(ParseSamplingProbability("--q", "1.01").ok());
  EXPECT_FALSE(ParseDelta("--delta", "1").ok());
  EXPECT_FALSE(ParseNonNegative("--m", "-0.1").ok());
  EXPECT_TRUE(ParseNonNegative("--m", "0").ok());
  EXPECT_FALSE(ParseSteps("--steps", "0").ok());
  EXPECT_TRUE(ParseSteps("--steps", "10000000").ok());
  EXPECT_FALSE(ParseSteps("--steps", "10000001").ok());
  EXPECT_FALSE(ParsePositiveCount("--rows", "0").ok());
}

TEST(Number, ErrorsNameTheOptionAndAreInput) {
  const auto error = ParseEpsilon("--epsilon", "0").error();
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(error.message().rfind("--epsilon: ", 0), 0u);
}

}  // namespace
}  // namespace anchorhold::client
