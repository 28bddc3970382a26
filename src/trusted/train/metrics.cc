#include "trusted/train/metrics.h"

#include <algorithm>
#include <cmath>

#include "shared/base/check.h"

namespace anchorhold::train {
namespace {

constexpr std::size_t kTopFiveClassesMin = 10;

double Ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double ClassScore::precision() const { return Ratio(correct, predicted); }
double ClassScore::recall() const { return Ratio(correct, support); }
double ClassScore::f1() const { return Ratio(2 * correct, support + predicted); }

std::optional<double> MacroF1(std::span<const ClassScore> scores) {
  double sum = 0;
  std::size_t count = 0;
  for (const ClassScore& score : scores) {
    if (score.support + score.predicted == 0) continue;
    sum += score.f1();
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

ClassTally::ClassTally(std::size_t classes) : scores_(classes) {
  if (classes <= kConfusionClassesMax) confusion_.resize(classes * classes);
}

void ClassTally::Add(std::int64_t label, std::span<const float> scores) {
  AH_CHECK(scores.size() == scores_.size());
  const auto own = static_cast<std::size_t>(label);
  AH_CHECK(own < scores.size());
  std::size_t before = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    before += scores[c] > scores[own] || (scores[c] == scores[own] && c < own) ? 1 : 0;
  }
  in_top_five_ += before < 5 ? 1 : 0;
  const auto best = std::max_element(scores.begin(), scores.end());
  Add(label, static_cast<std::size_t>(best - scores.begin()));
}

void ClassTally::Add(std::int64_t label, std::size_t predicted) {
  const auto own = static_cast<std::size_t>(label);
  AH_CHECK(own < scores_.size() && predicted < scores_.size());
  ++count_;
  ++scores_[own].support;
  ++scores_[predicted].predicted;
  if (own == predicted) ++scores_[own].correct;
  if (!confusion_.empty()) ++confusion_[own * scores_.size() + predicted];
}

std::optional<double> ClassTally::Accuracy() const {
  if (count_ == 0) return std::nullopt;
  std::uint64_t correct = 0;
  for (const ClassScore& score : scores_) correct += score.correct;
  return Ratio(correct, count_);
}

std::optional<double> ClassTally::TopFive() const {
  if (count_ == 0 || scores_.size() < kTopFiveClassesMin) return std::nullopt;
  return Ratio(in_top_five_, count_);
}

std::optional<double> AreaUnderCurve(std::vector<Scored> examples) {
  std::uint64_t positives = 0;
  for (const Scored& example : examples) {
    if (std::isnan(example.score)) return std::nullopt;
    positives += example.positive ? 1 : 0;
  }
  const std::uint64_t negatives = examples.size() - positives;
  if (positives == 0 || negatives == 0) return std::nullopt;
  std::sort(examples.begin(), examples.end(),
            [](const Scored& a, const Scored& b) { return a.score < b.score; });
  double wins = 0;  // of positives over negatives
  std::uint64_t negatives_below = 0;
  for (std::size_t begin = 0; begin < examples.size();) {
    std::size_t end = begin;
    std::uint64_t positive = 0;
    while (end < examples.size() && examples[end].score == examples[begin].score) {
      positive += examples[end++].positive ? 1 : 0;
    }
    const std::uint64_t negative = end - begin - positive;
    wins += static_cast<double>(positive) *
            (static_cast<double>(negatives_below) + static_cast<double>(negative) / 2);
    negatives_below += negative;
    begin = end;
  }
  return wins / static_cast<double>(positives) / static_cast<double>(negatives);
}

RegressionTally::RegressionTally(std::size_t width) : targets_(width) {}

void RegressionTally::Add(std::span<const float> predicted, std::span<const float> targets) {
  AH_CHECK(predicted.size() == targets_.size() && targets.size() == targets_.size());
  ++count_;
  for (std::size_t j = 0; j < targets_.size(); ++j) {
    Target& target = targets_[j];
    const double y = targets[j];
    const double difference = predicted[j] - y;
    target.absolute += std::abs(difference);
    target.squared += difference * difference;
    const double from_old_mean = y - target.mean;
    target.mean += from_old_mean / static_cast<double>(count_);
    target.deviation += from_old_mean * (y - target.mean);
  }
}

double RegressionTally::MeanAbsoluteError() const {
  double sum = 0;
  for (const Target& target : targets_) sum += target.absolute;
  return sum / static_cast<double>(count_ * targets_.size());
}

double RegressionTally::RootMeanSquaredError() const {
  double sum = 0;
  for (const Target& target : targets_) sum += target.squared;
  return std::sqrt(sum / static_cast<double>(count_ * targets_.size()));
}

std::optional<double> RegressionTally::RSquared() const {
  double sum = 0;
  for (const Target& target : targets_) {
    if (!(target.deviation > 0)) return std::nullopt;
    sum += 1 - target.squared / target.deviation;
  }
  return sum / static_cast<double>(targets_.size());
}

}  // namespace anchorhold::train
