// ExampleSet: the private rows that a job reads, in the clear, inside the enclave (or, for the
// local tools, on the owner's own machine).
#pragma once

#include <cstdint>
#include <vector>

namespace anchorhold::train {

struct ExampleSet {
  std::size_t rows = 0;
  std::size_t feature_width = 0;      // values an example, of all inputs one after another
  std::vector<float> features;        // [rows, feature_width], row-major
  std::size_t class_width = 1;        // class labels an example: one, or one for each position
  std::vector<std::int64_t> classes;  // [rows, class_width], for classification; empty otherwise
  std::size_t target_width = 0;       // values a target, 0 where there are none
  std::vector<float> targets;         // [rows, target_width], for regression or several labels
};

}  // namespace anchorhold::train
