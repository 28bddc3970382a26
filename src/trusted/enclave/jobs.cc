#include "trusted/enclave/jobs.h"

#include <chrono>
#include <cstring>

#include "shared/attest/evidence.h"
#include "shared/base/limits.h"
#include "shared/wire/safetensors.h"
#include "trusted/dp/rdp.h"
#include "trusted/vault/dataset.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;

// Progress is told at most this often, by the clock and not by the step.
constexpr std::chrono::milliseconds kReportEvery{50};

void SetBytes(std::string* field, ByteSpan bytes) { *field = CopyText(bytes); }

// Public numbers only: the terms, how many steps are done, and what follows from them.
proto::JobProgress ProgressOf(ledger::JobId job, const TrainingPlan& plan, std::uint64_t steps,
                              Epsilon spent) {
  const double epochs = static_cast<double>(steps) * plan.training.sampling_probability.value();
  proto::JobProgress progress;
  progress.set_job(job.value());
  progress.set_steps_done(steps);
  progress.set_steps(plan.training.steps);
  progress.set_epochs_done(epochs);
  progress.set_epsilon_spent(spent.value());
  progress.set_examples_done(
      static_cast<std::uint64_t>(epochs * static_cast<double>(plan.training.public_rows)));
  return progress;
}

// The weights' file: the model's parameters, in its order, under their ONNX names.
Bytes WeightsFile(const graph::Model& model, const std::vector<float>& parameters) {
  wire::Safetensors file;
  const ByteSpan all = std::as_bytes(std::span<const float>(parameters));
  std::size_t offset = 0;
  for (const graph::Parameter& parameter : model.parameters()) {
    const std::size_t size = parameter.values.size() * sizeof(float);
    file.tensors.push_back({.name = parameter.name,
                            .type = wire::TensorType::kF32,
                            .shape = parameter.shape,
                            .data = all.subspan(offset, size)});
    offset += size;
  }
  return wire::WriteSafetensors(file);
}

}  // namespace

proto::Response ErrorResponse(const Error& error) {
  proto::Response response;
  response.mutable_error()->set_code(static_cast<std::uint32_t>(error.code()));
  response.mutable_error()->set_message(error.message());
  return response;
}

Result<proto::JobProgress> Jobs::Submit(const crypto::Ed25519PublicKey& researcher,
                                        const proto::Train& request) {
  {
    const std::lock_guard lock(mutex_);
    if (live_.size() >= limits::kQueuedJobsMax) {
      return Unavailable("too many jobs are waiting; come back later");
    }
  }
  std::size_t own = 0;
  for (const auto& job : setup_.ledger->JobsOf(researcher)) own += LatestOf(job.id) ? 1 : 0;
  if (own >= limits::kQueuedJobsPerKeyMax) {
    return Unavailable(std::to_string(own) + " of your jobs are waiting; come back later");
  }
  AH_ASSIGN_OR_RETURN(TrainingPlan made, PlanTraining(*setup_.ledger, researcher, request));
  const auto plan = std::make_shared<const TrainingPlan>(std::move(made));
  AH_ASSIGN_OR_RETURN(const ledger::JobId job, setup_.ledger->Reserve(plan->request));
  const Progress progress = ProgressOf(job, *plan, 0, Epsilon(0));
  {
    const std::lock_guard lock(mutex_);
    live_[job] = progress;
  }
  setup_.log->Info("job reserved", {{"job", job.value()},
                                    {"datasets", plan->datasets.size()},
                                    {"steps", plan->training.steps},
                                    {"researcher", crypto::FingerprintOf(researcher)}});
  setup_.worker->Post([this, job, plan] { Run(job, *plan); });
  return progress;
}

std::optional<proto::JobProgress> Jobs::LatestOf(ledger::JobId job) const {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(job);
  if (found == live_.end()) return std::nullopt;
  return found->second;
}

Result<proto::Response> Jobs::Look(const crypto::Ed25519PublicKey& researcher, ledger::JobId job) {
  const std::string name = "job " + std::to_string(job.value());
  // In this order: a job leaves live_ only after the ledger knows how it ended, and its last update
  // is published only after that. So a job that is live here has an update to come.
  const std::optional<Progress> latest = LatestOf(job);
  const auto record = setup_.ledger->FindJob(job);
  if (!record.ok() || record->request.researcher != researcher) {
    return NotFound(name + ": none of yours; list them with `anchorhold jobs`");
  }
  proto::Response response;
  if (record->state == ledger::JobState::kReleased && record->output_object.has_value()) {
    AH_ASSIGN_OR_RETURN(const Bytes weights,
                        vault::Open(*setup_.blobs, *setup_.sealing_key, wire::Content::kWeights,
                                    *record->output_object));
    AH_ASSIGN_OR_RETURN(*response.mutable_result(), ResultOf(job, weights));
    return response;
  }
  if (!latest) return Unavailable(name + " ended without a result; submit it again");
  *response.mutable_progress() = *latest;
  return response;
}

std::string Jobs::StateName(const ledger::JobRecord& job) const {
  switch (job.state) {
    case ledger::JobState::kReserved:
      return "reserved";
    case ledger::JobState::kCharged: {
      if (LatestOf(job.id)) return "running";
      // It may have been released since `job` was read: a job leaves live_ after the ledger knows.
      const auto now = setup_.ledger->FindJob(job.id);
      return now.ok() && now->state == ledger::JobState::kReleased ? "released" : "failed";
    }
    case ledger::JobState::kReleased:
      return "released";
    case ledger::JobState::kEnded:
      return "failed";
  }
  return "failed";
}

