// Options that the commands on models share, and the commands of the other files:
// model_file_tools.cc, model_arrays.cc, model_bench.cc, model_evaluate.cc and model_fit.cc.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/app.h"
#include "trusted/engine/thread_pool.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

void AddShowCommand(App& app, CLI::App& model);
void AddFixCommand(App& app, CLI::App& model);
void AddRunCommand(App& app, CLI::App& model);
void AddGradCommand(App& app, CLI::App& model);
void AddPlanCommand(App& app, CLI::App& model);
void AddBenchCommand(App& app, CLI::App& model);
void AddCompileCommand(App& app, CLI::App& model);
void AddEvaluateCommand(App& app, CLI::App& model);
void AddFitCommand(App& app, CLI::App& model);

// A required option, or a positional argument.
CLI::Option* Required(CLI::App* command, const char* name, std::string& value, const char* type,
                      const char* help);

// --clipping, as train and model grad take it; train::ParseClipping reads it.
void AddClippingOption(CLI::App* command, std::string& clipping);

// --threads N: the threads of a local tool, which change no result.
class ThreadsOption {
 public:
  void AddTo(CLI::App* command);
  // kInvalidInput or kLimitExceeded, naming the option.
  Result<std::shared_ptr<engine::ThreadPool>> MakePool() const;

 private:
  std::string threads_;
};

// "NAME=VALUE" split at the first '='. kInvalidInput, beginning with `option`, if a part is empty.
Result<std::pair<std::string, std::string>> ParseNamed(const std::string& option,
                                                       const std::string& text);

// --dim NAME=SIZE: sizes for axes that a model names, the batch's excepted.
class DimOptions {
 public:
  void AddTo(CLI::App* command);
  Result<graph::ImportOptions> Read() const;

 private:
  std::vector<std::string> dims_;
};

}  // namespace anchorhold::client
