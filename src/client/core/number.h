// Numbers that people wrote, in tables and on the command line. Independent of the locale; one
// grammar: an optional minus, decimal digits with at most one point, an optional exponent. Neither
// "inf" nor "nan" nor hexadecimal nor a leading plus nor a space around it is a number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/strong.h"

namespace anchorhold::client {

// The finite double nearest to `text`. The error says what is wrong and never repeats the text, for
// it may be a cell of somebody's data.
Result<double> ParseNumber(std::string_view text);
// Decimal digits only, at most 2^64 - 1.
Result<std::uint64_t> ParseCount(std::string_view text);
// The shortest text that ParseNumber reads back as the same double.
std::string FormatNumber(double value);

// The same with a range, for the value of an option called `name`. kInvalidInput begins with it.
Result<double> ParsePositive(std::string_view name, std::string_view text);
Result<double> ParseNonNegative(std::string_view name, std::string_view text);
Result<Epsilon> ParseEpsilon(std::string_view name, std::string_view text);  // (0, inf)
Result<Delta> ParseDelta(std::string_view name, std::string_view text);      // (0, 1)
Result<SamplingProbability> ParseSamplingProbability(std::string_view name,
                                                     std::string_view text);  // (0, 1]
Result<NoiseMultiplier> ParseNoiseMultiplier(std::string_view name, std::string_view text);
Result<std::uint64_t> ParseSteps(std::string_view name, std::string_view text);  // 1..kStepsMax

// Decimal digits of text that names a job, a count of rows and the like; at least 1.
Result<std::uint64_t> ParsePositiveCount(std::string_view name, std::string_view text);

}  // namespace anchorhold::client
