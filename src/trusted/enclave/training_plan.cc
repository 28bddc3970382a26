#include "trusted/enclave/training_plan.h"

#include <set>

#include "shared/base/limits.h"
#include "shared/crypto/hash.h"
#include "trusted/dp/calibrate.h"
#include "trusted/dp/clip.h"
#include "trusted/dp/rdp.h"
#include "trusted/enclave/training_options.h"
#include "trusted/graph/freeze.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;

// What a result message holds beside the numbers of the weights: names, shapes, the receipt.
constexpr std::size_t kResultOverheadMax = limits::kMiB;

Result<std::vector<ledger::DatasetRecord>> FindDatasets(const ledger::Ledger& ledger,
                                                        const proto::Train& request) {
  if (request.datasets().empty()) return InvalidInput("a job needs at least one dataset");
  if (static_cast<std::size_t>(request.datasets_size()) > limits::kDatasetsPerJobMax) {
    return LimitExceeded("a job may use at most " + std::to_string(limits::kDatasetsPerJobMax) +
                         " datasets");
  }
  std::vector<ledger::DatasetRecord> datasets;
  std::set<std::string> seen;
  for (const std::string& name : request.datasets()) {
    AH_RETURN_IF_ERROR(wire::CheckName(name));
    if (!seen.insert(name).second) return InvalidInput("dataset '" + name + "' is named twice");
    AH_ASSIGN_OR_RETURN(ledger::DatasetRecord dataset, ledger.FindDataset(name));
    datasets.push_back(std::move(dataset));
  }
  return datasets;
}

Status CheckDelta(double delta, const ledger::DatasetRecord& dataset) {
  const auto rows = static_cast<double>(dataset.contract.public_rows);
  if (delta < 1 / rows) return Ok();
  return PrivacyRefused("delta must be below 1/n: dataset '" + dataset.name +
                        "' has n = " + std::to_string(dataset.contract.public_rows) +
                        " rows, and delta is " + dp::NumberText(delta));
}

Result<train::PrivateTraining> ReadTraining(const proto::TrainingOptions& options,
                                            const std::vector<ledger::DatasetRecord>& datasets) {
  AH_RETURN_IF_ERROR(dp::ValidateEpsilon(Epsilon(options.epsilon())));
  AH_RETURN_IF_ERROR(dp::ValidateDelta(Delta(options.delta())));
  train::PrivateTraining training{
      .sampling_probability = SamplingProbability(options.sampling_probability()),
      .noise_multiplier = {},
      .max_grad_norm = MaxGradNorm(options.max_grad_norm()),
      .steps = options.steps(),
      .public_rows = 0};
  AH_RETURN_IF_ERROR(dp::ValidateSamplingProbability(training.sampling_probability));
  AH_RETURN_IF_ERROR(dp::ValidateSteps(training.steps));
  for (const ledger::DatasetRecord& dataset : datasets) {
    AH_RETURN_IF_ERROR(CheckDelta(options.delta(), dataset));
    training.public_rows += dataset.contract.public_rows;
  }
  if (training.public_rows > limits::kPooledRowsMax) {
    return LimitExceeded("the datasets have " + std::to_string(training.public_rows) +
                         " rows together; a job takes at most " +
                         std::to_string(limits::kPooledRowsMax));
  }
  return training;
}

// Two rows as the schema describes them: what CheckFits needs to judge shapes and labels without
// any private row, so that no private row can fail it afterwards. They have the two highest
// classes, for one may be ignored; a target from a range is a number like any other, so it is one
// that no loss takes for a label of 0 or 1.
Result<train::ExampleSet> ShapeOf(const wire::Schema& schema) {
  train::ExampleSet shape;
  shape.rows = 2;
  shape.feature_width = schema.feature_count();
  shape.features.assign(2 * shape.feature_width, 0.0F);
  const wire::Column* label = schema.label();
  if (label == nullptr) return InvalidInput("has no label column to learn");
  if (!label->classes.empty()) {
    const auto classes = static_cast<std::int64_t>(label->classes.size());
    shape.classes = {classes - 1, classes - 2};
  } else {
    shape.target_width = 1;
    shape.targets = {0.5F, 0.5F};
  }
  return shape;
}

