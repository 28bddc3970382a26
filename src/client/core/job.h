// Jobs: asking for one, following it, and checking what comes back before a byte of it is written.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/core/session.h"
#include "shared/receipt/receipt.h"

namespace anchorhold::client {

struct TrainingRequest {
  Bytes model;  // ONNX
  std::vector<std::string> datasets;
  wire::proto::TrainingOptions options;
};

struct JobOutcome {
  std::uint64_t job = 0;
  Bytes weights;  // safetensors
  Bytes receipt;
  receipt::VerifiedReceipt verified;
};

using JobProgressSink = std::function<void(const wire::proto::JobProgress&)>;

// Submits and follows to the end. The outcome has passed CheckOutcome; the error of a lost
// connection names the job, which goes on without the client.
Result<JobOutcome> Train(Session& session, const TrainingRequest& request,
                         const JobProgressSink& progress);
// Follows a job of one's own; a finished one answers at once.
Result<JobOutcome> WatchJob(Session& session, std::uint64_t job, const JobProgressSink& progress);

// What the receipt must say, beyond being valid (receipt::VerifyReceipt).
struct Expected {
  crypto::Ed25519PublicKey researcher;
  crypto::Ed25519PublicKey ledger_key;
  std::uint64_t job = 0;
  const TrainingRequest* request = nullptr;  // null when an old job is fetched
};
// kIntegrity, naming the first difference: other weights than the receipt's, another researcher,
// job, ledger, model or set of datasets, other options, or more epsilon than was asked for.
Status CheckOutcome(const receipt::VerifiedReceipt& verified, ByteSpan weights,
                    const Expected& expected);

// OUT/weights.safetensors and OUT/receipt.
struct OutcomeFolder {
  std::string path;
  IfExists if_exists = IfExists::kRefuse;

  std::string weights_path() const { return JoinPath(path, "weights.safetensors"); }
  std::string receipt_path() const { return JoinPath(path, "receipt"); }
  // To be asked before budget is spent: kAlreadyExists, under kRefuse, if either file is there.
  Status CheckFree() const;
  // Makes the folder if need be.
  Status Write(const JobOutcome& outcome) const;
};

}  // namespace anchorhold::client
