// How a job's progress and its outcome look: shared by train and jobs.
#pragma once

#include "client/cli/app.h"
#include "client/cli/render.h"
#include "client/core/job.h"

namespace anchorhold::client {

// Shows progress from the enclave: epoch, epsilon spent, examples a second. All of it follows from
// public numbers and the clock.
class JobProgressView {
 public:
  // `epsilon`: what the job may spend, or 0 if that is not known here.
  JobProgressView(FILE* out, double epsilon) : line_(out), epsilon_(epsilon) {}
  void Show(const wire::proto::JobProgress& progress);

 private:
  ProgressLine line_;
  double epsilon_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::uint64_t examples_at_start_ = 0;
  bool first_ = true;
};

void AddOutcomeOptions(CLI::App* command, OutcomeFolder& folder, bool& force);

// Writes weights and receipt, and says what has come out.
Status PresentOutcome(const App& app, const OutcomeFolder& folder, const JobOutcome& outcome);

// The parts of a receipt's release, for people and for programs. The caller says whether they have
// been verified.
Json ReleaseJson(const wire::proto::JobReleased& released);
std::vector<std::pair<std::string, std::string>> ReleaseFacts(
    const wire::proto::JobReleased& released);

}  // namespace anchorhold::client
