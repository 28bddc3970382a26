#include "shared/wire/toml.h"

#include <gtest/gtest.h>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

constexpr std::size_t kMax = 64 * limits::kKiB;

Result<TomlTable> Parse(std::string_view text) { return TomlTable::Parse(AsBytes(text), kMax); }

TEST(Toml, ReadsEveryType) {
  Result<TomlTable> t = Parse(
      "s = \"text\"\ni = -7\nf = 2.5\nwhole = 3\nl = [\"a\", \"b\"]\nh = \"00fF\"\n"
      "when = \"2027-01-31T00:00:00Z\"\nwhen2 = 2027-01-31T00:00:00Z\n"
      "[inner]\nx = 1\n[[row]]\nn = 1\n[[row]]\nn = 2\n");
  ASSERT_TRUE(t.ok()) << t.error().message();
  EXPECT_EQ(*t->String("s"), "text");
  EXPECT_EQ(*t->Integer("i"), -7);
  EXPECT_EQ(*t->Number("f"), 2.5);
  EXPECT_EQ(*t->Number("whole"), 3.0);
  EXPECT_EQ(*t->Strings("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ToHex(*t->HexBytes("h")), "00ff");
  EXPECT_EQ(FormatTime(*t->Time("when")), "2027-01-31T00:00:00Z");
  EXPECT_EQ(*t->Time("when2"), *t->Time("when"));
  EXPECT_EQ(*t->Table("inner")->Integer("x"), 1);
  Result<std::vector<TomlTable>> rows = t->Tables("row", 2);
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ(*(*rows)[1].Integer("n"), 2);
  EXPECT_TRUE(t->Tables("absent", 2)->empty());
  EXPECT_TRUE(t->ExpectNoOthers().ok());
  EXPECT_EQ(t->Tables("row", 1).error().code(), ErrorCode::kLimitExceeded);
}

TEST(Toml, ErrorsNameLineAndKey) {
  Result<TomlTable> t = Parse("a = 1\n\n[privacy]\nepsilon = \"x\"\n[[g]]\n[[g]]\nk = nan\n");
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t->String("a").error().message(), "line 1: a must be a string");
  EXPECT_EQ(t->String("b").error().message(), "line 1: b is missing");
  Result<TomlTable> privacy = t->Table("privacy");
  ASSERT_TRUE(privacy.ok());
  EXPECT_EQ(privacy->Number("epsilon").error().message(),
            "line 4: privacy.epsilon must be a number");
  EXPECT_EQ(privacy->Invalid("epsilon", "is odd").message(), "line 4: privacy.epsilon is odd");
  EXPECT_EQ(privacy->Invalid("", "is odd").message(), "line 3: privacy is odd");
  Result<std::vector<TomlTable>> g = t->Tables("g", 9);
  ASSERT_TRUE(g.ok());
  EXPECT_EQ((*g)[1].Number("k").error().message(), "line 7: g[1].k must be a finite number");
}

TEST(Toml, RefusesWrongTypes) {
  Result<TomlTable> t = Parse("s = \"zz\"\ni = 1\nf = 1.5\nmixed = [\"a\", 1]\ntables = [1]\n");
  ASSERT_TRUE(t.ok());
  EXPECT_FALSE(t->Integer("f").ok());
  EXPECT_FALSE(t->Integer("s").ok());
  EXPECT_FALSE(t->Number("s").ok());
  EXPECT_FALSE(t->Time("s").ok());
  EXPECT_FALSE(t->Time("i").ok());
  EXPECT_FALSE(t->Strings("mixed").ok());
  EXPECT_FALSE(t->Strings("s").ok());
  EXPECT_FALSE(t->HexBytes("s").ok());
  EXPECT_FALSE(t->HexBytes("i").ok());
  EXPECT_FALSE(t->Table("s").ok());
  EXPECT_FALSE(t->Tables("tables", 9).ok());
  EXPECT_FALSE(t->Tables("s", 9).ok());
}

TEST(Toml, RefusesTimesThatAreNotUtcSeconds) {
  for (const char* value :
       {"2027-01-31T00:00:00+01:00", "2027-01-31T00:00:00.5Z", "2027-01-31T00:00:00", "2027-01-31",
        "00:00:00", "2027-02-31T00:00:00Z", "2027-01-31t00:00:00z", "2027-01-31 00:00:00Z",
        "\"tomorrow\"", "\"1969-01-31T00:00:00Z\"", "1969-01-31T00:00:00Z"}) {
    Result<TomlTable> t = Parse(std::string("a = ") + value);
    EXPECT_FALSE(t.ok() && t->Time("a").ok()) << value;
  }
}

TEST(Toml, ReadsNumbersAsTomlWritesThem) {
  Result<TomlTable> t = Parse(
      "a = +7\nb = -0\nc = 1_000_000\nd = 9223372036854775807\ne = -9223372036854775808\n"
      "f = 6.5e-1\ng = +1e+03\nh = 1_0.2_5\ni = -0.0\n");
  ASSERT_TRUE(t.ok()) << t.error().message();
  EXPECT_EQ(*t->Integer("a"), 7);
  EXPECT_EQ(*t->Integer("b"), 0);
  EXPECT_EQ(*t->Integer("c"), 1'000'000);
  EXPECT_EQ(*t->Integer("d"), INT64_MAX);
  EXPECT_EQ(*t->Integer("e"), INT64_MIN);
  EXPECT_EQ(*t->Number("f"), 0.65);
  EXPECT_EQ(*t->Number("g"), 1000.0);
  EXPECT_EQ(*t->Number("h"), 10.25);
  EXPECT_EQ(*t->Number("i"), 0.0);
  for (const char* value : {"01",
                            "+01",
                            "-",
                            "+",
                            "1_",
                            "_1",
                            "1__0",
                            "1_.5",
                            "1.",
                            ".5",
                            "1.e5",
                            "1e",
                            "1e+",
                            "1.5.5",
                            "0x10",
                            "0o7",
                            "0b1",
                            "9223372036854775808",
                            "-9223372036854775809",
                            "1e999",
                            "--1",
                            "+-1",
                            "1 2",
                            "infinity",
                            "NaN",
                            "Inf",
                            "True",
                            "yes",
                            "truefalse",
                            "1,",
                            "1a"}) {
    EXPECT_FALSE(Parse(std::string("a = ") + value).ok()) << value;
  }
  for (const char* value : {"inf", "-inf", "+inf", "nan", "+nan", "-nan"}) {
    t = Parse(std::string("a = ") + value);
    ASSERT_TRUE(t.ok()) << value;
    EXPECT_FALSE(t->Number("a").ok()) << value;
  }
}

TEST(Toml, ReadsStringsWithTheirEscapes) {
  Result<TomlTable> t = Parse(
      R"(a = "\b\t\n\f\r\"\\\u00e9\U0001F600"
b = 'C:\n "x"'
"quoted key" = "#no comment" # comment
'' = "empty key")");
  ASSERT_TRUE(t.ok()) << t.error().message();
  EXPECT_EQ(*t->String("a"), "\b\t\n\f\r\"\\\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(*t->String("b"), "C:\\n \"x\"");
  EXPECT_EQ(*t->String("quoted key"), "#no comment");
  EXPECT_EQ(*t->String(""), "empty key");
  for (const char* value :
       {R"("\x41")", R"("\u12")", R"("\ud800")", R"("\U00110000")", R"("\U0000d800")", R"("\)",
        R"("\u)", R"("\u+123")", "\"a", "'a", "\"a\nb\"", "'a\nb'", "\"\x01\"", "'\x7f'",
        "\"\"\"a\"\"\"", "\'\'\'a\'\'\'", "\"a\" \"b\"", "\"a\"b"}) {
    EXPECT_FALSE(Parse(std::string("a = ") + value).ok()) << value;
  }
  EXPECT_FALSE(Parse(std::string_view("a = \"x\0y\"", 9)).ok());
  EXPECT_FALSE(Parse(std::string_view("a = \"\\\0\"", 8)).ok());
}

