// From a request's options to the trainer's: every value is taken over, and what is unknown, out of
// range or another one's is refused with its name.
#include "trusted/enclave/training_options.h"

#include <gtest/gtest.h>

#include <functional>

#include "trusted/graph/freeze.h"

namespace anchorhold::enclave {
namespace {

using wire::proto::TrainingOptions;

TrainingOptions Options(const std::string& optimizer = "sgd",
                        const std::string& loss = "cross-entropy") {
  TrainingOptions options;
  options.set_loss(loss);
  options.set_optimizer(optimizer);
  options.set_learning_rate(0.5);
  options.set_steps(100);
  return options;
}

std::string Refusal(const TrainingOptions& options) {
  const auto config = ReadTrainerConfig(options);
  return config.ok() ? "accepted" : config.error().message();
}

void ExpectRefused(TrainingOptions options, const std::function<void(TrainingOptions&)>& change,
                   const std::string& words) {
  ASSERT_EQ(Refusal(options), "accepted");
  change(options);
  EXPECT_NE(Refusal(options).find(words), std::string::npos) << Refusal(options);
}

TrainingOptions Adam() {
  TrainingOptions options = Options("adam");
  options.mutable_optimizer_options()->set_beta1(0.9);
  options.mutable_optimizer_options()->set_beta2(0.999);
  options.mutable_optimizer_options()->set_epsilon(1e-8);
  return options;
}

TEST(TrainingOptions, PlainSgdNeedsNothingMore) {
  const auto config = ReadTrainerConfig(Options());
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->loss, train::LossOptions(train::Loss::kCrossEntropy));
  EXPECT_EQ(config->optimizer.kind, train::OptimizerKind::kSgd);
  EXPECT_EQ(config->optimizer.weight_decay, 0);
  EXPECT_EQ(config->schedule, (train::LearningRateSchedule{.steps = 100}));
}

TEST(TrainingOptions, EveryOptionIsTakenOver) {
  TrainingOptions options = Options("rmsprop");
  options.set_momentum(0.5);
  auto& optimizer = *options.mutable_optimizer_options();
  optimizer.set_weight_decay(0.1);
  optimizer.set_alpha(0.95);
  optimizer.set_epsilon(1e-6);
  optimizer.set_centered(true);
  auto& schedule = *options.mutable_schedule();
  schedule.set_kind("step");
  schedule.set_every(10);
  schedule.set_gamma(0.25);
  schedule.set_warmup(7);
  auto& loss = *options.mutable_loss_options();
  loss.add_class_weights(1);
  loss.add_class_weights(2);
  loss.set_label_smoothing(0.1);
  loss.set_ignore_index(0);
  const auto config = ReadTrainerConfig(options);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->optimizer.momentum, 0.5);
  EXPECT_EQ(config->optimizer.weight_decay, 0.1);
  EXPECT_EQ(config->optimizer.alpha, 0.95);
  EXPECT_EQ(config->optimizer.epsilon, 1e-6);
  EXPECT_TRUE(config->optimizer.centered);
  EXPECT_EQ(config->schedule, (train::LearningRateSchedule{.kind = train::ScheduleKind::kStep,
                                                           .steps = 100,
                                                           .every = 10,
                                                           .gamma = 0.25,
                                                           .warmup = 7}));
  EXPECT_EQ(config->loss.class_weights, (std::vector<double>{1, 2}));
  EXPECT_EQ(config->loss.label_smoothing, 0.1);
  EXPECT_EQ(config->loss.ignore_index, 0);
}

TEST(TrainingOptions, TheOtherOptimizersAndLosses) {
  EXPECT_EQ(ReadTrainerConfig(Adam())->optimizer,
            (train::OptimizerConfig{
                .kind = train::OptimizerKind::kAdam, .learning_rate = 0.5, .alpha = 0}));
  TrainingOptions options = Options("adagrad", "huber");
  options.mutable_optimizer_options()->set_epsilon(1e-10);
  options.mutable_optimizer_options()->set_lr_decay(0.1);
  options.mutable_optimizer_options()->set_initial_accumulator(0.2);
  options.mutable_loss_options()->set_huber_delta(0.25);
  const auto config = ReadTrainerConfig(options);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->optimizer.lr_decay, 0.1);
  EXPECT_EQ(config->optimizer.initial_accumulator, 0.2);
  EXPECT_EQ(config->loss.huber_delta, 0.25);
  options = Options("sgd", "binary-cross-entropy");
  options.mutable_loss_options()->add_positive_weights(3);
  EXPECT_EQ(ReadTrainerConfig(options)->loss.positive_weights, std::vector<double>{3});
}

TEST(TrainingOptions, ClippingIsFlatUnlessAnotherIsAskedFor) {
  TrainingOptions options = Options();
  EXPECT_EQ(ReadTrainerConfig(options)->clipping, train::Clipping::kFlat);
  const std::pair<const char*, train::Clipping> names[] = {
      {"flat", train::Clipping::kFlat},
      {"per-layer", train::Clipping::kPerLayer},
      {"automatic", train::Clipping::kAutomatic}};
  for (const auto& [name, clipping] : names) {
    options.set_clipping(name);
    EXPECT_EQ(ReadTrainerConfig(options)->clipping, clipping) << name;
    wire::proto::TrainingTerms terms;
    WriteTerms(options, terms);
    EXPECT_EQ(terms.clipping(), name);
  }
  for (const char* bad : {"none", "FLAT", "per layer", "flat "}) {
    ExpectRefused(
        Options(), [bad](TrainingOptions& o) { o.set_clipping(bad); }, "unknown clipping");
  }
}

