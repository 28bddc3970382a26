// The options of a Train request as the trainer takes them. All of them are public, and go into the
// receipt as they are.
#pragma once

#include <string>
#include <vector>

#include "shared/wire/receipt.pb.h"
#include "shared/wire/session.pb.h"
#include "trusted/train/trainer.h"

namespace anchorhold::enclave {

// Loss, optimizer, learning-rate schedule and clipping, each with its options; no pool of threads.
// kInvalidInput naming the first that is unknown, out of its range, or set although it belongs to
// another loss, optimizer or schedule; kLimitExceeded for too many weights.
Result<train::TrainerConfig> ReadTrainerConfig(const wire::proto::TrainingOptions& options);

// The patterns of parameters that are not trained. Errors as for graph::CheckFreezePatterns.
Result<std::vector<std::string>> ReadFrozen(const wire::proto::TrainingOptions& options);

// Writes what training depends on into the job's terms, field by field: a receipt holds no field
// that is not known. Preconditions: both functions above have accepted the options.
void WriteTerms(const wire::proto::TrainingOptions& options, wire::proto::TrainingTerms& terms);

}  // namespace anchorhold::enclave
