#include "trusted/train/step.h"

#include <algorithm>
#include <string>
#include <utility>

#include "shared/base/check.h"
#include "trusted/engine/pieces.h"

namespace anchorhold::train {
namespace {

Result<TrainingEngine> MakeEngine(const graph::Model& model, const LossOptions& loss,
                                  engine::Mode mode, const StepOptions& options) {
  engine::EngineOptions engine = options.engine;
  engine.mode = mode;
  engine.batch = options.batch;
  return TrainingEngine::Create(model, loss, engine, options.pool);
}

// What is noised and applied at a time: noise and gradient stay in the second-level cache, and no
// tile lies in two pieces.
constexpr std::size_t kTile = engine::kPieceMin;

struct Tile {
  std::size_t thread = 0;
  std::size_t piece = 0;  // which one of engine/pieces.h
  std::size_t begin = 0;
  std::size_t size = 0;
};

// Calls work(tile) for tiles that cover [0, total) once, those of a piece in their order.
template <typename Work>
void ForTiles(engine::ThreadPool& pool, std::size_t total, const Work& work) {
  const std::size_t piece = engine::PieceSize(total);
  const std::size_t block = engine::BlockSize(total, pool.threads());
  pool.Run([&](std::size_t k) {
    const std::size_t end = std::min(total, (k + 1) * block);
    for (std::size_t at = k * block; at < end; at += kTile) {
      work(Tile{k, at / piece, at, std::min(kTile, end - at)});
    }
  });
}

}  // namespace

PlainStep::PlainStep(TrainingEngine engine, Optimizer optimizer)
    : engine_(std::move(engine)),
      optimizer_(std::move(optimizer)),
      gradient_(engine_.parameter_count()) {}

Result<PlainStep> PlainStep::Create(const graph::Model& model, const LossOptions& loss,
                                    const OptimizerConfig& optimizer, const StepOptions& options) {
  AH_ASSIGN_OR_RETURN(TrainingEngine engine,
                      MakeEngine(model, loss, engine::Mode::kTraining, options));
  AH_ASSIGN_OR_RETURN(Optimizer made, Optimizer::Create(optimizer, engine.parameter_count()));
  return PlainStep(std::move(engine), std::move(made));
}

double PlainStep::Run(std::span<const BatchRow> rows, double learning_rate,
                      std::span<float> parameters) {
  AH_CHECK(!rows.empty());
  losses_.resize(rows.size());
  engine::SumTarget target;
  target.reals = gradient_.data();
  engine::StepResults results;
  results.losses = losses_;
  engine_.SumGradients(parameters, rows, target, results);
  const double count = static_cast<double>(rows.size());
  const auto share = static_cast<float>(1 / count);
  optimizer_.Begin();
  ForTiles(engine_.pool(), gradient_.size(), [&](const Tile& tile) {
    optimizer_.Update(tile.begin, parameters.subspan(tile.begin, tile.size),
                      std::span(gradient_).subspan(tile.begin, tile.size), learning_rate, share);
  });
  double total = 0;
  for (const float loss : losses_) total += loss;
  return total / count;
}

PrivateStep::PrivateStep(TrainingEngine engine, Optimizer optimizer, Clipping clipping,
                         const dp::ClipGrid& grid)
    : engine_(std::move(engine)),
      optimizer_(std::move(optimizer)),
      clipping_(clipping),
      sum_(grid),
      scratch_(engine_.pool().threads()) {
  for (Scratch& scratch : scratch_) {
    scratch.noise.resize(kTile);
    scratch.gradient.resize(kTile);
  }
}

Result<PrivateStep> PrivateStep::Create(const graph::Model& model, const LossOptions& loss,
                                        const OptimizerConfig& optimizer, Clipping clipping,
                                        NoiseMultiplier noise_multiplier, MaxGradNorm max_grad_norm,
                                        const StepOptions& options) {
  AH_ASSIGN_OR_RETURN(const dp::ClipGrid grid,
                      dp::ClipGrid::Create(noise_multiplier, max_grad_norm, model.parameter_count(),
                                           options.batch));
  AH_ASSIGN_OR_RETURN(TrainingEngine engine,
                      MakeEngine(model, loss, engine::Mode::kPrivateTraining, options));
  AH_ASSIGN_OR_RETURN(Optimizer made, Optimizer::Create(optimizer, engine.parameter_count()));
  return PrivateStep(std::move(engine), std::move(made), clipping, grid);
}

void PrivateStep::Run(std::span<const BatchRow> rows, double expected_batch_size,
                      crypto::RandomSource& noise, double learning_rate,
                      std::span<float> parameters) {
  const dp::ClipGrid& grid = sum_.grid();
  engine::Clipping clipping;
  clipping.kind = KindOf(clipping_);
  clipping.bound = grid.aim();
  clipping.unit = 1 / grid.granularity();
  sum_.Prepare(rows.size());
  engine::SumTarget target;
  target.grid = sum_.sums();
  target.total = sum_.totals();
  target.capacity = sum_.capacity();
  target.squares_max = grid.squares_max();
  engine_.SumClipped(parameters, rows, clipping, target);
  Release(expected_batch_size, noise, learning_rate, parameters);
}

void PrivateStep::Release(double expected_batch_size, crypto::RandomSource& noise,
                          double learning_rate, std::span<float> parameters) {
  const std::size_t total = parameters.size();
  std::vector<std::unique_ptr<crypto::BranchedRandom>> branches;
  for (std::size_t begin = 0; begin < total; begin += engine::PieceSize(total)) {
    branches.push_back(std::make_unique<crypto::BranchedRandom>(noise));
  }
  optimizer_.Begin();
  ForTiles(engine_.pool(), total, [&](const Tile& tile) {
    Scratch& scratch = scratch_[tile.thread];
    const std::span<float> gradient = std::span(scratch.gradient).first(tile.size);
    sum_.TakeNoised(tile.begin, *branches[tile.piece], expected_batch_size,
                    std::span(scratch.noise).first(tile.size), gradient,
                    parameters.data() + tile.begin);
    optimizer_.Update(tile.begin, parameters.subspan(tile.begin, tile.size), gradient,
                      learning_rate);
  });
}

engine::ClippingKind KindOf(Clipping clipping) {
  switch (clipping) {
    case Clipping::kFlat:
      break;
    case Clipping::kPerLayer:
      return engine::ClippingKind::kPerLayer;
    case Clipping::kAutomatic:
      return engine::ClippingKind::kAutomatic;
  }
  return engine::ClippingKind::kFlat;
}

std::string_view ClippingName(Clipping clipping) {
  switch (clipping) {
    case Clipping::kFlat:
      break;
    case Clipping::kPerLayer:
      return "per-layer";
    case Clipping::kAutomatic:
      return "automatic";
  }
  return "flat";
}

Result<Clipping> ParseClipping(std::string_view name) {
  for (const Clipping clipping : {Clipping::kFlat, Clipping::kPerLayer, Clipping::kAutomatic}) {
    if (name == ClippingName(clipping)) return clipping;
  }
  return InvalidInput("unknown clipping '" + std::string(name) +
                      "'; there are flat, per-layer and automatic");
}

}  // namespace anchorhold::train
