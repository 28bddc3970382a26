#include "client/cli/model_options.h"

#include <algorithm>
#include <thread>

#include "client/core/number.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

constexpr std::uint64_t kThreadsMax = 1024;

}  // namespace

CLI::Option* Required(CLI::App* command, const char* name, std::string& value, const char* type,
                      const char* help) {
  return command->add_option(name, value, help)->type_name(type)->required();
}

void AddClippingOption(CLI::App* command, std::string& clipping) {
  command
      ->add_option("--clipping", clipping,
                   "How a row's gradient g is clipped to the norm C: flat takes min(1, C/|g|) of "
                   "it; per-layer does so for each of the L parameters by itself, with C/sqrt(L); "
                   "automatic takes C/(|g| + 0.01). All cost the same privacy. Default: flat.")
      ->type_name("KIND");
}

void ThreadsOption::AddTo(CLI::App* command) {
  command
      ->add_option("--threads", threads_,
                   "Threads to work on; results are the same for any number. Default: one for each "
                   "processor.")
      ->type_name("N");
}

Result<std::shared_ptr<engine::ThreadPool>> ThreadsOption::MakePool() const {
  std::uint64_t threads = std::max(std::thread::hardware_concurrency(), 1U);
  if (!threads_.empty()) {
    AH_ASSIGN_OR_RETURN(threads, ParsePositiveCount("--threads", threads_));
    if (threads > kThreadsMax) {
      return LimitExceeded("--threads: at most " + std::to_string(kThreadsMax) + " is accepted");
    }
  }
  return std::make_shared<engine::ThreadPool>(static_cast<std::size_t>(threads));
}

Result<std::pair<std::string, std::string>> ParseNamed(const std::string& option,
                                                       const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return InvalidInput(option + ": must be a name, '=' and a value");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

void DimOptions::AddTo(CLI::App* command) {
  command
      ->add_option("--dim", dims_,
                   "Size of an axis that the model leaves open by this name, the batch's excepted. "
                   "Repeatable.")
      ->type_name("NAME=SIZE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
}

Result<graph::ImportOptions> DimOptions::Read() const {
  graph::ImportOptions options;
  for (const std::string& text : dims_) {
    AH_ASSIGN_OR_RETURN(const auto named, ParseNamed("--dim", text));
    const auto size = ParsePositiveCount("--dim " + named.first, named.second);
    if (!size.ok()) return size.error();
    if (*size > limits::kTensorElementsMax) {
      return LimitExceeded("--dim " + named.first + ": at most " +
                           std::to_string(limits::kTensorElementsMax) + " is accepted");
    }
    if (!options.sizes.emplace(named.first, static_cast<std::int64_t>(*size)).second) {
      return InvalidInput("--dim " + named.first + ": is given twice");
    }
  }
  return options;
}

}  // namespace anchorhold::client
