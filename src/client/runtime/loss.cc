// The model's loss: train/loss_formulas.h without a standard library.
#include "client/runtime/workspace.h"
#include "trusted/train/portable_math.h"

namespace anchorhold::runtime {
namespace {

train::LossTerms TermsOf(const LossPlan& plan) {
  train::LossTerms terms;
  terms.kind = plan.kind;
  const bool classes = plan.kind == train::Loss::kCrossEntropy;
  (classes ? terms.class_weights : terms.positive_weights) = Entries(plan.weights);
  terms.label_smoothing = plan.label_smoothing;
  terms.ignores = plan.ignores;
  terms.ignored = plan.ignored;
  terms.huber_delta = plan.huber_delta;
  return terms;
}

}  // namespace

bool LabelsFit(const Request& request) {
  const Image& image = TheImage();
  const std::size_t count = request.examples * image.label_width;
  const train::LossTerms terms = TermsOf(image.loss);
  if (terms.kind == train::Loss::kCrossEntropy) {
    const auto* labels = static_cast<const std::int64_t*>(request.labels);
    const auto classes = static_cast<std::int64_t>(image.result.size / image.label_width);
    for (std::size_t i = 0; i < count; ++i) {
      if (!terms.Ignores(labels[i]) && (labels[i] < 0 || labels[i] >= classes)) return false;
    }
  } else if (terms.kind == train::Loss::kBinaryCrossEntropy) {
    const auto* labels = static_cast<const float*>(request.labels);
    for (std::size_t i = 0; i < count; ++i) {
      if (labels[i] != 0 && labels[i] != 1) return false;
    }
  }
  return true;
}

void SeedGroup(Workspace& workspace, const Request& request, std::size_t first) {
  const Image& image = TheImage();
  const train::LossTerms terms = TermsOf(image.loss);
  const engine::Frame& frame = workspace.group.frame;
  const std::size_t width = image.label_width;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const std::span<const float> z{engine::Reals(image.result, frame, e), image.result.size};
    const std::span<float> seed{engine::Reals(image.seed, frame, e), image.seed.size};
    const std::size_t at = (first + e) * width;
    float loss = 0;
    if (terms.kind == train::Loss::kCrossEntropy) {
      const std::span labels(static_cast<const std::int64_t*>(request.labels) + at, width);
      loss = train::CrossEntropyOf<train::PortableMath>(terms, z, labels, seed);
    } else {
      const std::span targets(static_cast<const float*>(request.labels) + at, width);
      loss = train::TargetLossOf<train::PortableMath>(terms, z, targets, seed);
    }
    if (request.losses != nullptr) request.losses[first + e] = loss;
  }
}

}  // namespace anchorhold::runtime
