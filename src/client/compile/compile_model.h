// `anchorhold model compile`: a model as a static library and a C header, for programs that have
// neither Anchorhold nor, beyond memcpy, memset and memmove, a standard library.
#pragma once

#include <string>

#include "shared/base/bytes.h"
#include "trusted/engine/plan.h"
#include "trusted/graph/model.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

struct CompileOptions {
  engine::Mode mode = engine::Mode::kInference;
  train::LossOptions loss = train::Loss::kMeanSquaredError;     // not read for inference
  engine::ClippingKind clipping = engine::ClippingKind::kFlat;  // read for private training
  std::size_t batch = 64;  // examples of a call, about: how many are worked on together
};

struct CompiledModel {
  Bytes library;       // libmodel.a
  std::string header;  // model.h
  engine::PlanReport plan;
};

// Errors: those of planning the model; kUnsupported, naming them, if operators of it need the
// reference kernels, or if this machine's processor has no others; kLimitExceeded beyond 1 GiB.
Result<CompiledModel> CompileModel(const graph::Model& model, const CompileOptions& options);

}  // namespace anchorhold::client
