// How results look on a terminal: tables that fit 100 columns, one line of live progress, help
// texts. Plain ASCII, no colour, nothing that depends on the locale.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace anchorhold::client {

inline constexpr std::size_t kScreenColumns = 100;

// Rows under headings, columns as wide as their widest cell.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headings);
  // Precondition: as many cells as headings.
  void AddRow(std::vector<std::string> cells);
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one: headings
};

// "name   value" lines, names padded to one width; a value that is too long goes on below itself.
std::string FactLines(const std::vector<std::pair<std::string, std::string>>& facts,
                      std::size_t width = kScreenColumns);
// "warning: text", wrapped, as a line or lines.
std::string WarningText(const std::string& text);

// A number for people: four significant digits. JSON output has all of them.
std::string ShortNumber(double value);
// With this many decimals, for a line that is redrawn.
std::string FixedNumber(double value, int decimals);
// The first 16 of many hexadecimal digits, and two dots.
std::string ShortHex(const std::string& hex);
// "a, b, c".
std::string Join(const std::vector<std::string>& items);
// Lines of at most `width`, broken at spaces; words that are longer stay whole.
std::string WrapWords(const std::string& text, std::size_t width);

// Progress of a job on one line: redrawn in place on a terminal, otherwise a line for about every
// tenth of the way.
class ProgressLine {
 public:
  explicit ProgressLine(FILE* out);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `done` of `total` steps, and what to say beside the bar.
  void Show(std::uint64_t done, std::uint64_t total, const std::string& text);

 private:
  FILE* out_;
  bool live_;
  bool drawn_ = false;
  int last_tenth_ = -1;
  std::chrono::steady_clock::time_point drawn_at_;
};

// CLI11's help, with its descriptions wrapped at kScreenColumns.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_description(const CLI::App* app) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace anchorhold::client
