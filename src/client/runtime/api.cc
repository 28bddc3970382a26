// The functions of model.h (client/compile/model_header.cc writes it, and says what they do).
#include <cstring>

#include "client/runtime/workspace.h"
#include "trusted/dp/grid_numbers.h"
#include "trusted/kernels/float_mode.h"
#include "trusted/train/portable_math.h"

namespace anchorhold::runtime {
namespace {

// MODEL_OK and its like.
constexpr int kOk = 0;
constexpr int kNoKernels = 1;
constexpr int kBadLabel = 2;
constexpr int kWrongMode = 3;
constexpr int kBadArgument = 4;

int Sum(void* workspace, ImageMode needed, Request& request) {
  if (TheImage().mode != needed) return kWrongMode;
  if (!LabelsFit(request)) return kBadLabel;
  request.sums = true;
  Run(WorkspaceIn(workspace), request);
  return kOk;
}

// Fewer contributions than this keep the sum within 64 bits (dp/clip.h).
constexpr std::size_t kContributionsMax = std::size_t{1} << 32;

// Whether the grid is one of dp/clip.h's.
bool MakeGrid(double clip_norm, double noise_multiplier, dp::GridNumbers& grid) {
  if (!dp::NormIsWithinLimits(clip_norm) || !dp::NoiseIsWithinLimits(noise_multiplier)) {
    return false;
  }
  grid = dp::GridNumbersAt(dp::kNoiseScaleLog2, noise_multiplier, clip_norm,
                           TheImage().parameter_count);
  return grid.usable();
}

}  // namespace
}  // namespace anchorhold::runtime

namespace runtime = anchorhold::runtime;

#pragma GCC visibility push(default)
extern "C" {

std::size_t model_workspace_bytes() { return runtime::WorkspaceBytes(); }

int model_open(void* workspace) {
  const auto best = anchorhold::simd::DetectBestTarget();
  return runtime::OpenWorkspace(workspace, best) ? runtime::kOk : runtime::kNoKernels;
}

int model_open_with(void* workspace, int instructions) {
  using anchorhold::simd::Target;
  static_assert(static_cast<int>(Target::kSse4) == 1 && static_cast<int>(Target::kNeon) == 2);
  static_assert(static_cast<int>(Target::kAvx2) == 3 && static_cast<int>(Target::kAvx512) == 4);
  if (instructions < 1 || instructions > 4) return runtime::kNoKernels;
  const auto target = static_cast<Target>(instructions);
  return runtime::OpenWorkspace(workspace, target) ? runtime::kOk : runtime::kNoKernels;
}

void model_init_parameters(float* parameters) {
  const auto values = runtime::Entries(runtime::TheImage().parameters);
  std::memcpy(parameters, values.data(), values.size_bytes());
}

int model_forward(void* workspace, const float* parameters, std::size_t examples,
                  const float* inputs, float* results) {
  runtime::Request request;
  request.parameters = parameters;
  request.examples = examples;
  request.inputs = inputs;
  request.results = results;
  runtime::Run(runtime::WorkspaceIn(workspace), request);
  return runtime::kOk;
}

int model_loss_and_gradient_sum(void* workspace, const float* parameters, std::size_t examples,
                                const float* inputs, const void* labels, float* losses,
                                float* gradient_sum) {
  runtime::Request request;
  request.parameters = parameters;
  request.examples = examples;
  request.inputs = inputs;
  request.labels = labels;
  request.losses = losses;
  request.target.reals = gradient_sum;
  return runtime::Sum(workspace, runtime::ImageMode::kTrain, request);
}

int model_clipped_gradient_sum(void* workspace, const float* parameters, std::size_t examples,
                               const float* inputs, const void* labels, double clip_norm,
                               double noise_multiplier, float* losses, float* norms,
                               std::int64_t* gradient_sum) {
  anchorhold::dp::GridNumbers grid;
  if (runtime::TheImage().mode != runtime::ImageMode::kPrivateTrain) return runtime::kWrongMode;
  if (!runtime::MakeGrid(clip_norm, noise_multiplier, grid)) return runtime::kBadArgument;
  if (examples >= runtime::kContributionsMax) return runtime::kBadArgument;
  anchorhold::engine::Clipping clipping;
  clipping.kind = runtime::TheImage().clipping;
  clipping.bound = grid.aim;
  clipping.unit = 1 / grid.granularity;
  runtime::Request request;
  request.parameters = parameters;
  request.examples = examples;
  request.inputs = inputs;
  request.labels = labels;
  request.losses = losses;
  request.norms = norms;
  request.clipping = &clipping;
  request.target.grid = runtime::WorkspaceIn(workspace).grid;
  request.target.total = gradient_sum;
  request.target.capacity = grid.capacity;
  request.target.squares_max = grid.squares_max;
  return runtime::Sum(workspace, runtime::ImageMode::kPrivateTrain, request);
}

int model_release(const std::int64_t* noised_sum, double clip_norm, double noise_multiplier,
                  double expected_examples, float* gradient) {
  anchorhold::dp::GridNumbers grid;
  if (runtime::TheImage().mode != runtime::ImageMode::kPrivateTrain) return runtime::kWrongMode;
  if (!runtime::MakeGrid(clip_norm, noise_multiplier, grid)) return runtime::kBadArgument;
  if (!(expected_examples > 0) || !__builtin_isfinite(expected_examples)) {
    return runtime::kBadArgument;
  }
  const double unit = grid.granularity / expected_examples;
  for (std::size_t i = 0; i < runtime::TheImage().parameter_count; ++i) {
    gradient[i] = static_cast<float>(static_cast<double>(noised_sum[i]) * unit);
  }
  return runtime::kOk;
}

void model_sgd_step(void* workspace, float* parameters, const float* gradient, double learning_rate,
                    double weight_decay, double momentum, float* velocity) {
  const anchorhold::kernels::FlushSubnormals flush;
  anchorhold::simd::SumKernels::Update update;
  update.rate = learning_rate;
  update.decay = weight_decay;
  update.momentum = velocity == nullptr ? 0 : momentum;
  runtime::WorkspaceIn(workspace).kernels.sums->sgd(update, runtime::TheImage().parameter_count,
                                                    gradient, parameters, velocity);
}

void model_adamw_step(void* workspace, float* parameters, const float* gradient,
                      double learning_rate, double beta1, double beta2, double epsilon,
                      double weight_decay, unsigned long long step, float* first, float* second) {
  const anchorhold::kernels::FlushSubnormals flush;
  anchorhold::simd::SumKernels::Update update;
  update.rate = learning_rate;
  update.decay = weight_decay;
  update.beta1 = beta1;
  update.beta2 = beta2;
  update.epsilon = epsilon;
  update.first_correction = 1 - anchorhold::train::PowerOf(beta1, step);
  update.second_correction = 1 - anchorhold::train::PowerOf(beta2, step);
  runtime::WorkspaceIn(workspace).kernels.sums->adam(
      update, true, runtime::TheImage().parameter_count, gradient, parameters, first, second);
}

}  // extern "C"
#pragma GCC visibility pop
