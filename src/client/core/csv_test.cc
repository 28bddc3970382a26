#include "client/core/csv.h"

#include <gtest/gtest.h>

namespace anchorhold::client {
namespace {

using Records = std::vector<std::vector<std::string>>;

Result<Records> ReadAll(std::string_view text) {
  CsvReader reader(AsBytes(text), "t.csv");
  Records out;
  while (true) {
    AH_ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) return out;
    out.emplace_back(reader.fields().begin(), reader.fields().end());
  }
}

TEST(Csv, ReadsRecords) {
  const Records expected = {{"a", "b"}, {"1", ""}, {"", "2"}};
  EXPECT_EQ(*ReadAll("a,b\n1,\n,2\n"), expected);
  EXPECT_EQ(*ReadAll("a,b\r\n1,\r\n,2\r\n"), expected);
  EXPECT_EQ(*ReadAll("a,b\n1,\n,2"), expected);
  EXPECT_EQ(*ReadAll("\xef\xbb\xbf"
                     "a,b\n1,\n,2"),
            expected);
  EXPECT_EQ(*ReadAll(""), Records());
}

TEST(Csv, ReadsQuotes) {
  EXPECT_EQ(*ReadAll("\"a,b\",\"c\"\"d\"\n"), (Records{{"a,b", "c\"d"}}));
  EXPECT_EQ(*ReadAll("\"\",x\n"), (Records{{"", "x"}}));
  EXPECT_EQ(*ReadAll("\"two\nlines\",x\ny,z"), (Records{{"two\nlines", "x"}, {"y", "z"}}));
}

TEST(Csv, RefusesWithTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n\nb\n", "t.csv:2: "},           {"a,b\n\"x\n", "t.csv:3: "}, {"a\nx\"y\n", "t.csv:2: "},
      {"a\n\"x\"y\n", "t.csv:2: "},        {"a\rb\n", "t.csv:1: "},     {"a\r", "t.csv:1: "},
      {"\"a\nb\"\n\"c\"d\n", "t.csv:3: "}, {"\n", "t.csv:1: "},
  };
  for (const auto& [text, where] : cases) {
    const auto result = ReadAll(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidInput);
    EXPECT_EQ(result.error().message().rfind(where, 0), 0u) << result.error().message();
  }
}

TEST(Csv, RefusesNulAndLongLines) {
  EXPECT_FALSE(ReadAll(std::string_view("a\0b\n", 4)).ok());
  EXPECT_FALSE(ReadAll(std::string_view("\"a\0b\"\n", 6)).ok());
  EXPECT_TRUE(ReadAll(std::string(kCsvRecordBytesMax, 'x')).ok());
  EXPECT_FALSE(ReadAll(std::string(kCsvRecordBytesMax + 1, 'x')).ok());
  EXPECT_FALSE(ReadAll("\"" + std::string(kCsvRecordBytesMax + 1, 'x') + "\"").ok());
  EXPECT_TRUE(ReadAll(std::string(limits::kColumnsMax - 1, ',')).ok());
  EXPECT_FALSE(ReadAll(std::string(2 * limits::kColumnsMax, ',')).ok());
}

}  // namespace
}  // namespace anchorhold::client
