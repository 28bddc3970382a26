// A compiled model at work: the memory that its caller gave, cut into what the program needs, and a
// group of examples run through it. Freestanding: nothing is allocated, nothing is thrown, nothing
// is called but memcpy, memset and memmove.
#pragma once

#include "client/runtime/image.h"

namespace anchorhold::runtime {

// The program that is linked in (image_place.cc).
const Image& TheImage();

template <typename T>
std::span<const T> Entries(const Table<T>& table) {
  const auto* base = reinterpret_cast<const std::byte*>(&TheImage());
  return {reinterpret_cast<const T*>(base + table.offset), table.count};
}

// At the beginning of the caller's memory, aligned to a cache line.
struct Workspace {
  engine::Kernels kernels;
  engine::StepTables tables;
  engine::SumGroup group;           // its frame is the steps', too
  double* contributions = nullptr;  // [group]: |v|^2 of what was added
  std::int32_t* grid = nullptr;     // [parameter_count], for private training
};

// What is asked of a call, and where it goes. All rows lie one after another.
struct Request {
  const float* parameters = nullptr;
  std::size_t examples = 0;
  const float* inputs = nullptr;
  const void* labels = nullptr;  // int64 for cross-entropy, else float
  float* results = nullptr;      // [examples, result]; null: not wanted
  float* losses = nullptr;       // [examples]; null: not wanted
  float* norms = nullptr;        // [examples]; null: not wanted, or not clipped
  bool sums = false;             // else forward only
  const engine::Clipping* clipping = nullptr;
  engine::SumTarget target;
};

// 0 if this processor has no kernels; else enough for any that it has.
std::size_t WorkspaceBytes();
// False if this processor does not have these kernels.
bool OpenWorkspace(void* memory, simd::Target target);
Workspace& WorkspaceIn(void* memory);

// Whether every label of cross-entropy is a class (or ignored), of binary cross-entropy 0 or 1.
bool LabelsFit(const Request& request);
void Run(Workspace& workspace, const Request& request);

// loss.cc: writes the group's seeds, and losses where wanted.
void SeedGroup(Workspace& workspace, const Request& request, std::size_t first);

// sums.cc: the sum of a call's gradients, as engine/gradient_sums.cc makes it on one thread.
class StepSum {
 public:
  StepSum(Workspace& workspace, const Request& request);
  // The most examples that a group may have.
  std::size_t group() const;
  // The workspace's group, its first example being the request's `first`.
  void Add(std::size_t first);
  // After the last group.
  void Finish();

 private:
  Workspace& workspace_;
  const Request& request_;
  engine::SumTask task_;
  engine::GridFill fill_;
  bool fresh_ = true;
};

}  // namespace anchorhold::runtime
