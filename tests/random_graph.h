// Random models: well-typed networks of several kinds (images, volumes, frames, sequences, bags of
// words, tables), written as ONNX in the forms that exporters use, of random shapes and opsets 13
// to 21, with weights that are shared now and then. The same seed gives the same bytes on every
// machine. Every engine is held against the interpreter on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "trusted/train/loss.h"

namespace anchorhold::testing {

// Random numbers that are the same with every compiler and library (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next();
  std::int64_t Between(std::int64_t low, std::int64_t high);  // both included
  bool Chance(int percent) { return Between(1, 100) <= percent; }
  float Uniform(float low, float high);
  template <typename T>
  T Pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(Between(0, static_cast<std::int64_t>(from.size()) - 1))];
  }

 private:
  std::uint64_t state_;
};

struct RandomGraph {
  Bytes onnx;                   // first output: [N, ..]; every input has the examples along axis 0
  std::string description;      // "image, opset 17: Conv Relu .."
  std::int64_t vocabulary = 0;  // integer inputs hold numbers below it; reals are in [-1, 1]
  train::LossOptions loss = train::Loss::kMeanSquaredError;  // one that the output suits
};

RandomGraph MakeRandomGraph(std::uint64_t seed);

}  // namespace anchorhold::testing
