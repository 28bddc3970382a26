// From a lowered program to the image that client/runtime/image.h describes.
#pragma once

#include <optional>
#include <vector>

#include "shared/base/bytes.h"
#include "trusted/engine/lowering.h"
#include "trusted/engine/plan.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

struct ImageSource {
  engine::Mode mode = engine::Mode::kInference;
  engine::ClippingKind clipping = engine::ClippingKind::kFlat;
  const engine::LoweredProgram& program;
  std::size_t label_width = 0;               // numbers of one example; 0: no loss
  const train::LossOptions* loss = nullptr;  // null: no loss
  std::vector<float> parameters;
};

// The same source gives the same bytes. kUnsupported, naming the primitives, if a step needs the
// reference kernels: the program is for fast ones, and a compiled model carries no others. What
// such kernels compute from constants alone is computed here.
Result<Bytes> BuildImage(const ImageSource& source);

}  // namespace anchorhold::client
