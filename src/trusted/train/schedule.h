// Learning-rate schedules: the rate of each step as a pure function of public numbers. lr is the
// optimizer's learning rate, t = 0, 1, ... the step, W the warm-up's length, u = t - W and
// T = steps - W.
//   t < W         lr (t + 1) / (W + 1)
//   constant      lr
//   step          lr gamma^floor(u / every)
//   exponential   lr gamma^u
//   cosine        min + (lr - min) (1 + cos(pi u / T)) / 2    (Loshchilov and Hutter 2017, eq. 5)
//   linear        lr + (min - lr) u / T
// From u = T on, cosine and linear stay at min.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/base/result.h"

namespace anchorhold::train {

enum class ScheduleKind : unsigned char {
  kConstant = 1,
  kStep = 2,
  kExponential = 3,
  kCosine = 4,
  kLinear = 5,
};

// "constant", "step", "exponential", "cosine", "linear".
std::string_view ScheduleName(ScheduleKind kind);
Result<ScheduleKind> ParseScheduleKind(std::string_view name);

struct LearningRateSchedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::uint64_t steps = 0;   // of the whole training; cosine and linear need it
  std::uint64_t every = 0;   // step: 1 to limits::kStepsMax
  double gamma = 0;          // step, exponential: in (0, 1]
  double minimum = 0;        // cosine, linear: in [0, lr]
  std::uint64_t warmup = 0;  // all: below `steps`
  friend bool operator==(const LearningRateSchedule&, const LearningRateSchedule&) = default;
};

// kInvalidInput naming the first number that is out of its range, or that belongs to another kind
// and is not 0.
Status ValidateSchedule(const LearningRateSchedule& schedule, double learning_rate);

// The rate of step t. Precondition: the schedule is valid for this learning rate.
double LearningRateAt(const LearningRateSchedule& schedule, double learning_rate, std::uint64_t t);

}  // namespace anchorhold::train