TEST(Toml, ReadsArraysAndInlineTables) {
  Result<TomlTable> t = Parse(
      "a = [ # comment\r\n  \"x\", # another\n\n \"y\" , ]\nb = []\nc = { x = 1 , \"y z\" = {} }\n"
      "d = [{n = 1}, {n = 2}]\n");
  ASSERT_TRUE(t.ok()) << t.error().message();
  EXPECT_EQ(*t->Strings("a"), (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(t->Strings("b")->empty());
  EXPECT_EQ(*t->Table("c")->Integer("x"), 1);
  EXPECT_TRUE(t->Table("c")->Table("y z").ok());
  EXPECT_EQ(*(*t->Tables("d", 2))[1].Integer("n"), 2);
  for (const char* value : {"[1", "[1,,2]", "[,1]", "[1 2]", "{a = 1,}", "{,}", "{a}", "{a = 1",
                            "{a = 1\n}", "{a = 1, a = 2}", "{a = 1 b = 2}", "[1}", "{a = 1]"}) {
    EXPECT_FALSE(Parse(std::string("a = ") + value).ok()) << value;
  }
}

TEST(Toml, ExpectNoOthersNamesTheUnaskedKey) {
  Result<TomlTable> t = Parse("known = 1\n[privacy]\nepsilonn = 3.0\n");
  ASSERT_TRUE(t.ok());
  EXPECT_TRUE(t->Has("known"));
  EXPECT_FALSE(t->Has("epsilonn"));
  EXPECT_FALSE(t->ExpectNoOthers().ok());
  Result<TomlTable> privacy = t->Table("privacy");
  ASSERT_TRUE(privacy.ok());
  EXPECT_TRUE(t->ExpectNoOthers().ok());
  EXPECT_EQ(privacy->ExpectNoOthers().error().message(),
            "line 3: privacy.epsilonn is not a known key; check its spelling");
}

TEST(Toml, RefusesWhatIsNoToml) {
  for (const char* text : {"a", "a =", "= 1", "a = 1 b = 2", "\xff = 1", "a = \"\xc3\x28\"",
                           "a = \"\xed\xa0\x80\"", "# \xff"}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
  EXPECT_EQ(Parse("ok = 1\nbad").error().message().rfind("line 2: not valid TOML", 0), 0u)
      << Parse("ok = 1\nbad").error().message();
}

TEST(Toml, BoundsSizeAndDepth) {
  const std::string text = "a = 1 #" + std::string(100, 'x');
  EXPECT_TRUE(TomlTable::Parse(AsBytes(text), text.size()).ok());
  EXPECT_EQ(TomlTable::Parse(AsBytes(text), text.size() - 1).error().code(),
            ErrorCode::kLimitExceeded);
  EXPECT_FALSE(Parse("a = " + std::string(20000, '[')).ok());
  std::string braces = "a = ";
  for (int i = 0; i < 5000; ++i) braces += "{b=";
  EXPECT_FALSE(Parse(braces).ok());
}

// TOML 1.0 has them; the documents of this product do not need them.
TEST(Toml, RefusesDottedKeysAndNestedHeaders) {
  for (const char* text :
       {"a.b = 1", "a . b = 1", "\"a\".b = 1", "[a.b]", "[[a.b]]", "x = {a.b = 1}"}) {
    EXPECT_EQ(Parse(text).error().code(), ErrorCode::kInvalidInput) << text;
  }
}

TEST(Toml, RefusesTablesAndKeysThatAreTaken) {
  for (const char* text :
       {"a = 1\na = 2", "[t]\n[t]", "[[t]]\n[t]", "[t]\n[[t]]", "t = 1\n[t]", "t = []\n[[t]]",
        "t = [{}]\n[[t]]", "t = {}\n[t]", "\"a\" = 1\na = 2", "[t]\na = 1\n\"\\u0061\" = 2"}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
  EXPECT_TRUE(Parse("[a]\nx = 1\n[b]\nx = 1\n[[c]]\nx = 1\n[[c]]\nx = 1\n").ok());
}

TEST(Toml, RefusesOddLines) {
  for (const char* text : {"[=]",
                           "[[=]]",
                           "[]",
                           "[",
                           "[[",
                           "[[a]",
                           "[a]]",
                           "[ [a]]",
                           "[a\n]",
                           "[a] x",
                           "[a] = 1",
                           "\xc3\xa9 = 1",
                           "\xef\xbb\xbf"
                           "a = 1",
                           "a = 1\rb = 2",
                           "a = 1\vb = 2",
                           "# \x01",
                           "# \r x",
                           "a = 1 \xe2\x80\xa8 b = 2",
                           "a == 1",
                           "a : 1",
                           "a\n= 1",
                           "a =\n1",
                           "= 1",
                           "a",
                           "a = #"}) {
    EXPECT_FALSE(Parse(text).ok()) << text;
  }
  EXPECT_TRUE(Parse("# \xe2\x80\xa8 \t\r\n\n \t\r\n\ta\t=\t1\t#\xc3\xa9").ok());
  EXPECT_TRUE(Parse("").ok());
}

TEST(Toml, KeysInErrorsCannotForgeLines) {
  Result<TomlTable> t = Parse("\"a\\nline 1: \\u001b[31m\" = 1\n");
  ASSERT_TRUE(t.ok());
  const std::string message = t->ExpectNoOthers().error().message();
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::wire
