#include "client/cli/render.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "shared/base/check.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kHelpNameColumns = 34;
constexpr int kBarCells = 20;

std::size_t TerminalColumns(FILE* out) {
  winsize size = {};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kScreenColumns;
  return size.ws_col;
}

std::string Padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string NumberText(double value, std::chars_format format, int precision) {
  char buffer[400];  // a double in fixed notation has at most 309 digits ahead of the point
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, format, precision);
  AH_CHECK(error == std::errc());
  return std::string(buffer, end);
}

}  // namespace

TextTable::TextTable(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }

void TextTable::AddRow(std::vector<std::string> cells) {
  AH_CHECK(cells.size() == rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::Text() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      out += Padded(row[i], widths[i]) + "  ";
    }
    out += row.back() + "\n";
  }
  return out;
}

std::string FactLines(const std::vector<std::pair<std::string, std::string>>& facts,
                      std::size_t width) {
  std::size_t name_width = 0;
  for (const auto& fact : facts) name_width = std::max(name_width, fact.first.size());
  const std::size_t room = width - name_width - 2;
  std::string out;
  for (const auto& [name, value] : facts) {
    std::string rest = WrapWords(value, room);
    std::string label = name;
    do {
      // Hexadecimal digits have no spaces to break at.
      const std::size_t end = std::min({rest.find('\n'), rest.size(), room});
      out += Padded(label, name_width) + "  " + rest.substr(0, end) + "\n";
      rest.erase(0, end < rest.size() && rest[end] == '\n' ? end + 1 : end);
      label.clear();
    } while (!rest.empty());
  }
  return out;
}

std::string WarningText(const std::string& text) {
  return WrapWords("warning: " + text, kScreenColumns) + "\n";
}

std::string ShortNumber(double value) { return NumberText(value, std::chars_format::general, 4); }

std::string FixedNumber(double value, int decimals) {
  AH_CHECK(decimals >= 0 && decimals <= 20);
  return NumberText(value, std::chars_format::fixed, decimals);
}

std::string ShortHex(const std::string& hex) {
  constexpr std::size_t kDigits = 16;
  return hex.size() <= kDigits ? hex : hex.substr(0, kDigits) + "..";
}

std::string Join(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string WrapWords(const std::string& text, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::size_t word = end - at;
    if (column > 0 && column + 1 + word > width) {
      out += '\n';
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out.append(text, at, word);
    column += word;
    if (end < text.size() && text[end] == '\n') {
      out += '\n';
      column = 0;
    }
    at = end + 1;
  }
  return out;
}

ProgressLine::ProgressLine(FILE* out) : out_(out), live_(isatty(fileno(out)) == 1) {}

ProgressLine::~ProgressLine() {
  if (live_ && drawn_) std::fputs("\n", out_);
}

void ProgressLine::Show(std::uint64_t done, std::uint64_t total, const std::string& text) {
  const double share =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto cells = static_cast<std::size_t>(share * kBarCells);
  const std::string bar = "[" + std::string(cells, '#') +
                          std::string(static_cast<std::size_t>(kBarCells) - cells, '.') + "] ";
  if (!live_) {
    const int tenth = static_cast<int>(share * 10);
    if (tenth == last_tenth_) return;
    last_tenth_ = tenth;
    std::fputs((bar + text + "\n").c_str(), out_);
    std::fflush(out_);
    return;
  }
  constexpr auto kRedrawEvery = std::chrono::milliseconds(50);
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && done < total && now - drawn_at_ < kRedrawEvery) return;
  drawn_at_ = now;
  drawn_ = true;
  const std::size_t room = TerminalColumns(out_) - 1;
  const std::string line = (bar + text).substr(0, room);
  std::fputs(("\r" + line + "\x1b[K").c_str(), out_);
  std::fflush(out_);
}

HelpFormatter::HelpFormatter() {
  column_width(kHelpNameColumns);
  label("REQUIRED", "(required)");
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  const std::string description = app->get_description();
  return description.empty() ? "" : WrapWords(description, kScreenColumns) + "\n";
}

std::string HelpFormatter::make_subcommand(const CLI::App* sub) const {
  constexpr std::size_t kCommandColumns = 14;
  const std::string wrapped = WrapWords(sub->get_description(), kScreenColumns - kCommandColumns);
  std::ostringstream out;
  CLI::detail::format_help(out, sub->get_name(), wrapped, kCommandColumns);
  return out.str();
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  return WrapWords(option->get_description(), kScreenColumns - kHelpNameColumns);
}

}  // namespace anchorhold::client
