// The house's own rules, checked over the source tree: who may include whom (layers.json), lengths
// that a reader can hold in mind, words that must not stay, files that nothing builds.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kColumnsMax = 100;
constexpr std::size_t kFileLinesMax = 500;
constexpr std::size_t kFunctionLinesMax = 70;

const fs::path kRoot = ANCHORHOLD_SOURCE_DIR;

std::vector<std::string> Lines(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string Text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Every C++ source and header below the given folders.
std::vector<fs::path> Sources(std::initializer_list<const char*> folders) {
  std::vector<fs::path> out;
  for (const char* folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".cc" || extension == ".h") out.push_back(entry.path());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool IsTest(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.find("_test.") != std::string::npos || name.find("for_test") != std::string::npos ||
         name.rfind("test_", 0) == 0;
}

std::string Relative(const fs::path& path) { return fs::relative(path, kRoot).string(); }

// "shared/base" for src/shared/base/x.h.
std::string LayerOf(const fs::path& path) {
  const fs::path relative = fs::relative(path, kRoot / "src");
  auto part = relative.begin();
  const std::string side = part->string();
  return side + "/" + (++part)->string();
}

nlohmann::json Layers() { return nlohmann::json::parse(Text(kRoot / "layers.json"))["layers"]; }

bool IsStandardOrSystem(const std::string& header) {
  static const std::regex kStandard("[a-z_0-9]+(\\.h)?");  // <vector>, <unistd.h>
  static const std::regex kSystem("(sys|linux|netinet|arpa|net)/[a-z_0-9]+\\.h");
  return std::regex_match(header, kStandard) || std::regex_match(header, kSystem);
}

TEST(Layers, EveryIncludeIsAllowed) {
  const nlohmann::json layers = Layers();
  const std::regex include("^\\s*#include [<\"]([^>\"]+)[>\"]");
  const std::set<std::string> named = {"seccomp.h", "toml.hpp", "asio.hpp"};
  for (const fs::path& path : Sources({"src"})) {
    if (IsTest(path)) continue;  // a test may look across; what ships may not
    const std::string layer = LayerOf(path);
    ASSERT_TRUE(layers.contains(layer)) << layer << " is not in layers.json";
    const auto uses = layers[layer]["uses"].get<std::set<std::string>>();
    const auto libraries = layers[layer].value("libraries", std::set<std::string>{});
    for (const std::string& line : Lines(path)) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string header = match[1];
      const std::string top = header.substr(0, header.find('/'));
      if (top == "shared" || top == "trusted" || top == "untrusted" || top == "client") {
        const std::string target = LayerOf(kRoot / "src" / header);
        EXPECT_TRUE(target == layer || uses.count(target) == 1)
            << Relative(path) << " includes " << header << ": layers.json does not let " << layer
            << " use " << target;
        continue;
      }
      const bool library = std::any_of(libraries.begin(), libraries.end(), [&](const auto& name) {
        return header.rfind(name, 0) == 0;
      });
      EXPECT_TRUE(library || (IsStandardOrSystem(header) && named.count(header) == 0))
          << Relative(path) << " includes " << header
          << ", a library that layers.json does not give " << layer;
    }
  }
}

TEST(Layers, AreAcyclicAndAllThere) {
  const nlohmann::json layers = Layers();
  for (const auto& [layer, rule] : layers.items()) {
    EXPECT_TRUE(fs::is_directory(kRoot / "src" / layer)) << layer << " is named but absent";
  }
  // Peel off layers whose uses are all gone; a cycle leaves some.
  std::map<std::string, std::set<std::string>> left;
  for (const auto& [layer, rule] : layers.items()) {
    left[layer] = rule["uses"].get<std::set<std::string>>();
  }
  for (bool peeled = true; peeled;) {
    peeled = false;
    for (auto it = left.begin(); it != left.end(); ++it) {
      if (!it->second.empty()) continue;
      const std::string gone = it->first;
      left.erase(it);
      for (auto& [layer, uses] : left) uses.erase(gone);
      peeled = true;
      break;
    }
  }
  EXPECT_TRUE(left.empty()) << left.begin()->first
                            << " is part of a cycle, or uses what is unknown";
}

// A table's row reads {"Relu", kOpsetMin, ...} or {"Adam", 1, ...}.
TEST(Documents, EveryOperatorIsListed) {
  const std::string page = Text(kRoot / "docs" / "operators.md");
  const std::regex row("\\{\"([A-Z][A-Za-z0-9]+)\",\\s*(k[A-Z]\\w*|[0-9]+)");
  std::size_t found = 0;
  for (const fs::path& path : Sources({"src/trusted/graph"})) {
    const std::string name = path.filename().string();
    if (name.rfind("operators_", 0) != 0 || name == "operators_refused.cc") continue;
    const std::string text = Text(path);
    for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it, ++found) {
      const std::string op = (*it)[1];
      EXPECT_TRUE(std::regex_search(page, std::regex("\\b" + op + "\\b")))
          << op << " (" << Relative(path) << ") is missing in docs/operators.md";
    }
  }
  EXPECT_GT(found, 100u);
}

