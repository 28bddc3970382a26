#include "client/cli/render.h"

#include <gtest/gtest.h>

namespace anchorhold::client {
namespace {

std::size_t WidestLine(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  return widest;
}

TEST(Render, TableAlignsColumns) {
  TextTable table({"NAME", "ROWS"});
  table.AddRow({"a", "1"});
  table.AddRow({"longer-name", "20"});
  EXPECT_EQ(table.Text(), "NAME         ROWS\na            1\nlonger-name  20\n");
}

TEST(Render, FactsWrapAtTheScreen) {
  const std::string text =
      FactLines({{"measurement", std::string(96, 'a')}, {"x", "short"}, {"empty", ""}});
  EXPECT_LE(WidestLine(text), kScreenColumns);
  EXPECT_NE(text.find("x            short\n"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), 'a'), 97);
}

TEST(Render, WrapsWords) {
  EXPECT_EQ(WrapWords("one two three", 7), "one two\nthree");
  EXPECT_EQ(WrapWords("one\ntwo", 20), "one\ntwo");
  EXPECT_EQ(WrapWords("unbreakable", 3), "unbreakable");
  EXPECT_EQ(WrapWords("", 3), "");
}

TEST(Render, ShortForms) {
  EXPECT_EQ(ShortNumber(0.123456), "0.1235");
  EXPECT_EQ(ShortNumber(1e-4), "0.0001");
  EXPECT_EQ(ShortHex("0123456789abcdef00"), "0123456789abcdef..");
  EXPECT_EQ(ShortHex("01"), "01");
  EXPECT_EQ(Join({"a", "b"}), "a, b");
}

TEST(Render, ProgressOffATerminalIsAboutTenLines) {
  char* buffer = nullptr;
  std::size_t size = 0;
  FILE* out = open_memstream(&buffer, &size);
  ASSERT_NE(out, nullptr);
  {
    ProgressLine line(out);
    for (std::uint64_t i = 1; i <= 1000; ++i) line.Show(i, 1000, "step " + std::to_string(i));
  }
  fclose(out);
  const std::string text(buffer, size);
  free(buffer);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("[####################] step 1000\n"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::client
