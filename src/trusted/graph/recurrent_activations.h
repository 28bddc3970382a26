// The activations that LSTM, GRU and RNN name in their attribute `activations`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "trusted/graph/emitter.h"

namespace anchorhold::graph {

struct ActivationKind;

// One activation with its numbers: y = f(clip(x)).
struct Activation {
  const ActivationKind* kind = nullptr;
  double alpha = 0;
  double beta = 0;
};

// The attributes `activations`, `activation_alpha` and `activation_beta`: `defaults` names those of
// one direction. The lists of numbers are consumed in the order of the activations that take one;
// the operator's own default stands for a number that is missing. kInvalidInput for another count.
Result<std::vector<Activation>> ReadActivations(NodeContext& node,
                                                const std::vector<std::string_view>& defaults,
                                                std::size_t directions);

ValueId EmitActivation(Emitter& emit, const Activation& activation, ValueId x);

}  // namespace anchorhold::graph