TEST(Tidy, LinesAndFilesAreShort) {
  for (const fs::path& path : Sources({"src", "tests", "fuzz"})) {
    const std::vector<std::string> lines = Lines(path);
    if (!IsTest(path)) {
      EXPECT_LE(lines.size(), kFileLinesMax)
          << Relative(path) << " has grown past one idea: split it";
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_LE(lines[i].size(), kColumnsMax) << Relative(path) << ":" << i + 1;
      EXPECT_EQ(lines[i].find('\t'), std::string::npos) << Relative(path) << ":" << i + 1;
      EXPECT_TRUE(lines[i].empty() || lines[i].back() != ' ') << Relative(path) << ":" << i + 1;
    }
  }
}

// clang-format puts a function's closing brace in the column of its first line. Namespaces do not
// indent, so a free function or a member defined outside its class starts in column 0.
TEST(Tidy, FunctionsAreShort) {
  const std::regex opener("^[A-Za-z_~].*\\)( const)?( noexcept)?( override)?( -> .*)? \\{$");
  for (const fs::path& path : Sources({"src", "tests", "fuzz"})) {
    const std::vector<std::string> lines = Lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!std::regex_match(lines[i], opener)) continue;
      std::size_t end = i;
      while (end < lines.size() && lines[end] != "}") ++end;
      EXPECT_LE(end - i + 1, kFunctionLinesMax) << Relative(path) << ":" << i + 1;
    }
  }
}

TEST(Tidy, NoLeftoversAndNoBannedCalls) {
  // Split, so that this file does not find itself.
  const std::regex leftover(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b");
  const std::regex banned(
      "\\b(strcpy|strcat|sprintf|gets|system|rand|srand|setjmp|longjmp|alloca|strtok|mktemp)\\(");
  for (const fs::path& path : Sources({"src", "tests", "fuzz"})) {
    const std::vector<std::string> lines = Lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(lines[i], leftover)) << Relative(path) << ":" << i + 1;
      EXPECT_FALSE(std::regex_search(lines[i], banned)) << Relative(path) << ":" << i + 1;
    }
  }
}

TEST(Tidy, TheTrustedSideThrowsNothingAndPrintsNothing) {
  const std::regex banned("\\b(throw|catch|try|std::cout|std::cerr|printf)\\b");
  const std::regex comment("//.*$");
  for (const fs::path& path : Sources({"src/shared", "src/trusted"})) {
    // check.cc prints one literal and aborts; it is the only place that prints.
    if (IsTest(path) || Relative(path) == "src/shared/base/check.cc") continue;
    const std::vector<std::string> lines = Lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string code = std::regex_replace(lines[i], comment, "");
      EXPECT_FALSE(std::regex_search(code, banned)) << Relative(path) << ":" << i + 1;
    }
  }
}

// The build itself tells: every source has a command in its database.
TEST(Tidy, NoDeadSources) {
  const std::string commands = Text(fs::path(ANCHORHOLD_BINARY_DIR) / "compile_commands.json");
  for (const fs::path& path : Sources({"src", "tests", "fuzz"})) {
    if (path.extension() != ".cc") continue;
    EXPECT_NE(commands.find(Relative(path) + "\""), std::string::npos)
        << Relative(path) << " is built by nothing";
  }
}

TEST(Tidy, EveryHeaderHasAGuardAndOpensWithAComment) {
  for (const fs::path& path : Sources({"src"})) {
    if (path.extension() != ".h") continue;
    const std::vector<std::string> lines = Lines(path);
    ASSERT_FALSE(lines.empty()) << Relative(path);
    EXPECT_EQ(lines[0].rfind("//", 0), 0u) << Relative(path) << " should say what it is for";
    // Highway includes the -inl.h files once for each target, by a guard that changes sides.
    const bool per_target = Relative(path).find("-inl.h") != std::string::npos;
    const bool guarded =
        per_target
            ? Text(path).find("== defined(HWY_TARGET_TOGGLE)") != std::string::npos
            : std::find(lines.begin(), lines.end(), "#pragma once") != lines.end();
    EXPECT_TRUE(guarded) << Relative(path);
  }
}

}  // namespace
