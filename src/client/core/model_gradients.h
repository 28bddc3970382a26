// What a step of private training adds up before the noise, computed on rows of one's own:
//
//   sum over examples of s_i g_i,     g_i the gradient of example i's loss
//
// with s_i = 1, or the factor of a clipping to C (engine::ClippingKind has the formulas: flat is
// min(1, C / |g_i|)), and the norms |g_i|. What runs is the enclave's engine, which there also
// rounds each s_i g_i to a grid. Not private: for comparing and for choosing C.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/core/model_inputs.h"
#include "trusted/train/executor.h"
#include "trusted/train/step.h"

namespace anchorhold::client {

inline constexpr const char* kNormsName = "per_example_norms";

struct GradientSums {
  std::size_t rows = 0;
  double mean_loss = 0;
  std::vector<float> sums;             // flat, as train::Executor's
  std::vector<float> norms;            // [rows], before clipping, over all parameters together
  std::string clipping;                // its name; empty without
  std::optional<std::size_t> clipped;  // flat clipping: rows whose norm is above C
};

struct GradientOptions {
  std::optional<double> max_grad_norm{};  // C; none: gradients as they are
  train::Clipping clipping = train::Clipping::kFlat;
  // The threads to work on, which do not change a result; none: the caller's alone.
  std::shared_ptr<engine::ThreadPool> pool{};
};

// Rows along axis 0 of every input and of the target; other axes as the model's. Under
// cross-entropy the target is integers [rows] or [rows, positions..]; otherwise reals [rows, ..],
// for binary cross-entropy integers or truth values too. kInvalidInput where files and model
// disagree.
Result<train::ExampleSet> AsExamples(const graph::Model& model, train::Loss loss,
                                     const NamedArrays& inputs, const Array& target);

// The model with these numbers, flat as train::Executor's, for its parameters.
graph::Model WithParameters(const graph::Model& model, std::span<const float> parameters);

// Errors: those of train::CheckFits and train::TrainingEngine; kInvalidInput if a gradient is not
// finite. Precondition: parameters.size() == model.parameter_count().
Result<GradientSums> SumGradients(const graph::Model& model, const train::LossOptions& loss,
                                  const train::ExampleSet& examples,
                                  const std::vector<float>& parameters, const GradientOptions& how);

// Safetensors: the sum for each parameter, under its name, and the norms as kNormsName.
// kInvalidInput if a parameter has that name.
Result<Bytes> SerializeGradients(const graph::Model& model, const GradientSums& sums);

}  // namespace anchorhold::client