void Jobs::Report(const Progress& progress) {
  const ledger::JobId job(progress.job());
  {
    const std::lock_guard lock(mutex_);
    live_[job] = progress;
  }
  JobUpdate update{.job = job, .response = {}, .last = false};
  *update.response.mutable_progress() = progress;
  setup_.bulletin->Publish(std::move(update));
}

void Jobs::Run(ledger::JobId job, const TrainingPlan& plan) {
  auto result = TrainAndRelease(job, plan);
  JobUpdate update{.job = job, .response = {}, .last = true};
  if (result.ok()) {
    *update.response.mutable_result() = std::move(*result);
    setup_.log->Info("job released", {{"job", job.value()}});
  } else {
    const Status ended = setup_.ledger->End(job, result.error().code());
    setup_.log->Warning(
        "job failed",
        {{"job", job.value()}, {"code", result.error().code()}, {"written_down", ended.ok()}});
    update.response = ErrorResponse(result.error());
  }
  {
    const std::lock_guard lock(mutex_);
    live_.erase(job);
  }
  setup_.bulletin->Publish(std::move(update));
}

// The life of a job (trusted/ledger/ledger.h), in order: charged before the first private row is
// read, written down before its result leaves.
Result<proto::JobResult> Jobs::TrainAndRelease(ledger::JobId job, const TrainingPlan& plan) {
  AH_RETURN_IF_ERROR(setup_.ledger->Charge(job));
  setup_.log->Info("job charged", {{"job", job.value()}});
  AH_ASSIGN_OR_RETURN(const std::vector<train::ExampleSet> examples, OpenDatasets(plan));
  AH_ASSIGN_OR_RETURN(dp::Unreleased<std::vector<float>> parameters, TrainOn(job, plan, examples));
  dp::Unreleased<Bytes> file = std::move(parameters).Map([&plan](const std::vector<float>& values) {
    return WeightsFile(*plan.model, values);
  });
  const crypto::Sha256Digest sha256 = ledger::Ledger::HashOf(file);
  AH_ASSIGN_OR_RETURN(const wire::SealedObject sealed,
                      ledger::Ledger::SealFor(setup_.sealing_key->public_key(), file));
  AH_RETURN_IF_ERROR(vault::Store(*setup_.blobs, sealed));
  AH_ASSIGN_OR_RETURN(const dp::Released<Bytes> released,
                      setup_.ledger->Release(job, std::move(file), sha256, sealed.id));
  return ResultOf(job, released.value());
}

Result<std::vector<train::ExampleSet>> Jobs::OpenDatasets(const TrainingPlan& plan) {
  std::vector<train::ExampleSet> examples;
  for (const ledger::DatasetRecord& dataset : plan.datasets) {
    const std::string where = "dataset '" + dataset.name + "'";
    const auto plaintext =
        vault::Open(*setup_.blobs, *setup_.sealing_key, wire::Content::kDataset, dataset.object_id);
    if (!plaintext.ok()) return plaintext.error().At(where);
    auto rows = vault::ReadDataset(*plaintext, dataset.schema);
    // It was read once at upload, so this is a bug; what the reader says could be about a value.
    if (!rows.ok()) return InternalError(where + ": stored rows no longer fit their schema");
    examples.push_back(std::move(*rows));
  }
  return examples;
}

Result<dp::Unreleased<std::vector<float>>> Jobs::TrainOn(
    ledger::JobId job, const TrainingPlan& plan, const std::vector<train::ExampleSet>& examples) {
  using SteadyClock = std::chrono::steady_clock;
  std::vector<const train::ExampleSet*> sets;
  for (const train::ExampleSet& set : examples) sets.push_back(&set);
  crypto::SystemRandom sampling;
  crypto::SystemRandom noise;
  train::TrainerConfig config = plan.config;
  config.pool = setup_.pool;
  AH_ASSIGN_OR_RETURN(
      train::PrivateTrainer trainer,
      train::PrivateTrainer::Create(*plan.model, std::move(sets), config, plan.training,
                                    {.sampling = &sampling, .noise = &noise}));
  const Delta delta(plan.request.terms.delta());
  SteadyClock::time_point next_report = SteadyClock::now();
  while (trainer.steps_done() < plan.training.steps) {
    AH_RETURN_IF_ERROR(trainer.Step());
    const bool done = trainer.steps_done() == plan.training.steps;
    if (!done && SteadyClock::now() < next_report) continue;
    AH_ASSIGN_OR_RETURN(const Epsilon spent, dp::EpsilonOf(trainer.SpentSoFar(), delta));
    Report(ProgressOf(job, plan, trainer.steps_done(), spent));
    next_report = SteadyClock::now() + kReportEvery;
  }
  return std::move(trainer).TakeParameters();
}

Result<proto::JobResult> Jobs::ResultOf(ledger::JobId job, ByteSpan weights) const {
  AH_ASSIGN_OR_RETURN(proto::Receipt receipt, setup_.ledger->ReceiptOf(job));
  SetBytes(receipt.mutable_enclave_keys(), attest::SerializeKeys(*setup_.keys));
  SetBytes(receipt.mutable_evidence(), attest::SerializeEvidence(*setup_.evidence));
  proto::JobResult result;
  result.set_job(job.value());
  SetBytes(result.mutable_weights(), weights);
  *result.mutable_receipt() = receipt.SerializeAsString();
  return result;
}

}  // namespace anchorhold::enclave
