// The sum of a step's gradients over examples, shared by the threads: norms of each group, factors,
// and the addition. group_sums.h has the arithmetic.
//
// Every thread has its own items of the sum for the whole step. An item adds the groups of all
// threads in the order of the batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trusted/engine/group_sums.h"
#include "trusted/engine/lowering.h"
#include "trusted/engine/memory.h"

namespace anchorhold::engine {

class Batch;

class GradientSums {
 public:
  GradientSums(const LoweredProgram& program, const Kernels& kernels, std::size_t threads);

  std::size_t scratch() const { return scratch_; }  // floats, of each thread

  // `clipping` is null for gradients as they are, and outlives the step.
  void Begin(const Clipping* clipping, const SumTarget& target);
  // Thread k's group, batch examples from `first`: norms and factors. Threads run concurrently.
  void Measure(std::size_t k, const Frame& frame, const Batch& batch, std::size_t first,
               std::span<double> squared_norms);
  // After every thread's Measure: decides the order of the round, once.
  void BeginRound();
  // After BeginRound: thread k's items. Threads run concurrently.
  void Add(std::size_t k, float* scratch);
  // After every thread's Add: contributions on the grid that came out too long are mended.
  void Check(float* scratch);
  // The last sums leave the 32 bits. Thread k's items.
  void Finish(std::size_t k);

 private:
  struct Slot {  // one thread's group
    std::vector<double> squares;
    std::vector<float> scales;
    std::vector<std::int32_t> rows;
    SumGroup group;
  };

  void ShareItems(std::size_t threads);

  SumTask task_;
  std::size_t scratch_ = 0;
  GridFill fill_;
  bool flushes_ = false;  // this round begins by moving the sums to the totals
  bool fresh_ = true;     // nothing was added yet
  bool adds_ = false;     // this round has examples
  std::vector<Slot> slots_;
  std::vector<std::vector<SumItem>> items_;         // by thread
  std::vector<std::vector<double>> contributions_;  // by thread: |v|^2 [slots, group]
};

}  // namespace anchorhold::engine
