#include "shared/wire/json.h"

#include <gtest/gtest.h>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

Result<JsonValue> Parse(std::string_view text) { return ParseJson(AsBytes(text), limits::kMiB); }

TEST(Json, ReadsEveryType) {
  const Result<JsonValue> json = Parse(
      " {\"n\" : null, \"t\":true,\"f\":false,\r\n\t\"i\":-12, \"d\":1.5e-3, \"s\":\"x\",\n"
      "\"a\":[1, [], {}], \"o\":{\"k\":0}} ");
  ASSERT_TRUE(json.ok()) << json.error().message();
  EXPECT_EQ(json->Find("n")->type(), JsonType::kNull);
  EXPECT_TRUE(*json->Bool("t"));
  EXPECT_FALSE(*json->Bool("f"));
  EXPECT_EQ(*json->Int64("i"), -12);
  EXPECT_EQ(*json->Find("d")->NumberText(), "1.5e-3");
  EXPECT_EQ(*json->String("s"), "x");
  EXPECT_EQ(json->Array("a")->size(), 3u);
  EXPECT_EQ(*json->Find("o")->Int64("k"), 0);
  EXPECT_EQ(json->Object()->size(), 8u);
  EXPECT_EQ((*json->Object())[3].key, "i");
  EXPECT_EQ(json->Find("absent"), nullptr);
}

TEST(Json, WrongTypesAndMissingKeysNameTheKey) {
  const Result<JsonValue> json =
      Parse(R"({"s":"x","i":1,"f":1.0,"e":1e2,"big":9223372036854775808})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Int64("s").error().message(), "s: must be an integer of at most 63 bits");
  EXPECT_EQ(json->String("i").error().message(), "i: must be a string");
  EXPECT_EQ(json->Bool("i").error().message(), "i: must be true or false");
  EXPECT_EQ(json->Array("i").error().message(), "i: must be an array");
  EXPECT_EQ(json->String("x").error().message(), "x: is missing");
  EXPECT_FALSE(json->Int64("f").ok());
  EXPECT_FALSE(json->Int64("e").ok());
  EXPECT_FALSE(json->Int64("big").ok());
  EXPECT_FALSE(json->Find("s")->Object().ok());
  EXPECT_FALSE(json->Find("s")->NumberText().ok());
  EXPECT_FALSE(json->Find("s")->Int64().ok());
}

TEST(Json, IntegersAtTheLimits) {
  EXPECT_EQ(*Parse("9223372036854775807")->Int64(), INT64_MAX);
  EXPECT_EQ(*Parse("-9223372036854775808")->Int64(), INT64_MIN);
  EXPECT_FALSE(Parse("-9223372036854775809")->Int64().ok());
  EXPECT_EQ(*Parse("-0")->Int64(), 0);
}

TEST(Json, ResolvesEscapesAndUnicode) {
  EXPECT_EQ(*Parse(R"("\"\\\/\b\f\n\r\t")")->String(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(*Parse(R"("\u0041\u00e9\u20AC\ud83d\ude00")")->String(),
            "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(Parse(R"("a\u0000b")")->String()->size(), 3u);
  EXPECT_EQ(*Parse("\"\xf0\x9f\x98\x80\xc3\xa9\x7f\"")->String(), "\xf0\x9f\x98\x80\xc3\xa9\x7f");
}

TEST(Json, RefusesWhatTheGrammarDoesNotHave) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "]",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "nul",
                           "nulll",
                           "True",
                           "tru",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "0x10",
                           "NaN",
                           "Infinity",
                           "-Infinity",
                           "1 2",
                           "\"",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\u+123\"",
                           "\"\\",
                           "\"\\u",
                           "// x",
                           "[1]x",
                           "\xef\xbb\xbf{}",
                           "\v1",
                           "--1",
                           "1-",
                           "[1}",
                           "{\"a\":1]"}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
}

TEST(Json, RefusesBadUtf8AndHalfSurrogates) {
  for (const char* text : {"\"\x80\"",
                           "\"\xc3\"",
                           "\"\xc3\x28\"",
                           "\"\xc0\x80\"",
                           "\"\xc1\xbf\"",
                           "\"\xe0\x80\x80\"",
                           "\"\xe0\x9f\xbf\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xed\xbf\xbf\"",
                           "\"\xf0\x80\x80\x80\"",
                           "\"\xf0\x8f\xbf\xbf\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xf5\x80\x80\x80\"",
                           "\"\xff\"",
                           "\"\xe2\x82\"",
                           "\"\xf0\x9f\x98\"",
                           R"("\ud800")",
                           R"("\udc00")",
                           R"("\ud800x")",
                           R"("\ud800\n")",
                           R"("\ud800\u0041")",
                           R"("\ud800\ud800")",
                           "\"a\nb\"",
                           "\"a\tb\""}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
  EXPECT_FALSE(Parse(std::string_view("\"a\0b\"", 5)).ok());
}

TEST(Json, RefusesDuplicateKeysHoweverSpelt) {
  EXPECT_FALSE(Parse(R"({"a":1,"a":2})").ok());
  EXPECT_FALSE(Parse(R"({"a":1,"b":2,"\u0061":3})").ok());
  EXPECT_FALSE(Parse(R"([{"x":{"":1,"":1}}])").ok());
  EXPECT_TRUE(Parse(R"({"a":{"a":1},"b":{"a":1}})").ok());
}

TEST(Json, BoundsSizeDepthAndCount) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + "1" + std::string(n, ']'); };
  EXPECT_TRUE(Parse(nested(limits::kJsonDepthMax)).ok());
  EXPECT_EQ(Parse(nested(limits::kJsonDepthMax + 1)).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(Parse(std::string(500'000, '[')).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ParseJson(AsBytes("[1]"), 2).error().code(), ErrorCode::kLimitExceeded);
  std::string many = "[0";
  for (std::size_t i = 1; i < kJsonValuesMax; ++i) many += ",0";  // and the array itself
  EXPECT_EQ(ParseJson(AsBytes(many + "]"), 8 * limits::kMiB).error().code(),
            ErrorCode::kLimitExceeded);
}

TEST(Json, RefusesTruncationAtEveryLength) {
  const std::string text = R"({"a":[1.5e3,true,"\u00e9\ud83d\ude00"],"b":{"c":null}})";
  ASSERT_TRUE(Parse(text).ok());
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(Parse(text.substr(0, n)).ok()) << n;
}

TEST(Json, QuotesWhatItReadsBack) {
  const std::string text = "a\"\\/\b\n\x01\x7f\xc3\xa9";
  EXPECT_EQ(*Parse(QuoteJson(text))->String(), text);
  EXPECT_EQ(QuoteJson("\n"), "\"\\u000a\"");
}

}  // namespace
}  // namespace anchorhold::wire
