// Jobs: they wait in a queue and run one after another on the job thread, whether or not the client
// that asked is still there. The ledger decides; this only carries out.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "shared/base/log.h"
#include "shared/wire/session.pb.h"
#include "trusted/enclave/bulletin.h"
#include "trusted/enclave/training_plan.h"
#include "trusted/enclave/worker.h"
#include "trusted/engine/thread_pool.h"
#include "trusted/vault/vault.h"

namespace anchorhold::enclave {

class Jobs {
 public:
  struct Setup {  // all outlive the jobs
    ledger::Ledger* ledger = nullptr;
    vault::BlobStore* blobs = nullptr;
    const crypto::HpkePrivateKey* sealing_key = nullptr;
    const attest::EnclaveKeys* keys = nullptr;
    const attest::UnverifiedEvidence* evidence = nullptr;  // binds the keys; goes into receipts
    Worker* worker = nullptr;
    std::shared_ptr<engine::ThreadPool> pool{};  // jobs work on its threads, one job at a time
    Bulletin* bulletin = nullptr;
    const Log* log = nullptr;
  };
  explicit Jobs(const Setup& setup) : setup_(setup) {}

  // Plans, reserves and queues; returns the job's first progress. A refusal has no effect.
  Result<wire::proto::JobProgress> Submit(const crypto::Ed25519PublicKey& researcher,
                                          const wire::proto::Train& request);

  // What a researcher who comes back to a job of theirs is told: its latest progress while it waits
  // or runs (updates follow on the bulletin), its result once released. kNotFound for a job that is
  // not theirs, as for one that does not exist.
  Result<wire::proto::Response> Look(const crypto::Ed25519PublicKey& researcher, ledger::JobId job);

  // "reserved", "running", "released" or "failed".
  std::string StateName(const ledger::JobRecord& job) const;

 private:
  using Progress = wire::proto::JobProgress;

  void Run(ledger::JobId job, const TrainingPlan& plan);
  Result<wire::proto::JobResult> TrainAndRelease(ledger::JobId job, const TrainingPlan& plan);
  Result<dp::Unreleased<std::vector<float>>> TrainOn(
      ledger::JobId job, const TrainingPlan& plan, const std::vector<train::ExampleSet>& examples);
  Result<std::vector<train::ExampleSet>> OpenDatasets(const TrainingPlan& plan);
  Result<wire::proto::JobResult> ResultOf(ledger::JobId job, ByteSpan weights) const;
  std::optional<Progress> LatestOf(ledger::JobId job) const;
  void Report(const Progress& progress);

  Setup setup_;
  mutable std::mutex mutex_;
  std::map<ledger::JobId, Progress> live_;  // waiting and running jobs
};

// The response that carries an error.
wire::proto::Response ErrorResponse(const Error& error);

}  // namespace anchorhold::enclave
