// From a Train request to a plan whose every number has been checked and whose noise is calibrated.
// Nothing private is touched and nothing is written down: a request that is refused here, or by the
// ledger afterwards, has had no effect.
#pragma once

#include <memory>

#include "shared/wire/session.pb.h"
#include "trusted/graph/model.h"
#include "trusted/ledger/ledger.h"
#include "trusted/train/trainer.h"

namespace anchorhold::enclave {

struct TrainingPlan {
  std::shared_ptr<const graph::Model> model;  // frozen parameters are its constants
  ledger::JobRequest request;
  std::vector<ledger::DatasetRecord> datasets;  // in the request's order
  train::TrainerConfig config;
  train::PrivateTraining training;
};

// Checks, in this order: the datasets' names and that they exist; every option; delta against every
// dataset's public rows (kPrivacyRefused); the model, and freezes what shall not be trained; that
// model, loss and every schema fit; that the weights will fit in a message; and calibrates the
// noise.
Result<TrainingPlan> PlanTraining(const ledger::Ledger& ledger,
                                  const crypto::Ed25519PublicKey& researcher,
                                  const wire::proto::Train& request);

}  // namespace anchorhold::enclave
