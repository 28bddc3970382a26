#include "trusted/train/example_row.h"

#include "shared/base/check.h"

namespace anchorhold::train {

std::span<const float> FeaturesOf(const ExampleSet& examples, std::size_t row) {
  AH_CHECK(row < examples.rows);
  return std::span(examples.features).subspan(row * examples.feature_width, examples.feature_width);
}

Label LabelOf(Loss loss, const ExampleSet& examples, std::size_t row) {
  Label label;
  if (IsRegression(loss) || (!NeedsClasses(loss) && examples.classes.empty())) {
    label.targets =
        std::span(examples.targets).subspan(row * examples.target_width, examples.target_width);
  } else {
    AH_CHECK((row + 1) * examples.class_width <= examples.classes.size());
    label.classes =
        std::span(examples.classes).subspan(row * examples.class_width, examples.class_width);
  }
  return label;
}

}  // namespace anchorhold::train
