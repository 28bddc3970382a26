#include "client/core/training_message.h"

#include "client/core/number.h"

namespace anchorhold::client {
namespace {

namespace proto = wire::proto;

constexpr std::size_t kScheduleBytesMax = 200;

struct Pair {
  std::string_view key;
  std::string_view value;
};

// One KEY=NUMBER into its field.
Status SetField(const Pair& pair, train::LearningRateSchedule& schedule) {
  const std::string where = "'" + std::string(pair.key) + "'";
  if (pair.key == "every" || pair.key == "warmup") {
    const Result<std::uint64_t> count = ParseCount(pair.value);
    if (!count.ok()) return count.error().At(where);
    (pair.key == "every" ? schedule.every : schedule.warmup) = *count;
    return Ok();
  }
  if (pair.key != "gamma" && pair.key != "min") {
    return InvalidInput("knows every, gamma, min and warmup, and not " + where);
  }
  const Result<double> number = ParseNumber(pair.value);
  if (!number.ok()) return number.error().At(where);
  (pair.key == "gamma" ? schedule.gamma : schedule.minimum) = *number;
  return Ok();
}

// Up to the next `separator`, which is taken off with it.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return part;
}

std::string TextOf(std::string_view kind, std::uint64_t every, double gamma, double minimum,
                   std::uint64_t warmup) {
  std::string text(kind);
  char separator = ':';
  const auto add = [&](const char* key, const std::string& value) {
    text += separator + std::string(key) + "=" + value;
    separator = ',';
  };
  if (every != 0) add("every", std::to_string(every));
  if (gamma != 0) add("gamma", FormatNumber(gamma));
  if (minimum != 0) add("min", FormatNumber(minimum));
  if (warmup != 0) add("warmup", std::to_string(warmup));
  return text;
}

void WriteOptimizer(const train::OptimizerConfig& config, proto::OptimizerOptions& options) {
  using Kind = train::OptimizerKind;
  options.set_weight_decay(config.weight_decay);
  if (config.kind == Kind::kSgd) options.set_nesterov(config.nesterov);
  if (config.kind == Kind::kAdam || config.kind == Kind::kAdamW) {
    options.set_beta1(config.beta1);
    options.set_beta2(config.beta2);
  }
  if (config.kind != Kind::kSgd) options.set_epsilon(config.epsilon);
  if (config.kind == Kind::kRmsProp) {
    options.set_alpha(config.alpha);
    options.set_centered(config.centered);
  }
  if (config.kind == Kind::kAdagrad) {
    options.set_lr_decay(config.lr_decay);
    options.set_initial_accumulator(config.initial_accumulator);
  }
}

}  // namespace

Result<train::LearningRateSchedule> ParseSchedule(std::string_view text, std::uint64_t steps) {
  if (text.size() > kScheduleBytesMax) return InvalidInput("is too long for a schedule");
  train::LearningRateSchedule schedule;
  schedule.steps = steps;
  const bool has_keys = text.find(':') != std::string_view::npos;
  AH_ASSIGN_OR_RETURN(schedule.kind, train::ParseScheduleKind(TakeUntil(text, ':')));
  if (has_keys && (text.empty() || text.back() == ',')) {
    return InvalidInput("a KEY=NUMBER is missing, as in cosine:min=0.001,warmup=50");
  }
  std::vector<std::string_view> seen;
  while (!text.empty()) {
    std::string_view value = TakeUntil(text, ',');
    const std::string_view key = TakeUntil(value, '=');
    for (const std::string_view other : seen) {
      if (key == other) return InvalidInput("'" + std::string(key) + "' is given twice");
    }
    seen.push_back(key);
    AH_RETURN_IF_ERROR(SetField({key, value}, schedule));
  }
  return schedule;
}

std::string ScheduleText(const train::LearningRateSchedule& schedule) {
  return TextOf(train::ScheduleName(schedule.kind), schedule.every, schedule.gamma,
                schedule.minimum, schedule.warmup);
}

std::string ScheduleText(const proto::LearningRateSchedule& schedule) {
  return TextOf(schedule.kind(), schedule.every(), schedule.gamma(), schedule.minimum(),
                schedule.warmup());
}

Result<std::vector<double>> ParseNumbers(std::string_view text) {
  std::vector<double> numbers;
  bool more = true;
  while (more) {
    if (numbers.size() == train::kLossWeightsMax) {
      return LimitExceeded("at most " + std::to_string(train::kLossWeightsMax) +
                           " numbers are taken");
    }
    more = text.find(',') != std::string_view::npos;
    const Result<double> number = ParseNumber(TakeUntil(text, ','));
    if (!number.ok()) return number.error().At("number " + std::to_string(numbers.size() + 1));
    numbers.push_back(*number);
  }
  return numbers;
}

void WriteConfig(const train::TrainerConfig& config, proto::TrainingOptions& options) {
  options.set_loss(std::string(train::LossName(config.loss.kind)));
  options.set_optimizer(std::string(train::OptimizerName(config.optimizer.kind)));
  options.set_learning_rate(config.optimizer.learning_rate);
  options.set_momentum(config.optimizer.momentum);
  WriteOptimizer(config.optimizer, *options.mutable_optimizer_options());
  proto::LearningRateSchedule& schedule = *options.mutable_schedule();
  schedule.set_kind(std::string(train::ScheduleName(config.schedule.kind)));
  schedule.set_every(config.schedule.every);
  schedule.set_gamma(config.schedule.gamma);
  schedule.set_minimum(config.schedule.minimum);
  schedule.set_warmup(config.schedule.warmup);
  if (config.clipping != train::Clipping::kFlat) {
    options.set_clipping(std::string(train::ClippingName(config.clipping)));
  }
  const train::LossOptions& from = config.loss;
  if (from == train::LossOptions(from.kind) && from.kind != train::Loss::kHuber) return;
  proto::LossOptions& loss = *options.mutable_loss_options();
  for (const double weight : from.class_weights) loss.add_class_weights(weight);
  loss.set_label_smoothing(from.label_smoothing);
  if (from.ignore_index.has_value()) loss.set_ignore_index(*from.ignore_index);
  for (const double weight : from.positive_weights) loss.add_positive_weights(weight);
  if (from.kind == train::Loss::kHuber) loss.set_huber_delta(from.huber_delta);
}

}  // namespace anchorhold::client
