// docs/release.md lists every place that makes a dp::Unreleased and every place that reshapes one.
// The lists and the source must agree, so that a new place is a decision that a reader sees.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = ANCHORHOLD_SOURCE_DIR;

using Counts = std::map<std::string, int>;

std::string Text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Layers that layers.json does not let include trusted/dp; some have a Map of their own.
bool CannotSeeUnreleased(const std::string& path) {
  for (const char* layer : {"src/shared/", "src/trusted/kernels/", "src/trusted/graph/"}) {
    if (path.rfind(layer, 0) == 0) return true;
  }
  return false;
}

// Per file of src/ that ships, how often `pattern` is found.
Counts InSource(const std::string& pattern) {
  Counts counts;
  const std::regex regex(pattern);
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "src")) {
    const std::string name = entry.path().filename().string();
    const std::string extension = entry.path().extension().string();
    if (extension != ".cc" && extension != ".h") continue;
    if (name.find("_test.") != std::string::npos || name == "test_support.h") continue;
    if (name == "unreleased.h") continue;  // the definition
    const std::string path = fs::relative(entry.path(), kRoot).string();
    if (CannotSeeUnreleased(path)) continue;
    const std::string text = Text(entry.path());
    const auto found = std::distance(std::sregex_iterator(text.begin(), text.end(), regex),
                                     std::sregex_iterator());
    if (found > 0) counts[path] = static_cast<int>(found);
  }
  return counts;
}

// The rows "| `file` | count | ..." of the table under `heading`.
Counts InDocument(const std::string& heading) {
  std::istringstream document(Text(kRoot / "docs" / "release.md"));
  const std::regex row("^\\| `([^`]+)` \\| ([0-9]+) \\|.*");
  Counts counts;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.rfind("| File |", 0) == 0) inside = line.find(heading) != std::string::npos;
    std::smatch match;
    if (inside && std::regex_match(line, match, row)) counts[match[1]] = std::stoi(match[2]);
  }
  return counts;
}

TEST(Release, EveryCallerOfMapIsListed) {
  const Counts listed = InDocument("Map calls");
  EXPECT_FALSE(listed.empty());
  EXPECT_EQ(InSource("(\\.|->)\\s*Map\\s*\\("), listed);
}

TEST(Release, EveryMakerOfUnreleasedIsListed) {
  const Counts listed = InDocument("Unreleased made");
  EXPECT_FALSE(listed.empty());
  // A construction: the type, its argument in angle brackets (one level deep), and a parenthesis.
  EXPECT_EQ(InSource("Unreleased<[^<>;]*(<[^<>;]*>)?[^<>;]*>\\s*[({]"), listed);
}

}  // namespace
