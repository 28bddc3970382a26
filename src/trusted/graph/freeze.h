// Freezing: a pass that turns parameters into constants of the model, so that they are not trained.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

inline constexpr std::size_t kFreezePatternsMax = 64;
inline constexpr std::size_t kFreezePatternBytesMax = 256;

// Whether the whole of `name` matches: '*' stands for any bytes or none ('.' and '/' included), '?'
// for one byte, everything else for itself.
bool MatchesPattern(std::string_view pattern, std::string_view name);

// kInvalidInput for a pattern that is empty, too long or not of printable ASCII; kLimitExceeded for
// too many.
Status CheckFreezePatterns(std::span<const std::string> patterns);

// The model with the parameters that match any of the patterns, by ONNX name, as constants with the
// numbers of the model's file. kInvalidInput if a pattern matches no parameter, if all parameters
// match, or if one matches that has no numbers in the file; and as CheckFreezePatterns.
Result<Model> Freeze(const Model& model, std::span<const std::string> patterns);

}  // namespace anchorhold::graph
