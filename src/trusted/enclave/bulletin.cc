#include "trusted/enclave/bulletin.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace anchorhold::enclave {

Result<std::unique_ptr<Bulletin>> Bulletin::Create() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return Unavailable("the system gives no eventfd");
  return std::unique_ptr<Bulletin>(new Bulletin(fd));
}

Bulletin::~Bulletin() { ::close(wake_fd_); }

void Bulletin::Publish(JobUpdate update) {
  {
    const std::lock_guard lock(mutex_);
    const ledger::JobId job = update.job;
    latest_.insert_or_assign(job, std::move(update));
  }
  const std::uint64_t one = 1;
  // It fails only when the counter is at its end, and then the reader is awake anyway.
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

std::vector<JobUpdate> Bulletin::Take() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof count);
  std::vector<JobUpdate> updates;
  const std::lock_guard lock(mutex_);
  for (auto& [job, update] : latest_) updates.push_back(std::move(update));
  latest_.clear();
  return updates;
}

}  // namespace anchorhold::enclave
