// Optimizers: what is done with a step's gradient. They see gradients that are already noised, so
// that nothing here is private any more. In the formulas t = 1, 2, ... counts steps, all operations
// are elementwise, and theta is the parameter vector.
//
//   sgd   v <- momentum v + grad;  theta <- theta - lr v                (v = 0 at first)
//         with nesterov: theta <- theta - lr (grad + momentum v)
//   adam  m <- beta1 m + (1 - beta1) grad;  s <- beta2 s + (1 - beta2) grad^2     (m = s = 0)
//         theta <- theta - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon)
//         Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", Algorithm 1.
//
// State is float32, arithmetic double.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace anchorhold::train {

enum class OptimizerKind : unsigned char { kSgd = 1, kAdam = 2 };

std::string_view OptimizerName(OptimizerKind kind);  // "sgd", "adam"
Result<OptimizerKind> ParseOptimizer(std::string_view name);

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.1;  // lr: finite, > 0
  double momentum = 0;         // sgd: in [0, 1)
  bool nesterov = false;       // sgd: needs momentum > 0
  double beta1 = 0.9;          // adam: in [0, 1)
  double beta2 = 0.999;        // adam: in [0, 1)
  double epsilon = 1e-8;       // adam: finite, > 0
};

// kInvalidInput naming the first hyper-parameter out of its range. Those of the other kind of
// optimizer are not looked at.
Status ValidateOptimizer(const OptimizerConfig& config);

class Optimizer {
 public:
  static Result<Optimizer> Create(const OptimizerConfig& config, std::size_t parameter_count);

  // Preconditions: both of size parameter_count.
  void Step(std::span<float> parameters, std::span<const float> gradient);

  std::uint64_t steps_done() const { return steps_done_; }

 private:
  Optimizer(const OptimizerConfig& config, std::size_t parameter_count);
  void StepSgd(std::span<float> parameters, std::span<const float> gradient);
  void StepAdam(std::span<float> parameters, std::span<const float> gradient);

  OptimizerConfig config_;
  std::uint64_t steps_done_ = 0;
  std::vector<float> first_;   // v or m; empty for sgd without momentum
  std::vector<float> second_;  // s; empty for sgd
};

}  // namespace anchorhold::train
