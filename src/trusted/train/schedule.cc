#include "trusted/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "shared/base/check.h"
#include "shared/base/limits.h"

namespace anchorhold::train {
namespace {

struct NamedSchedule {
  ScheduleKind kind;
  std::string_view name;
};
constexpr NamedSchedule kSchedules[] = {
    {ScheduleKind::kConstant, "constant"},       {ScheduleKind::kStep, "step"},
    {ScheduleKind::kExponential, "exponential"}, {ScheduleKind::kCosine, "cosine"},
    {ScheduleKind::kLinear, "linear"},
};

bool Decays(ScheduleKind kind) {
  return kind == ScheduleKind::kStep || kind == ScheduleKind::kExponential;
}

bool HasEnd(ScheduleKind kind) {
  return kind == ScheduleKind::kCosine || kind == ScheduleKind::kLinear;
}

Error Foreign(const char* field, ScheduleKind kind) {
  return InvalidInput("a learning-rate schedule of kind " + std::string(ScheduleName(kind)) +
                      " takes no '" + field + "'");
}

}  // namespace

std::string_view ScheduleName(ScheduleKind kind) {
  for (const NamedSchedule& named : kSchedules) {
    if (named.kind == kind) return named.name;
  }
  return "unknown";
}

Result<ScheduleKind> ParseScheduleKind(std::string_view name) {
  std::string known;
  for (const NamedSchedule& named : kSchedules) {
    if (named.name == name) return named.kind;
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  return InvalidInput("unknown learning-rate schedule '" + std::string(name.substr(0, 40)) +
                      "'; known are " + known);
}

Status ValidateSchedule(const LearningRateSchedule& schedule, double learning_rate) {
  const ScheduleKind kind = schedule.kind;
  if (ScheduleName(kind) == "unknown") return InvalidInput("unknown kind of schedule");
  if (schedule.every != 0 && kind != ScheduleKind::kStep) return Foreign("every", kind);
  if (schedule.gamma != 0 && !Decays(kind)) return Foreign("gamma", kind);
  if (schedule.minimum != 0 && !HasEnd(kind)) return Foreign("min", kind);
  if (kind == ScheduleKind::kStep && (schedule.every < 1 || schedule.every > limits::kStepsMax)) {
    return InvalidInput("'every' of a step schedule must be 1 to " +
                        std::to_string(limits::kStepsMax));
  }
  if (Decays(kind) && !(schedule.gamma > 0 && schedule.gamma <= 1)) {
    return InvalidInput("'gamma' of a schedule must be above 0 and at most 1; got " +
                        std::to_string(schedule.gamma));
  }
  if (HasEnd(kind) && !(schedule.minimum >= 0 && schedule.minimum <= learning_rate)) {
    return InvalidInput(
        "'min' of a schedule must be at least 0 and at most the learning rate; got " +
        std::to_string(schedule.minimum));
  }
  const bool needs_steps = HasEnd(kind) || schedule.warmup > 0;
  if (needs_steps && schedule.warmup >= schedule.steps) {
    return InvalidInput("'warmup' of a schedule is " + std::to_string(schedule.warmup) +
                        ", which must be below the number of steps, " +
                        std::to_string(schedule.steps));
  }
  return Ok();
}

double LearningRateAt(const LearningRateSchedule& schedule, double learning_rate, std::uint64_t t) {
  if (t < schedule.warmup) {
    return learning_rate * static_cast<double>(t + 1) / static_cast<double>(schedule.warmup + 1);
  }
  const std::uint64_t u = t - schedule.warmup;
  const auto along = [&] {
    const auto length = static_cast<double>(schedule.steps - schedule.warmup);
    return std::min(static_cast<double>(u) / length, 1.0);
  };
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return learning_rate;
    case ScheduleKind::kStep:
      return learning_rate * std::pow(schedule.gamma, static_cast<double>(u / schedule.every));
    case ScheduleKind::kExponential:
      return learning_rate * std::pow(schedule.gamma, static_cast<double>(u));
    case ScheduleKind::kCosine:
      return schedule.minimum +
             (learning_rate - schedule.minimum) * (1 + std::cos(std::numbers::pi * along())) / 2;
    case ScheduleKind::kLinear:
      return learning_rate + (schedule.minimum - learning_rate) * along();
  }
  AH_CHECK(false);
  return learning_rate;  // not reached; the thread sanitizer's instrumentation hides that
}

}  // namespace anchorhold::train
