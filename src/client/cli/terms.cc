#include "client/cli/terms.h"

namespace anchorhold::client {
namespace {

namespace proto = wire::proto;

// "a 1, b 2", of those that are not 0.
class Listing {
 public:
  void Add(const char* name, double value) {
    if (value != 0) Add(std::string(name) + " " + ShortNumber(value));
  }
  void Add(const std::string& text) { text_ += (text_.empty() ? "" : ", ") + text; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

template <typename Numbers>
std::string NumberList(const Numbers& numbers) {
  std::vector<std::string> items;
  for (const double number : numbers) items.push_back(ShortNumber(number));
  return Join(items);
}

std::string OptimizerText(const proto::OptimizerOptions& options) {
  Listing listing;
  if (options.nesterov()) listing.Add("nesterov");
  listing.Add("weight decay", options.weight_decay());
  listing.Add("beta1", options.beta1());
  listing.Add("beta2", options.beta2());
  listing.Add("epsilon", options.epsilon());
  listing.Add("alpha", options.alpha());
  if (options.centered()) listing.Add("centered");
  listing.Add("lr decay", options.lr_decay());
  listing.Add("initial accumulator", options.initial_accumulator());
  return listing.text();
}

std::string LossText(const proto::LossOptions& options) {
  Listing listing;
  if (options.class_weights_size() > 0) {
    listing.Add("class weights " + NumberList(options.class_weights()));
  }
  listing.Add("label smoothing", options.label_smoothing());
  if (options.has_ignore_index()) {
    listing.Add("ignored index " + std::to_string(options.ignore_index()));
  }
  if (options.positive_weights_size() > 0) {
    listing.Add("weight of positive labels " + NumberList(options.positive_weights()));
  }
  listing.Add("delta", options.huber_delta());
  return listing.text();
}

template <typename Numbers>
Json NumberArray(const Numbers& numbers) {
  Json array = Json::array();
  for (const double number : numbers) array.push_back(number);
  return array;
}

}  // namespace

void AddDetailFacts(const proto::OptimizerOptions& optimizer,
                    const proto::LearningRateSchedule& schedule, const proto::LossOptions& loss,
                    Facts& facts) {
  const std::string optimizer_text = OptimizerText(optimizer);
  if (!optimizer_text.empty()) facts.emplace_back("optimizer", optimizer_text);
  const std::string schedule_text = OneLine(ScheduleText(schedule));
  if (!schedule_text.empty() && schedule_text != "constant") {
    facts.emplace_back("schedule", schedule_text);
  }
  const std::string loss_text = LossText(loss);
  if (!loss_text.empty()) facts.emplace_back("loss", loss_text);
}

void AddClippingFact(const std::string& clipping, Facts& facts) {
  if (!clipping.empty() && clipping != "flat") facts.emplace_back("clipping", OneLine(clipping));
}

void AddFrozenFact(const std::vector<std::string>& patterns, Facts& facts) {
  if (patterns.empty()) return;
  std::vector<std::string> safe;
  for (const std::string& pattern : patterns) safe.push_back(OneLine(pattern));
  facts.emplace_back("frozen", Join(safe));
}

void AddDetailJson(const proto::OptimizerOptions& optimizer,
                   const proto::LearningRateSchedule& schedule, const proto::LossOptions& loss,
                   Json& json) {
  json["optimizer_options"] = {{"nesterov", optimizer.nesterov()},
                               {"weight_decay", optimizer.weight_decay()},
                               {"beta1", optimizer.beta1()},
                               {"beta2", optimizer.beta2()},
                               {"epsilon", optimizer.epsilon()},
                               {"alpha", optimizer.alpha()},
                               {"centered", optimizer.centered()},
                               {"lr_decay", optimizer.lr_decay()},
                               {"initial_accumulator", optimizer.initial_accumulator()}};
  const std::string schedule_text = ScheduleText(schedule);
  json["lr_schedule"] = schedule_text.empty() ? "constant" : schedule_text;
  json["loss_options"] = {
      {"class_weights", NumberArray(loss.class_weights())},
      {"label_smoothing", loss.label_smoothing()},
      {"ignore_index", loss.has_ignore_index() ? Json(loss.ignore_index()) : Json(nullptr)},
      {"positive_weights", NumberArray(loss.positive_weights())},
      {"huber_delta", loss.huber_delta()}};
}

Json TermsJson(const proto::TrainingTerms& terms) {
  Json json = {{"loss", terms.loss()},
               {"optimizer", terms.optimizer()},
               {"learning_rate", terms.learning_rate()},
               {"momentum", terms.momentum()},
               {"max_grad_norm", terms.max_grad_norm()},
               {"clipping", terms.clipping().empty() ? "flat" : terms.clipping()},
               {"sampling_probability", terms.sampling_probability()},
               {"noise_multiplier", terms.noise_multiplier()},
               {"steps", terms.steps()},
               {"epsilon", terms.epsilon()},
               {"delta", terms.delta()}};
  AddDetailJson(terms.optimizer_options(), terms.schedule(), terms.loss_options(), json);
  Json frozen = Json::array();
  for (const std::string& pattern : terms.frozen()) frozen.push_back(pattern);
  json["frozen"] = frozen;
  return json;
}

}  // namespace anchorhold::client
