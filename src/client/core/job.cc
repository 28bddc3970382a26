#include "client/core/job.h"

#include <algorithm>

#include "trusted/dp/rdp.h"

namespace anchorhold::client {
namespace {

using wire::proto::JobReleased;
using wire::proto::Request;

// Reads progress until the job's result. `job` is 0 until its number is known.
Result<wire::proto::JobResult> Follow(Session& session, std::uint64_t job,
                                      const JobProgressSink& progress) {
  while (true) {
    const auto answer = session.Receive(kProgressSecondsMax);
    if (!answer.ok()) {
      const Error& error = answer.error();
      if (job == 0 || error.code() != ErrorCode::kUnavailable) return error;
      return Unavailable(error.message() + "; run 'anchorhold jobs watch " + std::to_string(job) +
                         " --out DIR' to fetch what becomes of the job");
    }
    if (answer->has_result()) {
      if (job != 0 && answer->result().job() != job) return UnexpectedAnswer();
      return answer->result();
    }
    if (!answer->has_progress()) return UnexpectedAnswer();
    if (job == 0) job = answer->progress().job();
    if (answer->progress().job() != job) return UnexpectedAnswer();
    progress(answer->progress());
  }
}

Result<JobOutcome> Conclude(Session& session, const wire::proto::JobResult& result,
                            const TrainingRequest* request) {
  const Bytes receipt = CopyBytes(AsBytes(result.receipt()));
  Bytes weights = CopyBytes(AsBytes(result.weights()));
  AH_ASSIGN_OR_RETURN(auto verified,
                      receipt::VerifyReceipt(receipt, session.policy(), session.clock().Now(),
                                             &session.endorsements()));
  const Expected expected{.researcher = session.key().public_key(),
                          .ledger_key = session.enclave_keys().ledger_key,
                          .job = result.job(),
                          .request = request};
  AH_RETURN_IF_ERROR(CheckOutcome(verified, weights, expected));
  return JobOutcome{.job = result.job(),
                    .weights = std::move(weights),
                    .receipt = receipt,
                    .verified = std::move(verified)};
}

Error Differs(const std::string& what) {
  return IntegrityError("the receipt is for " + what +
                        " than asked for; nothing has been written. Keep the output of 'anchorhold "
                        "jobs list' and ask the operator");
}

// The messages and lists that terms and request share, bit for bit.
bool SameDetails(const wire::proto::TrainingTerms& terms,
                 const wire::proto::TrainingOptions& asked) {
  return terms.optimizer_options().SerializeAsString() ==
             asked.optimizer_options().SerializeAsString() &&
         terms.schedule().SerializeAsString() == asked.schedule().SerializeAsString() &&
         terms.loss_options().SerializeAsString() == asked.loss_options().SerializeAsString() &&
         std::equal(terms.frozen().begin(), terms.frozen().end(), asked.frozen().begin(),
                    asked.frozen().end());
}

Status CheckTerms(const JobReleased& released, const TrainingRequest& request) {
  const auto& terms = released.terms();
  const auto& asked = request.options;
  if (released.model_sha256() != AsText(crypto::Sha256(request.model).span())) {
    return Differs("another model");
  }
  std::vector<std::string> datasets;
  for (const auto& charge : released.charges()) datasets.push_back(charge.name());
  std::vector<std::string> wanted = request.datasets;
  std::sort(datasets.begin(), datasets.end());
  std::sort(wanted.begin(), wanted.end());
  if (datasets != wanted) return Differs("other datasets");
  if (terms.loss() != asked.loss() || terms.optimizer() != asked.optimizer() ||
      terms.learning_rate() != asked.learning_rate() || terms.momentum() != asked.momentum() ||
      terms.max_grad_norm() != asked.max_grad_norm() ||
      terms.sampling_probability() != asked.sampling_probability() ||
      terms.steps() != asked.steps() || terms.delta() != asked.delta() ||
      terms.clipping() != asked.clipping() || !SameDetails(terms, asked)) {
    return Differs("other training options");
  }
  // Written so that a NaN fails too. The receipt's own word is not taken: noise and steps must cost
  // no more by this side's accountant either.
  if (!(terms.epsilon() > 0 && terms.epsilon() <= asked.epsilon())) return Differs("more epsilon");
  const dp::PoissonSampledGaussian event{
      .sampling_probability = SamplingProbability(terms.sampling_probability()),
      .noise_multiplier = NoiseMultiplier(terms.noise_multiplier()),
      .steps = terms.steps()};
  AH_RETURN_IF_ERROR(dp::ValidateEvent(event));
  AH_ASSIGN_OR_RETURN(const Epsilon cost, dp::EpsilonOf(event, Delta(terms.delta())));
  if (!(cost.value() <= asked.epsilon())) return Differs("less noise");
  return Ok();
}

}  // namespace

Status CheckOutcome(const receipt::VerifiedReceipt& verified, ByteSpan weights,
                    const Expected& expected) {
  const JobReleased& released = verified.entry.job_released();
  if (verified.tree_head.ledger_key != expected.ledger_key) return Differs("another ledger");
  if (released.researcher_key() != AsText(expected.researcher.span())) {
    return Differs("another researcher");
  }
  if (released.job() != expected.job) return Differs("another job");
  if (released.output_sha256() != AsText(crypto::Sha256(weights).span())) {
    return IntegrityError(
        "the weights are not those that the receipt is for; nothing has been "
        "written");
  }
  if (expected.request == nullptr) return Ok();
  return CheckTerms(released, *expected.request);
}

Result<JobOutcome> Train(Session& session, const TrainingRequest& request,
                         const JobProgressSink& progress) {
  Request message;
  auto& train = *message.mutable_train();
  train.set_model(CopyText(request.model));
  for (const std::string& dataset : request.datasets) train.add_datasets(dataset);
  *train.mutable_options() = request.options;
  AH_RETURN_IF_ERROR(session.Send(message));
  AH_ASSIGN_OR_RETURN(const auto result, Follow(session, 0, progress));
  AH_ASSIGN_OR_RETURN(JobOutcome outcome, Conclude(session, result, &request));
  AH_RETURN_IF_ERROR(session.WitnessOwnChange());
  return outcome;
}

Result<JobOutcome> WatchJob(Session& session, std::uint64_t job, const JobProgressSink& progress) {
  Request message;
  message.mutable_watch()->set_job(job);
  AH_RETURN_IF_ERROR(session.Send(message));
  AH_ASSIGN_OR_RETURN(const auto result, Follow(session, job, progress));
  return Conclude(session, result, nullptr);
}

Status OutcomeFolder::CheckFree() const {
  if (if_exists == IfExists::kReplace) return Ok();
  for (const std::string& file : {weights_path(), receipt_path()}) {
    if (!PathExists(file)) continue;
    return AlreadyExists("already exists; give another --out or say --force").At(file);
  }
  return Ok();
}

Status OutcomeFolder::Write(const JobOutcome& outcome) const {
  AH_RETURN_IF_ERROR(MakeFolder(path));
  AH_RETURN_IF_ERROR(WriteWholeFile(weights_path(), outcome.weights, if_exists));
  return WriteWholeFile(receipt_path(), outcome.receipt, if_exists);
}

}  // namespace anchorhold::client
