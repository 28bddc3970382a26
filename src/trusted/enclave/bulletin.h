// Bulletin: what the job thread has to say to connections, handed to the relay's thread. Between
// two looks only a job's latest progress is kept, so a slow reader costs nothing.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "shared/wire/session.pb.h"
#include "trusted/ledger/ledger.h"

namespace anchorhold::enclave {

struct JobUpdate {
  ledger::JobId job;
  wire::proto::Response response;  // progress, or a result or error, which is the last
  bool last = false;
};

class Bulletin {
 public:
  // Makes the wake-up descriptor; to be called before the enclave locks itself in.
  static Result<std::unique_ptr<Bulletin>> Create();
  ~Bulletin();

  // Readable while there is something to take.
  int wake_fd() const { return wake_fd_; }

  void Publish(JobUpdate update);
  std::vector<JobUpdate> Take();

 private:
  explicit Bulletin(int wake_fd) : wake_fd_(wake_fd) {}

  int wake_fd_;
  std::mutex mutex_;
  std::map<ledger::JobId, JobUpdate> latest_;
};

}  // namespace anchorhold::enclave
