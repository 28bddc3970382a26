#include "trusted/train/evaluate.h"

#include <algorithm>

#include "shared/base/check.h"

namespace anchorhold::train {
namespace {

// Takes in one row after another and gives its findings at the end.
class Judge {
 public:
  Judge(const LossOptions& loss, const ExampleSet& examples, std::size_t width)
      : loss_(loss),
        examples_(examples),
        several_labels_(loss.kind == Loss::kBinaryCrossEntropy && width > 1),
        classes_(ClassesOf(loss, examples, width)),
        labels_(several_labels_ ? width : 0),
        regression_(width) {}

  void Add(std::size_t row, std::span<const float> prediction) {
    if (IsRegression(loss_.kind)) {
      regression_.Add(prediction, TargetsOf(row));
    } else if (several_labels_) {
      AddLabels(TargetsOf(row), prediction);
    } else if (loss_.kind == Loss::kBinaryCrossEntropy) {
      AddBinary(row, prediction[0]);
    } else {
      AddPositions(row, prediction);
    }
  }

  void Conclude(Evaluation& evaluation) && {
    if (IsRegression(loss_.kind)) {
      evaluation.mean_absolute_error = regression_.MeanAbsoluteError();
      evaluation.root_mean_squared_error = regression_.RootMeanSquaredError();
      evaluation.r_squared = regression_.RSquared();
      return;
    }
    if (several_labels_) {
      evaluation.accuracy = static_cast<double>(right_labels_) /
                            static_cast<double>(labels_.size() * evaluation.rows);
      evaluation.classes = std::move(labels_);
    } else {
      evaluation.accuracy = classes_.Accuracy();
      evaluation.top_five = classes_.TopFive();
      evaluation.classes = classes_.scores();
      evaluation.confusion = classes_.confusion();
      if (evaluation.classes.size() == 2) evaluation.auc = AreaUnderCurve(std::move(scored_));
    }
    evaluation.macro_f1 = MacroF1(evaluation.classes);
  }

 private:
  static std::size_t ClassesOf(const LossOptions& loss, const ExampleSet& examples,
                               std::size_t width) {
    return NeedsClasses(loss.kind) ? width / examples.class_width : 2;
  }

  std::span<const float> TargetsOf(std::size_t row) const {
    return std::span(examples_.targets)
        .subspan(row * examples_.target_width, examples_.target_width);
  }

  void AddLabels(std::span<const float> targets, std::span<const float> logits) {
    for (std::size_t j = 0; j < labels_.size(); ++j) {
      const bool positive = targets[j] > 0.5F;
      const bool predicted = logits[j] > 0;
      labels_[j].support += positive ? 1 : 0;
      labels_[j].predicted += predicted ? 1 : 0;
      labels_[j].correct += positive && predicted ? 1 : 0;
      right_labels_ += positive == predicted ? 1 : 0;
    }
  }

  void AddBinary(std::size_t row, float logit) {
    const bool positive =
        examples_.classes.empty() ? TargetsOf(row)[0] > 0.5F : examples_.classes[row] == 1;
    classes_.Add(positive ? 1 : 0, logit > 0 ? std::size_t{1} : std::size_t{0});
    scored_.push_back({logit, positive});
  }

  void AddPositions(std::size_t row, std::span<const float> prediction) {
    const std::size_t count = prediction.size() / examples_.class_width;
    for (std::size_t p = 0; p < examples_.class_width; ++p) {
      const std::int64_t label = examples_.classes[row * examples_.class_width + p];
      if (label == loss_.ignore_index) continue;
      const std::span<const float> scores = prediction.subspan(p * count, count);
      classes_.Add(label, scores);
      if (count == 2) scored_.push_back({double{scores[1]} - double{scores[0]}, label == 1});
    }
  }

  const LossOptions& loss_;
  const ExampleSet& examples_;
  bool several_labels_;
  ClassTally classes_;
  std::vector<Scored> scored_;
  std::vector<ClassScore> labels_;
  std::uint64_t right_labels_ = 0;
  RegressionTally regression_;
};

}  // namespace

Evaluation Evaluate(TrainingEngine& engine, const LossOptions& loss,
                    std::span<const float> parameters, const ExampleSet& examples) {
  AH_CHECK(examples.rows > 0);
  constexpr std::size_t kRowsAtOnce = 256;
  const std::size_t width = engine.output_width();
  std::vector<float> predictions(std::min(kRowsAtOnce, examples.rows) * width);
  std::vector<float> losses(std::min(kRowsAtOnce, examples.rows));
  Judge judge(loss, examples, width);
  const std::vector<BatchRow> all = AllRows(examples);
  double total = 0;
  for (std::size_t first = 0; first < all.size(); first += kRowsAtOnce) {
    const std::span<const BatchRow> rows =
        std::span(all).subspan(first, std::min(kRowsAtOnce, all.size() - first));
    const std::span<float> results = std::span(predictions).first(rows.size() * width);
    engine.Predict(parameters, rows, results, std::span(losses).first(rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      total += losses[i];
      judge.Add(first + i, results.subspan(i * width, width));
    }
  }
  Evaluation evaluation;
  evaluation.rows = examples.rows;
  evaluation.mean_loss = total / static_cast<double>(examples.rows);
  std::move(judge).Conclude(evaluation);
  return evaluation;
}

}  // namespace anchorhold::train
