// The text of model.h: a compiled model's C interface and its documentation.
#pragma once

#include <string>

#include "trusted/engine/plan.h"
#include "trusted/graph/model.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

struct HeaderFacts {
  const graph::Model& model;
  engine::Mode mode = engine::Mode::kInference;
  engine::ClippingKind clipping = engine::ClippingKind::kFlat;  // of private training
  const train::LossOptions* loss = nullptr;                     // null for inference
  std::size_t results = 0;                                      // numbers of one example
  std::size_t labels = 0;
  std::size_t group = 1;
};

std::string ModelHeader(const HeaderFacts& facts);

}  // namespace anchorhold::client
