#include "client/core/number.h"

#include <charconv>
#include <cmath>

#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

bool IsNumberCharacter(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

}  // namespace

Result<double> ParseNumber(std::string_view text) {
  if (text.empty()) return InvalidInput("a number is missing");
  if (text.front() == ' ' || text.front() == '\t' || text.back() == ' ' || text.back() == '\t') {
    return InvalidInput("a space stands before or after the number; remove it");
  }
  for (const char c : text) {
    if (!IsNumberCharacter(c)) {
      return InvalidInput("not a finite decimal number such as -1.5 or 2e-3");
    }
  }
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::general);
  if (error == std::errc::result_out_of_range) {
    return InvalidInput("the number is too large or too close to 0 for double precision");
  }
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    return InvalidInput("not a finite decimal number such as -1.5 or 2e-3");
  }
  return value;
}

Result<std::uint64_t> ParseCount(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 10);
  if (error != std::errc() || stop != end) return InvalidInput("not a whole number such as 40");
  return value;
}

std::string FormatNumber(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  AH_CHECK(error == std::errc());
  return std::string(buffer, end);
}

Result<double> ParsePositive(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value > 0)) return InvalidInput("must be greater than 0").At(name);
  return *value;
}

Result<double> ParseNonNegative(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value >= 0)) return InvalidInput("must not be negative").At(name);
  return *value;
}

Result<Epsilon> ParseEpsilon(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value > 0)) {
    return InvalidInput("epsilon must be greater than 0 and finite, for example 1").At(name);
  }
  return Epsilon(*value);
}

Result<Delta> ParseDelta(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value > 0 && *value < 1)) {
    return InvalidInput("delta must lie between 0 and 1, both excluded, for example 1e-5").At(name);
  }
  return Delta(*value);
}

Result<SamplingProbability> ParseSamplingProbability(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value > 0 && *value <= 1)) {
    return InvalidInput("a sampling probability is above 0 and at most 1, for example 0.25")
        .At(name);
  }
  return SamplingProbability(*value);
}

Result<NoiseMultiplier> ParseNoiseMultiplier(std::string_view name, std::string_view text) {
  const Result<double> value = ParseNumber(text);
  if (!value.ok()) return value.error().At(name);
  if (!(*value > 0)) {
    return InvalidInput("must be greater than 0: without noise epsilon is infinite").At(name);
  }
  return NoiseMultiplier(*value);
}

Result<std::uint64_t> ParseSteps(std::string_view name, std::string_view text) {
  const Result<std::uint64_t> value = ParseCount(text);
  if (!value.ok()) return value.error().At(name);
  if (*value < 1 || *value > limits::kStepsMax) {
    return InvalidInput("steps must be 1 to " + std::to_string(limits::kStepsMax)).At(name);
  }
  return *value;
}

Result<std::uint64_t> ParsePositiveCount(std::string_view name, std::string_view text) {
  const Result<std::uint64_t> value = ParseCount(text);
  if (!value.ok()) return value.error().At(name);
  if (*value < 1) return InvalidInput("must be at least 1").At(name);
  return *value;
}

}  // namespace anchorhold::client
