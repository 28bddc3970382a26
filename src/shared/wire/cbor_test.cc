#include "shared/wire/cbor.h"

#include <gtest/gtest.h>

namespace anchorhold::wire {
namespace {

Result<CborValue> Parse(const Bytes& bytes) { return ParseCbor(bytes, 1 << 16); }

void ExpectRefused(const std::string& hex, const std::string& part) {
  const Bytes bytes = FromHex(hex).value();
  const auto value = Parse(bytes);
  ASSERT_FALSE(value.ok()) << hex;
  EXPECT_NE(value.error().message().find(part), std::string::npos) << value.error().message();
}

// RFC 8949, appendix A.
TEST(Cbor, ReadsIntegers) {
  const std::pair<const char*, std::int64_t> examples[] = {
      {"00", 0},
      {"17", 23},
      {"1818", 24},
      {"1864", 100},
      {"1903e8", 1000},
      {"1a000f4240", 1000000},
      {"1b000000e8d4a51000", 1000000000000},
      {"20", -1},
      {"29", -10},
      {"3863", -100},
      {"3903e7", -1000},
      {"3b7fffffffffffffff", std::numeric_limits<std::int64_t>::min()}};
  for (const auto& [hex, number] : examples) {
    const Bytes bytes = FromHex(hex).value();
    EXPECT_EQ(Parse(bytes)->Int64().value(), number) << hex;
    EXPECT_EQ(Parse(bytes)->Unsigned().ok(), number >= 0);
    Bytes again;
    AppendCborHead(again, number < 0 ? CborMajor::kNegative : CborMajor::kUnsigned,
                   static_cast<std::uint64_t>(number < 0 ? -1 - number : number));
    EXPECT_EQ(ToHex(again), hex);
  }
  const Bytes huge = FromHex("1bffffffffffffffff").value();
  EXPECT_EQ(Parse(huge)->Unsigned().value(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(Parse(huge)->Int64().ok());
  EXPECT_FALSE(Parse(FromHex("3bffffffffffffffff").value())->Int64().ok());
}

TEST(Cbor, ReadsStringsAndSimpleValues) {
  const Bytes bytes = FromHex("4401020304").value();
  EXPECT_EQ(ToHex(Parse(bytes)->ByteString().value()), "01020304");
  EXPECT_FALSE(Parse(bytes)->Text().ok());
  const Bytes text = FromHex("62c3bc").value();
  EXPECT_EQ(Parse(text)->Text().value(), "\xc3\xbc");
  EXPECT_FALSE(Parse(text)->ByteString().ok());
  EXPECT_TRUE(Parse(FromHex("f5").value())->Bool().value());
  EXPECT_FALSE(Parse(FromHex("f4").value())->Bool().value());
  EXPECT_TRUE(Parse(FromHex("f6").value())->IsNull());
  EXPECT_FALSE(Parse(FromHex("f6").value())->Bool().ok());
  Bytes made;
  AppendCborBytes(made, Bytes(300, std::byte{7}));
  EXPECT_EQ(ToHex(made).substr(0, 8), "59012c07");
  EXPECT_EQ(Parse(made)->ByteString()->size(), 300u);
}

TEST(Cbor, ReadsArraysMapsAndTags) {
  for (const char* hex : {"8301820203f6", "9f01820203f6ff", "83019f0203fff6"}) {
    const Bytes bytes = FromHex(hex).value();
    const auto value = Parse(bytes);
    ASSERT_TRUE(value.ok()) << value.error().message();
    const auto items = value->Array().value();
    ASSERT_EQ(items.size(), 3u) << hex;
    EXPECT_EQ(items[1].Array().value()[1].Unsigned().value(), 3u);
    EXPECT_TRUE(items[2].IsNull());
    EXPECT_FALSE(value->Map().ok());
  }
  for (const char* hex : {"a3616101616202206163", "bf616101616202206163ff"}) {
    const Bytes bytes = FromHex(hex).value();
    const auto value = Parse(bytes);
    ASSERT_TRUE(value.ok()) << value.error().message();
    EXPECT_EQ(value->Map()->size(), 3u);
    EXPECT_EQ(value->Find("b")->Unsigned().value(), 2u);
    EXPECT_EQ(value->Find("c"), nullptr);
    EXPECT_FALSE(value->Member("c").ok());
    EXPECT_EQ(value->Map().value()[2].key.Int64().value(), -1);
    EXPECT_FALSE(value->Array().ok());
  }
  const Bytes tagged = FromHex("d28101").value();
  const auto value = Parse(tagged);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->tag(), 18u);
  EXPECT_EQ(value->tagged().Array()->size(), 1u);
  EXPECT_TRUE(Parse(FromHex("80").value())->Array()->empty());
  EXPECT_TRUE(Parse(FromHex("bfff").value())->Map()->empty());
}

TEST(Cbor, RefusesWhatIsAmbiguous) {
  for (const char* hex : {"1817", "190018", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800",
                          "580101", "780161", "980101", "b8016101", "d81201"}) {
    ExpectRefused(hex, "shortest");
  }
  ExpectRefused("5f4101ff", "not accepted");
  ExpectRefused("7f6161ff", "not accepted");
  ExpectRefused("1f", "not accepted");
  ExpectRefused("df01", "not accepted");
  ExpectRefused("ff", "not accepted");
  ExpectRefused("81ff", "not accepted");
  ExpectRefused("bf01ff", "not accepted");  // a break in place of a value
  ExpectRefused("a201010102", "twice");
  ExpectRefused("a3616101616202616103", "twice");
  ExpectRefused("0000", "after");
  ExpectRefused("61ff", "UTF-8");
  ExpectRefused("62c080", "UTF-8");
}

TEST(Cbor, RefusesWhatItDoesNotKnow) {
  for (const char* hex : {"f0", "f7", "f820", "f90000", "fa3f800000", "fb3ff0000000000000"}) {
    ExpectRefused(hex, "CBOR");
  }
  for (const char* hex : {"1c", "3d", "5e", "fc"}) ExpectRefused(hex, "reserved");
  for (const char* hex : {"a1410100", "a1800100", "a1f500", "a1d20100"}) {
    ExpectRefused(hex, "key");
  }
}

TEST(Cbor, EveryPrefixIsRefused) {
  const Bytes bytes = FromHex("d284430102038161619f1903e8ffbf61610120f5fff6").value();
  ASSERT_FALSE(Parse(bytes).ok());  // five items
  const Bytes good = FromHex("d285430102038161619f1903e8ffbf61610120f5fff6").value();
  ASSERT_TRUE(Parse(good).ok()) << Parse(good).error().message();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Parse(CopyBytes(ByteSpan(good).first(size))).ok()) << size;
  }
}

TEST(Cbor, KeepsToItsLimits) {
  // Lengths that nothing stands behind.
  for (const char* hex : {"5b7fffffffffffffff", "7bffffffffffffffff", "9bffffffffffffffff",
                          "bbffffffffffffffff", "9affffffff00", "5affffffff00"}) {
    ExpectRefused(hex, "CBOR");
  }
  Bytes deep(kCborDepthMax, std::byte{0x81});
  deep.push_back(std::byte{0});
  EXPECT_TRUE(Parse(deep).ok());
  deep.insert(deep.begin(), std::byte{0x81});
  EXPECT_EQ(Parse(deep).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(Parse(Bytes(60000, std::byte{0xd2})).error().code(), ErrorCode::kLimitExceeded);
  Bytes many;
  AppendCborHead(many, CborMajor::kArray, kCborItemsMax - 1);
  many.resize(many.size() + kCborItemsMax - 1);
  EXPECT_TRUE(Parse(many).ok());
  Bytes more;
  AppendCborHead(more, CborMajor::kArray, kCborItemsMax);
  more.resize(more.size() + kCborItemsMax);
  EXPECT_EQ(Parse(more).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ParseCbor(more, 100).error().code(), ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace anchorhold::wire
