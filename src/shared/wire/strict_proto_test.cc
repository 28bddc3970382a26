#include "shared/wire/strict_proto.h"

#include <gtest/gtest.h>

namespace anchorhold::wire {
namespace {

constexpr ProtoShape kInner{"vb"};
constexpr ProtoShape kOther{"d"};
constexpr ProtoShape kOuter{"vdbmm", {&kInner, &kOther}};

bool Known(std::string_view hex) { return ExpectKnownFields(FromHex(hex).value(), kOuter).ok(); }

TEST(StrictProto, AcceptsKnownFields) {
  EXPECT_TRUE(Known(""));
  EXPECT_TRUE(Known("0801"));  // 1: varint
  EXPECT_TRUE(Known("08ffffffffffffffffff01"));
  EXPECT_TRUE(Known("110000000000000000"));      // 2: double
  EXPECT_TRUE(Known("1a03616263"));              // 3: bytes, never opened
  EXPECT_TRUE(Known("22020801"));                // 4: message with its field 1
  EXPECT_TRUE(Known("2a09090000000000000000"));  // 5: another message, another shape
}

TEST(StrictProto, RefusesUnknownFieldsAndTypes) {
  EXPECT_FALSE(Known("3001"));        // field 6
  EXPECT_FALSE(Known("0001"));        // field 0
  EXPECT_FALSE(Known("0a0101"));      // field 1 as bytes
  EXPECT_FALSE(Known("0d00000000"));  // field 1 as four bytes
  EXPECT_FALSE(Known("0b0c"));        // a group
  EXPECT_FALSE(Known("22021801"));    // field 3 of the inner message
  EXPECT_FALSE(Known("2a020801"));    // the first message's field in the second
}

TEST(StrictProto, RefusesTruncationAtEveryLength) {
  const std::string whole = "110000000000000000";
  for (std::size_t n = 2; n < whole.size(); n += 2) EXPECT_FALSE(Known(whole.substr(0, n))) << n;
  EXPECT_FALSE(Known("08"));
  EXPECT_FALSE(Known("0880"));
  EXPECT_FALSE(Known("1a"));
  EXPECT_FALSE(Known("1a0461"));
  EXPECT_FALSE(Known("1affffffffffffffffff01"));
  EXPECT_FALSE(Known("08ffffffffffffffffffff01"));  // eleven bytes
}

}  // namespace
}  // namespace anchorhold::wire
