// The sum of a step's gradients over examples: norms of each group, factors, and the addition,
// shared by the threads.
//
// The work of adding is cut into items, each a part of one parameter, and every thread has its own
// items for the whole step. An item adds the groups of all threads in the order of the batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trusted/engine/lowering.h"
#include "trusted/engine/memory.h"

namespace anchorhold::engine {

class Batch;
struct Clipping;
struct SumTarget;

class GradientSums {
 public:
  GradientSums(const LoweredProgram& program, const Kernels& kernels, std::size_t threads);

  std::size_t scratch() const { return scratch_; }  // floats, of each thread

  // `clipping` is null for gradients as they are. Both outlive the step.
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
  struct Item {
    std::size_t parameter = 0;
    std::size_t begin = 0;  // numbers; rows of a contraction; columns of a table
    std::size_t end = 0;
    double cost = 0;
  };
  struct Slot {  // one thread's group
    Frame frame;
    std::vector<double> squares;     // [parameters, group]
    std::vector<float> scales;       // [1 or parameters, group]
    std::vector<std::int32_t> rows;  // scratch: the table's rows of one example
  };
  // Examples [first, first + count) of a slot.
  struct Part {
    std::size_t slot = 0;
    std::size_t first = 0;
    std::size_t count = 0;
  };

  void CutItems();
  std::size_t Scratch() const;
  double* Squares(Slot& slot, std::size_t parameter) const {
    return slot.squares.data() + parameter * program_.group;
  }
  const float* Scales(const Slot& slot, std::size_t parameter) const;
  void MeasureParameter(Slot& slot, std::size_t parameter);
  void JoinRows(Slot& slot, const GradientSum& sum, std::size_t example);
  void FindScales(Slot& slot, const Batch& batch, std::size_t first);
  void AddPart(const Item& item, const Part& part, std::int32_t sign, bool accumulate,
               double* squares, float* scratch);
  void AddRows(const Item& item, const Part& part, std::int32_t sign, double* squares);
  void Clear(const Item& item);
  void Flush(const Item& item);
  double AddAll(const Part& part, std::int32_t sign, float* scratch);

  const LoweredProgram& program_;
  Kernels kernels_;
  bool fast_ = false;
  const Clipping* clipping_ = nullptr;
  const SumTarget* target_ = nullptr;
  bool by_layer_ = false;
  std::size_t scratch_ = 0;
  std::size_t layers_ = 0;   // parameters with a gradient
  std::size_t pending_ = 0;  // contributions in the 32-bit sums
  bool flushes_ = false;     // this round begins by moving the sums to the totals
  bool fresh_ = true;        // nothing was added yet
  std::vector<Slot> slots_;
  std::vector<Part> parts_;
  std::vector<std::vector<Item>> items_;            // by thread
  std::vector<std::vector<double>> contributions_;  // by thread: |v|^2 [slots, group]
};

}  // namespace anchorhold::engine
