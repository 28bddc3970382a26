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
  engine::Frame frame;
  double* squares = nullptr;     // [group]: of one parameter's gradient
  double* totals = nullptr;      // [group]: of the whole gradient
  float* scales = nullptr;       // [group]
  std::int32_t* rows = nullptr;  // [joined_rows]
};

// What is asked of a call, and where it goes. All rows lie one after another.
struct Request {
  const float* parameters = nullptr;
  std::size_t examples = 0;
  const float* inputs = nullptr;
  const void* labels = nullptr;  // int64 for cross-entropy, else float
  float* results = nullptr;      // [examples, result]
  float* losses = nullptr;       // [examples]; null: not wanted
  bool clips = false;
  double bound = 0;
  float* norms = nullptr;  // [examples]; null: not wanted
  float* sum = nullptr;    // [parameter_count]; null: forward only
};

// 0 if this processor has no kernels.
std::size_t WorkspaceBytes();
// False if this processor has no kernels.
bool OpenWorkspace(void* memory);
Workspace& WorkspaceIn(void* memory);

// Whether every label of cross-entropy is a class (or ignored), of binary cross-entropy 0 or 1.
bool LabelsFit(const Request& request);
void Run(Workspace& workspace, const Request& request);

// sums.cc: the group that the frame holds, its first example being the request's `first`.
void MeasureGroup(Workspace& workspace, const Request& request, std::size_t first);
// `fresh`: nothing was added to the sum yet.
void AddGroup(Workspace& workspace, const Request& request, bool fresh);
// loss.cc: writes the group's seeds, and losses where wanted.
void SeedGroup(Workspace& workspace, const Request& request, std::size_t first);

}  // namespace anchorhold::runtime
