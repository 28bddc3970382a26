#include "trusted/graph/freeze.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "trusted/graph/graph.h"
#include "trusted/graph/names.h"

namespace anchorhold::graph {
namespace {

// Which parameters any pattern matches.
Result<std::vector<bool>> FindFrozen(const Model& model, std::span<const std::string> patterns) {
  const std::vector<Parameter>& parameters = model.parameters();
  std::vector<bool> frozen(parameters.size(), false);
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!MatchesPattern(pattern, parameters[i].name)) continue;
      found = true;
      frozen[i] = true;
      if (parameters[i].carried) continue;
      return InvalidInput("parameter " + Quoted(parameters[i].name) +
                          " cannot be frozen: the model's file has no numbers for it");
    }
    if (!found) {
      return InvalidInput("the pattern " + Quoted(pattern) +
                          " matches no parameter of the model; 'model show' lists their names");
    }
  }
  if (std::find(frozen.begin(), frozen.end(), false) == frozen.end()) {
    return InvalidInput("all parameters of the model would be frozen; nothing is left to train");
  }
  return frozen;
}

}  // namespace

// Greedy: on a mismatch the last '*' takes one byte more. At most pattern times name comparisons.
bool MatchesPattern(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after_star = 0;  // where in the name the last star's run ends so far
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++after_star;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Status CheckFreezePatterns(std::span<const std::string> patterns) {
  if (patterns.size() > kFreezePatternsMax) {
    return LimitExceeded("there are " + std::to_string(patterns.size()) +
                         " patterns of frozen parameters; at most " +
                         std::to_string(kFreezePatternsMax) + " are taken");
  }
  for (const std::string& pattern : patterns) {
    const bool printable =
        std::all_of(pattern.begin(), pattern.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (printable && !pattern.empty() && pattern.size() <= kFreezePatternBytesMax) continue;
    return InvalidInput("a pattern of frozen parameters must be 1 to " +
                        std::to_string(kFreezePatternBytesMax) +
                        " printable ASCII characters; '?' stands for any other byte");
  }
  return Ok();
}

Result<Model> Freeze(const Model& model, std::span<const std::string> patterns) {
  AH_RETURN_IF_ERROR(CheckFreezePatterns(patterns));
  AH_ASSIGN_OR_RETURN(const std::vector<bool> frozen, FindFrozen(model, patterns));
  std::vector<Parameter> trained;
  std::vector<std::size_t> places(frozen.size());
  std::vector<ConstantData> data(frozen.size());
  for (std::size_t i = 0; i < frozen.size(); ++i) {
    const Parameter& parameter = model.parameters()[i];
    if (frozen[i]) {
      data[i].reals = std::make_shared<const std::vector<float>>(parameter.values);
    } else {
      places[i] = trained.size();
      trained.push_back(parameter);
    }
  }
  GraphBuilder builder = GraphBuilder::From(model.graph());
  const std::vector<Value>& values = model.graph().values();
  for (std::size_t id = 0; id < values.size(); ++id) {
    if (values[id].source != Source::kParameter) continue;
    const std::size_t index = values[id].index;
    if (frozen[index]) {
      builder.FreezeParameter(static_cast<ValueId>(id), data[index]);
    } else {
      builder.RenumberParameter(static_cast<ValueId>(id), places[index]);
    }
  }
  return model.With(std::move(builder).Finish(model.graph().outputs()), std::move(trained));
}

}  // namespace anchorhold::graph
