// The image of a compiled model: what `anchorhold model compile` writes into libmodel.a, and the
// freestanding runtime reads. One block of bytes without pointers: an Image, then the tables that
// it tells the places of. Both sides are of one build, so the program's own types lie in it as they
// are, with zeros between their fields.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/engine/group_sums.h"
#include "trusted/train/loss_formulas.h"

namespace anchorhold::runtime {

inline constexpr std::size_t kImageAlignment = 64;

template <typename T>
struct Table {
  std::uint64_t offset = 0;  // bytes from the image's beginning
  std::uint64_t count = 0;   // of T
};

enum class ImageMode : std::uint32_t { kInfer = 0, kTrain = 1, kPrivateTrain = 2 };

struct InputPlan {
  std::uint32_t real = 1;  // else int64
  std::uint32_t used = 0;
  engine::Operand operand;
};

// A loss's options (train/loss_formulas.h).
struct LossPlan {
  train::Loss kind = train::Loss::kMeanSquaredError;
  bool ignores = false;
  std::int64_t ignored = 0;
  double label_smoothing = 0;
  double huber_delta = 1;
  Table<double> weights;  // of classes, or of positive labels
};

struct Image {
  ImageMode mode = ImageMode::kInfer;
  engine::ClippingKind clipping = engine::ClippingKind::kFlat;
  std::uint64_t group = 1;  // examples worked on at a time
  std::uint64_t parameter_count = 0;
  std::uint64_t input_width = 0;  // numbers of one example
  std::uint64_t label_width = 0;
  std::uint64_t arena_bytes = 0;
  std::uint64_t shared_bytes = 0;
  LossPlan loss;
  engine::Operand result;
  engine::Operand seed;

  Table<engine::Step> prologue;
  Table<engine::Step> forward;
  Table<engine::Step> backward;
  Table<engine::Points> points;
  Table<simd::PointInput> point_inputs;
  Table<engine::Operand> point_operands;
  Table<simd::PointInstruction> instructions;
  Table<std::uint8_t> output_registers;
  Table<engine::Operand> output_operands;
  Table<InputPlan> inputs;
  Table<engine::GradientSum> sums;  // by parameter tensor
  Table<float> reals;
  Table<std::int64_t> integers;
  Table<std::uint8_t> shared;  // what the shared memory begins with; may be empty
  Table<float> parameters;     // initial ones
};

}  // namespace anchorhold::runtime
