// Metrics: how good predictions are, counted one at a time. For rows that one may look at; nothing
// here is differentially private, and the enclave does not use it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace anchorhold::train {

// One class, or one label of several, against all others.
struct ClassScore {
  std::uint64_t support = 0;    // examples of the class
  std::uint64_t predicted = 0;  // examples that were predicted to be of it
  std::uint64_t correct = 0;    // both
  // correct / predicted, correct / support, and their harmonic mean
  // 2 correct / (support + predicted); each 0 where it would be 0 / 0.
  double precision() const;
  double recall() const;
  double f1() const;
};

// The mean of f1 over the classes that occur among the labels or the predictions; nothing if none
// does.
std::optional<double> MacroF1(std::span<const ClassScore> scores);

// Confusion matrices are kept up to this many classes.
inline constexpr std::size_t kConfusionClassesMax = 256;

// Counts labels against predicted classes.
class ClassTally {
 public:
  explicit ClassTally(std::size_t classes);
  // `scores`: one for each class. The predicted class is the first of the largest. Precondition:
  // 0 <= label < classes.
  void Add(std::int64_t label, std::span<const float> scores);
  void Add(std::int64_t label, std::size_t predicted);

  std::uint64_t count() const { return count_; }
  std::optional<double> Accuracy() const;  // nothing without an example
  // The share of examples with fewer than `k` classes before the label's own, in falling order of
  // scores and, among equals, in the order of the classes.
  std::optional<double> TopFive() const;  // nothing below 10 classes
  const std::vector<ClassScore>& scores() const { return scores_; }
  // [classes, classes], row: the label, column: the prediction. Empty for too many classes.
  const std::vector<std::uint64_t>& confusion() const { return confusion_; }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t in_top_five_ = 0;
  std::vector<ClassScore> scores_;
  std::vector<std::uint64_t> confusion_;
};

struct Scored {
  double score = 0;
  bool positive = false;
};
// The area under the receiver operating characteristic: the chance that a positive example has a
// higher score than a negative one, equal scores counting half (Mann and Whitney's U by ranks).
// Nothing without an example of each kind, or with a score that is not a number.
std::optional<double> AreaUnderCurve(std::vector<Scored> examples);

// Sums over predicted and true numbers, `width` an example.
class RegressionTally {
 public:
  explicit RegressionTally(std::size_t width);
  void Add(std::span<const float> predicted, std::span<const float> targets);

  double MeanAbsoluteError() const;     // over all numbers
  double RootMeanSquaredError() const;  // over all numbers
  // 1 - sum (y - z)^2 / sum (y - mean y)^2 of each target, averaged over the targets; nothing where
  // a target is the same in all examples.
  std::optional<double> RSquared() const;

 private:
  struct Target {
    double absolute = 0;
    double squared = 0;
    double mean = 0;       // of y so far
    double deviation = 0;  // sum (y - mean)^2 so far (Welford 1962)
  };
  std::vector<Target> targets_;
  std::uint64_t count_ = 0;
};

}  // namespace anchorhold::train
