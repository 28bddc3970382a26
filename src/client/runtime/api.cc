// The functions of model.h (client/compile/model_header.cc writes it, and says what they do).
#include <cstring>

#include "client/runtime/workspace.h"
#include "trusted/kernels/float_mode.h"

namespace anchorhold::runtime {
namespace {

// MODEL_OK and its like.
constexpr int kOk = 0;
constexpr int kNoKernels = 1;
constexpr int kBadLabel = 2;
constexpr int kWrongMode = 3;
constexpr int kBadArgument = 4;

int Sum(void* workspace, Request& request) {
  const Image& image = TheImage();
  const ImageMode needed = request.clips ? ImageMode::kPrivateTrain : ImageMode::kTrain;
  if (image.mode != needed) return kWrongMode;
  if (!LabelsFit(request)) return kBadLabel;
  Run(WorkspaceIn(workspace), request);
  return kOk;
}

double Power(double base, unsigned long long exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
  }
  return result;
}

}  // namespace
}  // namespace anchorhold::runtime

namespace runtime = anchorhold::runtime;

#pragma GCC visibility push(default)
extern "C" {

std::size_t model_workspace_bytes() { return runtime::WorkspaceBytes(); }

int model_open(void* workspace) {
  return runtime::OpenWorkspace(workspace) ? runtime::kOk : runtime::kNoKernels;
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
  request.sum = gradient_sum;
  return runtime::Sum(workspace, request);
}

int model_clipped_gradient_sum(void* workspace, const float* parameters, std::size_t examples,
                               const float* inputs, const void* labels, double clip_norm,
                               float* losses, float* norms, float* gradient_sum) {
  if (!(clip_norm > 0) || !__builtin_isfinite(clip_norm)) return runtime::kBadArgument;
  runtime::Request request;
  request.parameters = parameters;
  request.examples = examples;
  request.inputs = inputs;
  request.labels = labels;
  request.losses = losses;
  request.clips = true;
  request.bound = clip_norm;
  request.norms = norms;
  request.sum = gradient_sum;
  return runtime::Sum(workspace, request);
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
  update.first_correction = 1 - runtime::Power(beta1, step);
  update.second_correction = 1 - runtime::Power(beta2, step);
  runtime::WorkspaceIn(workspace).kernels.sums->adam(
      update, true, runtime::TheImage().parameter_count, gradient, parameters, first, second);
}

}  // extern "C"
#pragma GCC visibility pop
