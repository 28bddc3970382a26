// Every model of tests/refused is refused, for the reason and with the remedy that its line in
// expected.txt names; what each tries is in tools/make_refused.py.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(ANCHORHOLD_SOURCE_DIR) / "tests" / "refused";
// A good model, which other tests feed with data that does not fit.
constexpr const char* kAccepted = "narrow-input.onnx";
constexpr std::size_t kModelsMin = 25;

struct Expected {
  std::string file, error, where, reason, remedy;
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.file; }

std::vector<Expected> ReadExpected() {
  std::ifstream file(kFolder / "expected.txt");
  std::vector<Expected> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::size_t at = 0;
    for (std::size_t bar; (bar = line.find(" | ", at)) != std::string::npos; at = bar + 3) {
      cells.push_back(line.substr(at, bar - at));
    }
    cells.push_back(line.substr(at));
    cells.resize(5);
    rows.push_back({cells[0], cells[1], cells[2], cells[3], cells[4]});
  }
  return rows;
}

Bytes Read(const std::string& name) {
  std::ifstream file(kFolder / name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return CopyBytes(AsBytes(text.str()));
}

class Refused : public ::testing::TestWithParam<Expected> {};

TEST_P(Refused, NamesTheNodeTheMixingAndTheRemedy) {
  const Expected& expected = GetParam();
  const Bytes model = Read(expected.file);
  ASSERT_FALSE(model.empty());
  const CheckReport report = CheckOnnx(model);
  ASSERT_FALSE(report.status.ok()) << "accepted";
  const std::string message = report.status.error().message();
  EXPECT_EQ(ErrorCodeName(report.status.error().code()), expected.error) << message;
  for (const std::string& words : {expected.where, expected.reason, expected.remedy}) {
    EXPECT_FALSE(words.empty()) << "expected.txt leaves a column empty";
    EXPECT_NE(message.find(words), std::string::npos) << words << "\nis not in\n" << message;
  }
  // The import agrees, and the verdict by node says the same.
  const Result<Model> imported = ImportOnnx(model);
  ASSERT_FALSE(imported.ok());
  EXPECT_EQ(imported.error().message(), message);
  if (expected.where.rfind("node ", 0) == 0) {
    ASSERT_FALSE(report.nodes.empty());
    EXPECT_FALSE(report.nodes.back().accepted);
    EXPECT_EQ(report.nodes.back().verdict, message);
  }
}

std::string TestName(const ::testing::TestParamInfo<Expected>& info) {
  std::string name;
  for (const char c : info.param.file.substr(0, info.param.file.find('.'))) {
    name += c == '-' ? '_' : c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Refused, ::testing::ValuesIn(ReadExpected()), TestName);

TEST(Refused, EveryModelHasItsLine) {
  std::set<std::string> listed = {kAccepted};
  for (const Expected& row : ReadExpected()) {
    EXPECT_TRUE(listed.insert(row.file).second) << row.file << " is listed twice";
  }
  std::set<std::string> present;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".onnx") present.insert(entry.path().filename().string());
  }
  EXPECT_EQ(listed, present);
  EXPECT_GE(listed.size(), kModelsMin);
}

}  // namespace
}  // namespace anchorhold::graph