Status CheckModel(const graph::Model& model, const train::LossOptions& loss,
                  const std::vector<ledger::DatasetRecord>& datasets) {
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  AH_RETURN_IF_ERROR(train::TrainingEngine::Check(model, loss, options));
  for (const ledger::DatasetRecord& dataset : datasets) {
    const std::string where = "dataset '" + dataset.name + "'";
    const auto shape = ShapeOf(dataset.schema);
    if (!shape.ok()) return shape.error().At(where);
    const Status fits = train::CheckFits(model, loss, *shape);
    if (!fits.ok()) return fits.error().At(where);
  }
  std::size_t result_bytes = kResultOverheadMax;
  std::set<std::string_view> names;
  for (const graph::Parameter& parameter : model.parameters()) {
    if (!names.insert(parameter.name).second) {
      return InvalidInput("model: two parameters have the same name");
    }
    result_bytes += parameter.values.size() * sizeof(float) + 2 * parameter.name.size();
  }
  if (result_bytes <= limits::kMessageBytesMax) return Ok();
  return LimitExceeded("model: its weights would not fit in a result of at most " +
                       std::to_string(limits::kMessageBytesMax - kResultOverheadMax) + " bytes");
}

Status Calibrate(const proto::TrainingOptions& options, TrainingPlan& plan) {
  AH_ASSIGN_OR_RETURN(
      plan.training.noise_multiplier,
      dp::CalibrateNoise({.sampling_probability = plan.training.sampling_probability,
                          .steps = plan.training.steps,
                          .epsilon = Epsilon(options.epsilon()),
                          .delta = Delta(options.delta())}));
  // The trainer's own checks of clipping norm and noise, before anything is reserved.
  AH_ASSIGN_OR_RETURN(const dp::ClipGrid grid, dp::ClipGrid::Create(plan.training.noise_multiplier,
                                                                    plan.training.max_grad_norm,
                                                                    plan.model->parameter_count()));
  static_cast<void>(grid);
  const dp::PoissonSampledGaussian event{.sampling_probability = plan.training.sampling_probability,
                                         .noise_multiplier = plan.training.noise_multiplier,
                                         .steps = plan.training.steps};
  AH_ASSIGN_OR_RETURN(const Epsilon cost, dp::EpsilonOf(event, Delta(options.delta())));
  proto::TrainingTerms& terms = plan.request.terms;
  WriteTerms(options, terms);
  terms.set_max_grad_norm(options.max_grad_norm());
  terms.set_sampling_probability(options.sampling_probability());
  terms.set_noise_multiplier(plan.training.noise_multiplier.value());
  terms.set_steps(options.steps());
  terms.set_epsilon(cost.value());
  terms.set_delta(options.delta());
  return Ok();
}

}  // namespace

Result<TrainingPlan> PlanTraining(const ledger::Ledger& ledger,
                                  const crypto::Ed25519PublicKey& researcher,
                                  const proto::Train& request) {
  TrainingPlan plan;
  AH_ASSIGN_OR_RETURN(plan.datasets, FindDatasets(ledger, request));
  AH_ASSIGN_OR_RETURN(plan.config, ReadTrainerConfig(request.options()));
  AH_ASSIGN_OR_RETURN(plan.training, ReadTraining(request.options(), plan.datasets));
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> frozen, ReadFrozen(request.options()));
  AH_ASSIGN_OR_RETURN(graph::Model model, graph::ImportOnnx(AsBytes(request.model())));
  if (!frozen.empty()) {
    AH_ASSIGN_OR_RETURN(model, graph::Freeze(model, frozen));
  }
  AH_RETURN_IF_ERROR(CheckModel(model, plan.config.loss, plan.datasets));
  plan.model = std::make_shared<const graph::Model>(std::move(model));
  plan.request.researcher = researcher;
  plan.request.model_sha256 = crypto::Sha256(AsBytes(request.model()));
  for (const std::string& name : request.datasets()) plan.request.datasets.push_back(name);
  AH_RETURN_IF_ERROR(Calibrate(request.options(), plan));
  return plan;
}

}  // namespace anchorhold::enclave
