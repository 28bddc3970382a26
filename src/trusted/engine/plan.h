// A plan: what the engine will do with a model, decided and measured out before it starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trusted/engine/sum_types.h"
#include "trusted/simd/target.h"

namespace anchorhold::engine {

enum class Mode : unsigned char {
  kInference,
  kTraining,         // the sum of the examples' gradients
  kPrivateTraining,  // the sum of clipped ones
};

std::string_view MethodName(Method method);

// Norms: with T positions, p x d numbers (docs/engine.md). Costs are multiply-adds an example of
// what is done beyond the gradient itself: T^2 (p + d) / 2 for ghost norms, 2 p d for instantiated
// ones.
struct ParameterPlan {
  std::string name;
  std::string kind;  // "matrix product", "convolution", "table", "direct"
  Method method = Method::kNone;
  std::size_t positions = 1;  // T
  std::size_t rows = 0;       // p
  std::size_t columns = 0;    // d
  std::size_t numbers = 0;    // of the parameter
  double ghost_cost = 0;      // 0 where it is not to be had
  double instantiate_cost = 0;
};

struct PlanReport {
  Mode mode = Mode::kInference;
  simd::Target target = simd::Target::kScalar;
  std::size_t threads = 1;
  std::size_t group = 1;  // examples a thread works on at a time
  std::size_t steps_forward = 0;
  std::size_t steps_backward = 0;
  std::size_t steps_naive = 0;    // of those, run by the reference kernels
  std::size_t steps_minimal = 0;  // of those, convolutions by minimal filtering
  std::size_t arena_bytes = 0;    // of one thread
  std::size_t scratch_bytes = 0;  // of one thread
  std::size_t shared_bytes = 0;   // constants, sums, what the prologue computes
  std::size_t peak_bytes = 0;     // all of it, parameters included; the batch's rows are not
  // Of products and convolutions, one example, backward included; minimal filtering takes fewer.
  double multiply_adds = 0;
  std::vector<ParameterPlan> parameters;
};

}  // namespace anchorhold::engine
