#include "tests/compiled_model_support.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace anchorhold::testing {
namespace {

// The names that nm lists, with the given option.
std::set<std::string> Symbols(const char* option, const std::string& library) {
  const Outcome nm = RunCommand({ANCHORHOLD_NM, "-P", "-g", option, library});
  EXPECT_EQ(nm.status, 0) << nm.err;
  std::set<std::string> symbols;
  std::istringstream lines(nm.out);
  for (std::string line; std::getline(lines, line);) {
    const std::string symbol = line.substr(0, line.find(' '));
    if (!symbol.empty() && symbol.back() != ':') symbols.insert(symbol);  // else the member's name
  }
  return symbols;
}

}  // namespace

Outcome CompileModel(const std::string& model, const std::string& folder,
                     const std::vector<std::string>& options,
                     const std::map<std::string, std::string>& environment) {
  std::vector<std::string> command = {ANCHORHOLD_BINARY_DIR "/bin/anchorhold",
                                      "model",
                                      "compile",
                                      model,
                                      "--emit",
                                      "static-lib",
                                      "-o",
                                      folder};
  command.insert(command.end(), options.begin(), options.end());
  return RunCommand(command, environment);
}

void ExpectFewSymbolsAreMissing(const std::string& library) {
  const std::set<std::string> allowed = {"memcpy", "memset", "memmove"};
  for (const std::string& symbol : Symbols("-u", library)) {
    EXPECT_EQ(allowed.count(symbol), 1u) << symbol << " is undefined";
  }
  const std::set<std::string> defined = Symbols("--defined-only", library);
  EXPECT_EQ(defined.count("model_open"), 1u);
  for (const std::string& symbol : defined) {
    EXPECT_EQ(symbol.rfind("model_", 0), 0u) << symbol << " is defined";
  }
}

Outcome BuildCProgram(const std::string& source, const std::string& folder,
                      const std::string& program) {
  return RunCommand({ANCHORHOLD_C_COMPILER, "-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic",
                     "-Werror", "-I", folder, source, folder + "/libmodel.a", "-o", program});
}

std::string Exported(const std::string& name) {
  return ANCHORHOLD_SOURCE_DIR "/tests/exported/" + name + ".onnx";
}

}  // namespace anchorhold::testing
