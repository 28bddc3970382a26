// The ONNX project's own operator tests, run as they are installed: Debian's libonnx-testdata, and
// newer cases and real models where the folder of shared data lies beside the source tree. A case
// is either expected to pass or listed, with the reason, in conformance/inapplicable.txt; a listed
// case that passes is an error too, so the list stays true.
//
//   ANCHORHOLD_CASES='*maxpool*' conformance_test     only the cases whose name matches the
//   pattern;
//                                                     each is named as it is run
#include <fnmatch.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/conformance/onnx_case.h"

namespace anchorhold::testing {
namespace {

// The reference values are float32 or rounder; ONNX's own runner uses rtol 1e-3 and atol 1e-7. The
// absolute part here is 1e-5, for sums whose terms cancel in another order.
constexpr Tolerance kOperatorTolerance = {.absolute = 1e-5, .relative = 1e-3};
constexpr Tolerance kModelTolerance = {.absolute = 1e-4, .relative = 1e-4};

constexpr const char* kDebianNodes = "/usr/share/libonnx-testdata/data/node";
constexpr const char* kSharedData = ANCHORHOLD_SOURCE_DIR "/../shared/data/";

bool Matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

struct Inapplicable {
  std::string pattern;
  std::string reason;
  bool used = false;
};

// Lines "SOURCE/PATTERN reason ..." of `source`; '#' begins a comment.
std::vector<Inapplicable> ReadInapplicable(const std::string& source) {
  std::ifstream in(ANCHORHOLD_SOURCE_DIR "/tests/conformance/inapplicable.txt");
  EXPECT_TRUE(in.good());
  std::vector<Inapplicable> entries;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    Inapplicable entry;
    std::istringstream words(line);
    words >> entry.pattern;
    std::getline(words >> std::ws, entry.reason);
    EXPECT_FALSE(entry.reason.empty()) << "no reason: " << line;
    if (entry.pattern.rfind(source + "/", 0) != 0) continue;
    entry.pattern.erase(0, source.size() + 1);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Inapplicable* FindInapplicable(std::vector<Inapplicable>& entries, const std::string& name) {
  Inapplicable* found = nullptr;
  for (Inapplicable& entry : entries) {
    if (!Matches(entry.pattern, name)) continue;
    entry.used = true;
    if (found == nullptr) found = &entry;
  }
  return found;
}

// Runs all cases of a folder, reporting every one that is not as expected.
void RunSource(const std::string& source, const std::string& folder, const Tolerance& tolerance) {
  const std::vector<std::string> names = FindCases(folder);
  ASSERT_FALSE(names.empty()) << "no cases in " << folder;
  std::vector<Inapplicable> inapplicable = ReadInapplicable(source);
  const char* filter = std::getenv("ANCHORHOLD_CASES");
  int passed = 0;
  int listed = 0;
  for (const std::string& name : names) {
    if (filter != nullptr && !Matches(filter, name)) continue;
    if (filter != nullptr) std::cout << "case " << source << "/" << name << std::endl;
    const Inapplicable* entry = FindInapplicable(inapplicable, name);
    const Status status = RunCase((std::filesystem::path(folder) / name).string(), tolerance);
    (entry == nullptr ? passed : listed) += 1;
    if (entry != nullptr && status.ok()) {
      ADD_FAILURE() << source << "/" << name << " passes, but is listed as inapplicable ("
                    << entry->reason << "); remove it from the list";
    } else if (entry == nullptr && !status.ok()) {
      --passed;
      ADD_FAILURE() << source << "/" << name << ": " << status.error().message();
    }
  }
  for (const Inapplicable& entry : inapplicable) {
    if (filter == nullptr) {
      EXPECT_TRUE(entry.used) << source << "/" << entry.pattern << " is listed, but names no case";
    }
  }
  std::cout << source << ": " << passed << " cases pass, " << listed << " are inapplicable, of "
            << names.size() << "\n";
}

void RunSharedSource(const std::string& source, const std::string& folder,
                     const Tolerance& tolerance) {
  const std::string path = kSharedData + folder;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  RunSource(source, path, tolerance);
}

TEST(Conformance, DebianNodeCases) {
  ASSERT_TRUE(std::filesystem::exists(kDebianNodes))
      << "install the package libonnx-testdata (tools/install-packages.sh)";
  RunSource("node", kDebianNodes, kOperatorTolerance);
}

TEST(Conformance, NewerNodeCases) {
  RunSharedSource("ops/node", "onnx-ops/node", kOperatorTolerance);
}

TEST(Conformance, PytorchConvertedCases) {
  RunSharedSource("ops/pytorch-converted", "onnx-ops/pytorch-converted", kOperatorTolerance);
}

TEST(Conformance, PytorchOperatorCases) {
  RunSharedSource("ops/pytorch-operator", "onnx-ops/pytorch-operator", kOperatorTolerance);
}

TEST(Conformance, RealModels) { RunSharedSource("models", "onnx", kModelTolerance); }

}  // namespace
}  // namespace anchorhold::testing
