// The text of schedules and lists, and what a configuration becomes on its way to the enclave.
#include "client/core/training_message.h"

#include <gtest/gtest.h>

namespace anchorhold::client {
namespace {

using train::LearningRateSchedule;
using train::ScheduleKind;

std::string Refusal(std::string_view text) {
  const auto schedule = ParseSchedule(text, 100);
  return schedule.ok() ? "accepted" : schedule.error().message();
}

TEST(ScheduleText, IsReadBack) {
  const std::pair<const char*, LearningRateSchedule> cases[] = {
      {"constant", {.steps = 100}},
      {"constant:warmup=5", {.steps = 100, .warmup = 5}},
      {"step:every=10,gamma=0.5",
       {.kind = ScheduleKind::kStep, .steps = 100, .every = 10, .gamma = 0.5}},
      {"exponential:gamma=0.99", {.kind = ScheduleKind::kExponential, .steps = 100, .gamma = 0.99}},
      {"cosine", {.kind = ScheduleKind::kCosine, .steps = 100}},
      {"cosine:min=0.001,warmup=50",
       {.kind = ScheduleKind::kCosine, .steps = 100, .minimum = 0.001, .warmup = 50}},
      {"linear:min=1e-09", {.kind = ScheduleKind::kLinear, .steps = 100, .minimum = 1e-9}}};
  for (const auto& [text, schedule] : cases) {
    const auto read = ParseSchedule(text, 100);
    ASSERT_TRUE(read.ok()) << text << ": " << read.error().message();
    EXPECT_EQ(*read, schedule) << text;
    EXPECT_EQ(ScheduleText(schedule), text);
  }
  EXPECT_EQ(*ParseSchedule("cosine:warmup=50,min=1", 60),
            *ParseSchedule("cosine:min=1,warmup=50", 60));
}

TEST(ScheduleText, RefusesEveryOtherText) {
  for (const char* text :
       {"", "cosin", "Cosine", "cosine:", "cosine:min", "cosine:min=", "cosine:min=x",
        "cosine:min=1,", "cosine:,min=1", "cosine:min=1,,warmup=2", "cosine: min=1", "cosine min=1",
        "cosine:min=1;warmup=2", "cosine:min=1=2", "cosine:warmup=1.5", "cosine:warmup=-1",
        "cosine:min=nan", "cosine:rate=1", "cosine:min=1:warmup=2"}) {
    EXPECT_NE(Refusal(text), "accepted") << text;
  }
  EXPECT_NE(Refusal("cosine:min=1,min=2").find("'min' is given twice"), std::string::npos);
  EXPECT_NE(Refusal("cosine:floor=1").find("every, gamma, min and warmup"), std::string::npos);
  EXPECT_NE(Refusal(std::string(1000, 'c')), "accepted");
}

TEST(Numbers, Lists) {
  EXPECT_EQ(*ParseNumbers("1,0.5,2e3"), (std::vector<double>{1, 0.5, 2000}));
  EXPECT_EQ(*ParseNumbers("7"), std::vector<double>{7});
  for (const char* text : {"", ",", "1,", ",1", "1 ,2", "1;2", "1,x"}) {
    EXPECT_FALSE(ParseNumbers(text).ok()) << text;
  }
  EXPECT_NE(ParseNumbers("1,x").error().message().find("number 2"), std::string::npos);
  std::string many = "1";
  for (std::size_t i = 0; i < train::kLossWeightsMax; ++i) many += ",1";
  EXPECT_EQ(ParseNumbers(many).error().code(), ErrorCode::kLimitExceeded);
}

TEST(WriteConfig, LeavesOutWhatBelongsToOthers) {
  train::TrainerConfig config;
  config.optimizer = train::DefaultsOf(train::OptimizerKind::kSgd);
  wire::proto::TrainingOptions options;
  WriteConfig(config, options);
  EXPECT_EQ(options.loss(), "cross-entropy");
  EXPECT_FALSE(options.has_loss_options());
  EXPECT_EQ(options.optimizer_options().SerializeAsString(), "");  // all 0
  EXPECT_EQ(options.schedule().kind(), "constant");
  EXPECT_EQ(options.clipping(), "");  // flat
  config.clipping = train::Clipping::kPerLayer;
  config.optimizer = train::DefaultsOf(train::OptimizerKind::kAdagrad);
  config.loss = train::Loss::kHuber;
  wire::proto::TrainingOptions adagrad;
  WriteConfig(config, adagrad);
  EXPECT_EQ(adagrad.optimizer_options().epsilon(), 1e-10);
  EXPECT_EQ(adagrad.optimizer_options().beta1(), 0);
  EXPECT_EQ(adagrad.optimizer_options().alpha(), 0);
  EXPECT_EQ(adagrad.loss_options().huber_delta(), 1);
  EXPECT_EQ(adagrad.clipping(), "per-layer");
  config.optimizer = train::DefaultsOf(train::OptimizerKind::kRmsProp);
  config.loss = train::Loss::kCrossEntropy;
  config.loss.class_weights = {1, 2};
  config.loss.ignore_index = 0;
  wire::proto::TrainingOptions rmsprop;
  WriteConfig(config, rmsprop);
  EXPECT_EQ(rmsprop.optimizer_options().alpha(), 0.99);
  EXPECT_EQ(rmsprop.loss_options().class_weights_size(), 2);
  EXPECT_TRUE(rmsprop.loss_options().has_ignore_index());
  EXPECT_EQ(rmsprop.loss_options().huber_delta(), 0);
}

}  // namespace
}  // namespace anchorhold::client
