// Optimizers: what is done with a step's gradient. They see gradients that are already noised, so
// that nothing here is private any more. In the formulas t = 1, 2, ... counts steps, all operations
// are elementwise, and theta is the parameter vector.
//
//   sgd      g <- grad + decay theta;  v <- momentum v + g;  theta <- theta - lr v  (v = 0 at
//   first)
//            with nesterov: theta <- theta - lr (g + momentum v)
//            Sutskever et al. 2013, "On the importance of initialization and momentum".
//   adam     g <- grad + decay theta
//            m <- beta1 m + (1 - beta1) g;  s <- beta2 s + (1 - beta2) g^2       (m = s = 0)
//            theta <- theta - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon)
//            Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", Algorithm 1.
//   adamw    theta <- (1 - lr decay) theta, then as adam with g <- grad
//            Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", Algorithm 2.
//   rmsprop  g <- grad + decay theta;  s <- alpha s + (1 - alpha) g^2            (s = 0)
//            d <- g / (sqrt(s) + epsilon)
//            centered: a <- alpha a + (1 - alpha) g (a = 0), and sqrt(max(s - a^2, 0)) for sqrt(s)
//            v <- momentum v + d;  theta <- theta - lr v                         (v = 0)
//            Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 45.
//   adagrad  g <- grad + decay theta;  s <- s + g^2            (s = initial_accumulator at first)
//            theta <- theta - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + epsilon)
//            Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods".
//
// They are PyTorch's (dampening 0), and so are the defaults. Of ONNX's ai.onnx.preview.training
// operators, Momentum is sgd, with and without nesterov, and Adagrad is adagrad with T = t - 1; its
// Adam adds epsilon to the root before the correction by 1 - beta2^t, not after it.
//
// State is float32, arithmetic double.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "trusted/simd/sums.h"

namespace anchorhold::train {

enum class OptimizerKind : unsigned char {
  kSgd = 1,
  kAdam = 2,
  kAdamW = 3,
  kRmsProp = 4,
  kAdagrad = 5,
};

std::string_view OptimizerName(OptimizerKind kind);  // "sgd", "adam", ...
Result<OptimizerKind> ParseOptimizer(std::string_view name);

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.1;      // lr: finite, > 0
  double momentum = 0;             // sgd, rmsprop: in [0, 1)
  bool nesterov = false;           // sgd: needs momentum > 0
  double beta1 = 0.9;              // adam, adamw: in [0, 1)
  double beta2 = 0.999;            // adam, adamw: in [0, 1)
  double epsilon = 1e-8;           // all but sgd: finite, > 0
  double weight_decay = 0;         // decay: finite, >= 0
  double alpha = 0.99;             // rmsprop: in [0, 1)
  bool centered = false;           // rmsprop
  double lr_decay = 0;             // adagrad: finite, >= 0
  double initial_accumulator = 0;  // adagrad: finite, >= 0
  friend bool operator==(const OptimizerConfig&, const OptimizerConfig&) = default;
};

// PyTorch's defaults of this kind, the learning rate excepted: adamw's weight decay is 0.01, and
// adagrad's epsilon 1e-10.
OptimizerConfig DefaultsOf(OptimizerKind kind);

// kInvalidInput naming the first hyper-parameter out of its range. Those of other kinds of
// optimizer are not looked at.
Status ValidateOptimizer(const OptimizerConfig& config);

class Optimizer {
 public:
  static Result<Optimizer> Create(const OptimizerConfig& config, std::size_t parameter_count);

  // One step at the configured learning rate, or at another one (schedule.h). Preconditions: both
  // spans of size parameter_count.
  void Step(std::span<float> parameters, std::span<const float> gradient) {
    Step(parameters, gradient, config_.learning_rate);
  }
  void Step(std::span<float> parameters, std::span<const float> gradient, double learning_rate);

  // The same in parts: one Begin a step, then Update for ranges that cover the parameters once;
  // `parameters` and `gradient` are those from `begin` on; the gradient counts times `share`, in
  // float32. Threads may update different ranges.
  void Begin() { ++steps_done_; }
  void Update(std::size_t begin, std::span<float> parameters, std::span<const float> gradient,
              double learning_rate, float share = 1);

  std::uint64_t steps_done() const { return steps_done_; }

 private:
  struct Range {
    std::size_t begin;
    std::span<float> parameters;
    std::span<const float> gradient;
    float share;
    double Gradient(std::size_t i) const { return double{share * gradient[i]}; }
  };
  Optimizer(const OptimizerConfig& config, std::size_t parameter_count);
  void UpdateSgd(const Range& range, double rate);
  void UpdateAdam(const Range& range, double rate);
  void UpdateRmsProp(const Range& range, double rate);
  void UpdateAdagrad(const Range& range, double rate);

  OptimizerConfig config_;
  const simd::SumKernels* kernels_;
  std::uint64_t steps_done_ = 0;
  std::vector<float> first_;   // v (sgd, rmsprop) or m; empty where there is none
  std::vector<float> second_;  // s; empty for sgd
  std::vector<float> mean_;    // a; centered rmsprop only
};

}  // namespace anchorhold::train
