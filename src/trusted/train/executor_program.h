// Program: a graph laid out for running. Every value that a node makes has a place in one arena,
// chosen when the program is made, so that running allocates nothing; values whose lives do not
// overlap share memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/graph.h"

namespace anchorhold::train {

// What a program computes, as values of its graph.
struct ProgramGoal {
  graph::ValueId result = graph::kNoValue;  // read after the forward steps
  graph::ValueId seed = graph::kNoValue;    // written before the backward steps, if there are any
  std::vector<graph::ValueId> gradients;    // by parameter; kNoValue is a gradient of zeros
  std::vector<graph::ValueId> also{};       // real values to be read after the forward steps
};

template <typename T>
class Program {
 public:
  // `offsets` has each parameter's place in the flat vector, and the vector's size at the end.
  // kLimitExceeded if the arena would be over limits::kTensorElementsMax.
  static Result<Program> Make(std::shared_ptr<const graph::Graph> graph, const ProgramGoal& goal,
                              std::vector<std::size_t> offsets);

  // What one run reads and writes. `inputs` has one array for each input of the model, of T or,
  // where the input holds integers, of int64. The arena has arena_size() bytes and starts at a
  // multiple of alignof(std::max_align_t); `scratch` has scratch_size() places.
  struct Memory {
    const T* parameters = nullptr;
    const void* const* inputs = nullptr;
    T* gradient = nullptr;
    std::byte* arena = nullptr;
    const void** scratch = nullptr;
  };
  void Forward(const Memory& memory) const { Run(0, forward_steps_, memory); }
  // After Forward, and after the seed has been written.
  void Backward(const Memory& memory) const;

  std::span<const T> Output(const Memory& memory) const;
  std::span<T> Seed(const Memory& memory) const;
  std::span<const T> Also(std::size_t i, const Memory& memory) const;  // by place in goal.also
  std::size_t arena_size() const { return arena_size_; }
  std::size_t scratch_size() const { return scratch_size_; }

 private:
  enum class Region : unsigned char {
    kNone,
    kArena,
    kParameters,
    kInput,
    kReals,     // of constants_
    kIntegers,  // of integer_constants_
    kGradient
  };
  struct Place {
    Region region = Region::kNone;
    std::size_t offset = 0;  // bytes in the arena, an input's index, elements elsewhere
  };
  struct Step {
    const graph::Node* node = nullptr;
    std::vector<Place> inputs;
    std::vector<graph::ValueType> types;
    Place output;
  };
  struct Copy {  // a gradient that is not computed in place
    Place from;
    std::size_t to = 0;
    std::size_t size = 0;
  };
  class Layout;

  void Run(std::size_t begin, std::size_t end, const Memory& memory) const;
  const void* At(Place place, const Memory& memory) const;
  void* Writable(Place place, const Memory& memory) const;

  std::shared_ptr<const graph::Graph> graph_;
  std::vector<Step> steps_;
  std::size_t forward_steps_ = 0;
  std::vector<T> constants_;
  std::vector<std::int64_t> integer_constants_;
  std::vector<Copy> copies_;
  std::vector<std::pair<std::size_t, std::size_t>> zeros_;  // [offset, size) of the gradient
  Place result_;
  std::size_t result_size_ = 0;
  Place seed_;
  std::vector<std::pair<Place, std::size_t>> also_;  // with the number of elements
  std::size_t arena_size_ = 0;
  std::size_t scratch_size_ = 0;
};

}  // namespace anchorhold::train
