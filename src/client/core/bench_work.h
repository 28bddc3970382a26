// How much arithmetic a model takes, counted on its graph.
#pragma once

#include "shared/base/result.h"
#include "trusted/graph/model.h"
#include "trusted/train/loss.h"

namespace anchorhold::client {

// Multiply-adds of the matrix products and convolutions of one example, places in a convolution's
// padding included. Everything else (normalisations, activations, clipping, noise) counts nothing.
double ForwardMultiplyAdds(const graph::Model& model);
// The same with what the gradients of all parameters take, as autodiff writes it: no gradient of
// the inputs. Errors: those of train::MakeTrainingGoal.
Result<double> TrainingMultiplyAdds(const graph::Model& model, const train::LossOptions& loss);

}  // namespace anchorhold::client
