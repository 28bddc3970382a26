#include "client/cli/model_options.h"

#include "client/core/number.h"
#include "shared/base/limits.h"

namespace anchorhold::client {

CLI::Option* Required(CLI::App* command, const char* name, std::string& value, const char* type,
                      const char* help) {
  return command->add_option(name, value, help)->type_name(type)->required();
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