TEST(TrainingOptions, RefusesTheUnknown) {
  const auto set = [](auto change) { return change; };
  ExpectRefused(Options(), set([](TrainingOptions& o) { o.set_optimizer("lamb"); }),
                "unknown optimizer");
  ExpectRefused(Options(), set([](TrainingOptions& o) { o.set_loss("hinge"); }), "unknown loss");
  ExpectRefused(Options(), set([](TrainingOptions& o) { o.mutable_schedule(); }),
                "unknown learning-rate schedule");
}

TEST(TrainingOptions, RefusesWhatBelongsToAnother) {
  using Change = std::function<void(TrainingOptions&)>;
  const std::pair<const char*, Change> for_sgd[] = {
      {"beta1", [](auto& o) { o.mutable_optimizer_options()->set_beta1(0.5); }},
      {"beta2", [](auto& o) { o.mutable_optimizer_options()->set_beta2(0.5); }},
      {"epsilon", [](auto& o) { o.mutable_optimizer_options()->set_epsilon(0.5); }},
      {"alpha", [](auto& o) { o.mutable_optimizer_options()->set_alpha(0.5); }},
      {"centered", [](auto& o) { o.mutable_optimizer_options()->set_centered(true); }},
      {"lr_decay", [](auto& o) { o.mutable_optimizer_options()->set_lr_decay(0.5); }},
      {"initial_accumulator",
       [](auto& o) { o.mutable_optimizer_options()->set_initial_accumulator(0.5); }},
      {"huber", [](auto& o) { o.mutable_loss_options()->set_huber_delta(0.5); }},
      {"binary-cross-entropy",
       [](auto& o) { o.mutable_loss_options()->add_positive_weights(0.5); }}};
  for (const auto& [name, change] : for_sgd) ExpectRefused(Options(), change, name);
  ExpectRefused(
      Adam(), [](auto& o) { o.set_momentum(0.9); }, "momentum belongs to sgd, rmsprop");
  ExpectRefused(
      Adam(), [](auto& o) { o.mutable_optimizer_options()->set_nesterov(true); }, "nesterov");
}

TEST(TrainingOptions, RefusesWhatIsOutOfRange) {
  ExpectRefused(
      Adam(), [](auto& o) { o.clear_optimizer_options(); }, "epsilon of adam");
  ExpectRefused(
      Adam(), [](auto& o) { o.mutable_optimizer_options()->set_weight_decay(-1); }, "weight decay");
  ExpectRefused(
      Options(), [](auto& o) { o.mutable_loss_options()->set_label_smoothing(1); },
      "label smoothing");
  ExpectRefused(
      Options(),
      [](auto& o) {
        for (int i = 0; i < 2000; ++i) o.mutable_loss_options()->add_class_weights(1);
      },
      "at most 1024");
  ExpectRefused(
      Options(),
      [](auto& o) {
        o.mutable_schedule()->set_kind("constant");
        o.mutable_schedule()->set_warmup(100);
      },
      "warmup");
  EXPECT_NE(Refusal(Options("sgd", "huber")).find("delta of huber"), std::string::npos);
}

TEST(TrainingOptions, FrozenPatternsAreLimited) {
  TrainingOptions options = Options();
  EXPECT_TRUE(ReadFrozen(options)->empty());
  options.add_frozen("body.*");
  EXPECT_EQ(*ReadFrozen(options), std::vector<std::string>{"body.*"});
  options.add_frozen("\xc3\xa4");
  EXPECT_FALSE(ReadFrozen(options).ok());
  options.clear_frozen();
  for (std::size_t i = 0; i <= graph::kFreezePatternsMax; ++i) options.add_frozen("w");
  EXPECT_EQ(ReadFrozen(options).error().code(), ErrorCode::kLimitExceeded);
}

TEST(TrainingOptions, TermsAreTheRequestsOwnAndNoMore) {
  TrainingOptions options = Adam();
  options.mutable_schedule()->set_kind("linear");
  options.mutable_loss_options()->set_ignore_index(-100);
  options.add_frozen("body.*");
  wire::proto::TrainingTerms terms;
  WriteTerms(options, terms);
  EXPECT_EQ(terms.optimizer_options().SerializeAsString(),
            options.optimizer_options().SerializeAsString());
  EXPECT_EQ(terms.schedule().SerializeAsString(), options.schedule().SerializeAsString());
  EXPECT_EQ(terms.loss_options().SerializeAsString(), options.loss_options().SerializeAsString());
  EXPECT_EQ(terms.frozen(0), "body.*");
  // A field of a later version, which this one does not know.
  const std::string known = options.schedule().SerializeAsString();
  ASSERT_TRUE(options.mutable_schedule()->ParseFromString(known + "\x78\x01"));
  ASSERT_NE(options.schedule().SerializeAsString(), known);
  terms.Clear();
  WriteTerms(options, terms);
  EXPECT_EQ(terms.schedule().SerializeAsString(), known);
  wire::proto::TrainingTerms plain;
  WriteTerms(Options(), plain);
  EXPECT_FALSE(plain.has_schedule() || plain.has_optimizer_options() || plain.has_loss_options());
}

}  // namespace
}  // namespace anchorhold::enclave
