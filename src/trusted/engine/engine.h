// Engine: runs a planned model over batches, for predictions or for sums of gradients.
//
// A batch is worked off in rounds; in a round every thread takes one group of examples through
// forward and backward in memory of its own, takes their gradients' norms, and decides how each is
// scaled; then all threads together add the scaled gradients of all groups, each thread its own
// share of the parameters. So there is one sum however many threads there are, memory does not grow
// with the batch, and the sum is made in the order of the batch: it is the same bits for any number
// of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/engine/lowering.h"
#include "trusted/engine/plan.h"
#include "trusted/engine/sum_types.h"
#include "trusted/engine/thread_pool.h"
#include "trusted/graph/model.h"

namespace anchorhold::engine {

// The examples of a step. Threads call concurrently, each for its own examples.
class Batch {
 public:
  virtual ~Batch() = default;
  virtual std::size_t size() const = 0;
  // The numbers of example i for all inputs, one after another.
  virtual std::span<const float> Features(std::size_t i) const = 0;
  // The loss of example i, whose result is given, and its gradient with respect to that.
  virtual float LossAndSeed(std::size_t i, std::span<const float> result,
                            std::span<float> seed) const = 0;
  // False: its gradient is not added, though the work is the same.
  virtual bool Counts(std::size_t) const { return true; }
};

// What else a step can tell; empty spans are not filled. By example of the batch.
struct StepResults {
  std::span<float> losses{};
  std::span<double> squared_norms{};  // of the gradient before clipping
};

struct EngineOptions {
  Mode mode = Mode::kInference;
  std::size_t batch = 0;  // what to plan for; 0: not known
  std::size_t group = 0;  // 0: chosen
  simd::Target target = simd::BestTarget();
  std::optional<Method> norms{};  // tests: forces a method
};

class Engine {
 public:
  // `graph` and `goal` as for Lower; `model` (already simplified) tells inputs and parameters. The
  // pool outlives the engine. kLimitExceeded if one example's values are too large.
  static Result<Engine> Create(const graph::Model& model, std::shared_ptr<const graph::Graph> graph,
                               const Goal& goal, const EngineOptions& options, ThreadPool& pool);
  // What Create refuses, found without taking any memory for values.
  static Status Check(const graph::Model& model, std::shared_ptr<const graph::Graph> graph,
                      const Goal& goal, const EngineOptions& options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  const PlanReport& report() const;
  const LoweredProgram& program() const;

  // results [size, result numbers] of a batch.
  void Predict(std::span<const float> parameters, const Batch& batch, std::span<float> results);

  // The sum of the batch's gradients, as they are.
  void SumGradients(std::span<const float> parameters, const Batch& batch, const SumTarget& target,
                    const StepResults& results);
  // The same, clipped. Precondition: planned for kPrivateTraining.
  void SumClipped(std::span<const float> parameters, const Batch& batch, const Clipping& clipping,
                  const SumTarget& target, const StepResults& results);

 private:
  class State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace anchorhold::engine
