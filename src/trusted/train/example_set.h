// ExampleSet: the private rows that a job reads, in the clear, inside the enclave (or, for the
// local tools, on the owner's own machine).
#pragma once

#include <cstdint>
#include <vector>

namespace anchorhold::train {

struct ExampleSet {
  std::size_t rows = 0;
  std::size_t feature_width = 0;      // values an example
  std::vector<float> features;        // [rows, feature_width], row-major
  std::vector<std::int64_t> classes;  // [rows], for classification; empty otherwise
  std::size_t target_width = 0;       // values a target, 0 for classification
  std::vector<float> targets;         // [rows, target_width], for regression; empty otherwise
};

}  // namespace anchorhold::train
