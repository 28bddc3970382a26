// Learning-rate schedules: by hand, at their ends, and what is refused.
#include "trusted/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace anchorhold::train {
namespace {

constexpr double kRate = 0.8;

double At(const LearningRateSchedule& schedule, std::uint64_t step) {
  EXPECT_TRUE(ValidateSchedule(schedule, kRate).ok());
  return LearningRateAt(schedule, kRate, step);
}

TEST(Schedule, Constant) {
  EXPECT_EQ(At({}, 0), kRate);
  EXPECT_EQ(At({}, 1'000'000), kRate);
}

TEST(Schedule, Step) {
  const LearningRateSchedule schedule{.kind = ScheduleKind::kStep, .every = 10, .gamma = 0.5};
  EXPECT_DOUBLE_EQ(At(schedule, 9), 0.8);
  EXPECT_DOUBLE_EQ(At(schedule, 10), 0.4);
  EXPECT_DOUBLE_EQ(At(schedule, 29), 0.2);
}

TEST(Schedule, Exponential) {
  const LearningRateSchedule schedule{.kind = ScheduleKind::kExponential, .gamma = 0.5};
  EXPECT_DOUBLE_EQ(At(schedule, 0), 0.8);
  EXPECT_DOUBLE_EQ(At(schedule, 3), 0.1);
}

TEST(Schedule, Cosine) {
  const LearningRateSchedule schedule{.kind = ScheduleKind::kCosine, .steps = 60, .minimum = 0.2};
  EXPECT_DOUBLE_EQ(At(schedule, 0), 0.8);
  EXPECT_DOUBLE_EQ(At(schedule, 20), 0.2 + 0.6 * 0.75);  // cos(60 degrees) = 1/2
  EXPECT_DOUBLE_EQ(At(schedule, 30), 0.5);
  EXPECT_DOUBLE_EQ(At(schedule, 60), 0.2);
  EXPECT_DOUBLE_EQ(At(schedule, 1000), 0.2);
}

TEST(Schedule, Linear) {
  const LearningRateSchedule schedule{.kind = ScheduleKind::kLinear, .steps = 8};
  EXPECT_DOUBLE_EQ(At(schedule, 0), 0.8);
  EXPECT_DOUBLE_EQ(At(schedule, 2), 0.6);
  EXPECT_NEAR(At(schedule, 7), 0.1, 1e-15);
}

TEST(Schedule, WarmUpRisesToTheRateAndShiftsWhatFollows) {
  const LearningRateSchedule schedule{
      .kind = ScheduleKind::kLinear, .steps = 7, .minimum = 0.4, .warmup = 3};
  EXPECT_DOUBLE_EQ(At(schedule, 0), 0.2);
  EXPECT_DOUBLE_EQ(At(schedule, 1), 0.4);
  EXPECT_DOUBLE_EQ(At(schedule, 2), 0.6);
  EXPECT_DOUBLE_EQ(At(schedule, 3), 0.8);
  EXPECT_DOUBLE_EQ(At(schedule, 5), 0.6);
}

TEST(Schedule, RefusesWhatIsOutOfRangeOrOfAnotherKind) {
  const auto refusal = [](const LearningRateSchedule& schedule) {
    const Status status = ValidateSchedule(schedule, kRate);
    return status.ok() ? std::string("accepted") : status.error().message();
  };
  using Kind = ScheduleKind;
  EXPECT_NE(refusal({.kind = Kind::kStep, .gamma = 0.5}).find("every"), std::string::npos);
  EXPECT_NE(refusal({.kind = Kind::kStep, .every = 20'000'000, .gamma = 0.5}).find("every"),
            std::string::npos);
  for (const double gamma : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_NE(refusal({.kind = Kind::kExponential, .gamma = gamma}).find("gamma"),
              std::string::npos);
  }
  EXPECT_NE(refusal({.kind = Kind::kCosine, .steps = 9, .minimum = 0.9}).find("min"),
            std::string::npos);
  EXPECT_NE(refusal({.kind = Kind::kCosine}).find("number of steps"), std::string::npos);
  EXPECT_NE(refusal({.steps = 5, .warmup = 5}).find("below the number of steps"),
            std::string::npos);
  EXPECT_NE(refusal({.every = 3}).find("takes no 'every'"), std::string::npos);
  EXPECT_NE(refusal({.kind = Kind::kCosine, .steps = 9, .gamma = 0.5}).find("takes no 'gamma'"),
            std::string::npos);
  EXPECT_NE(refusal({.minimum = 0.1}).find("takes no 'min'"), std::string::npos);
  EXPECT_EQ(refusal({.kind = static_cast<Kind>(9)}), "unknown kind of schedule");
}

TEST(Schedule, Names) {
  for (const ScheduleKind kind :
       {ScheduleKind::kConstant, ScheduleKind::kStep, ScheduleKind::kExponential,
        ScheduleKind::kCosine, ScheduleKind::kLinear}) {
    EXPECT_EQ(*ParseScheduleKind(ScheduleName(kind)), kind);
  }
  EXPECT_FALSE(ParseScheduleKind("polynomial").ok());
}

}  // namespace
}  // namespace anchorhold::train
