// The enclave as the host sees it: a child process with two sockets.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "untrusted/host/files.h"

namespace anchorhold::host {

class EnclaveProcess {
 public:
  // Starts `executable` with nothing but descriptors 3 (relay) and 4 (store), its standard error
  // appended to `log`, and an empty environment. It ends when the calling thread ends.
  static Result<EnclaveProcess> Start(const std::filesystem::path& executable,
                                      const std::filesystem::path& log);
  ~EnclaveProcess();  // kills it if it still runs
  EnclaveProcess(EnclaveProcess&& other) noexcept;
  EnclaveProcess& operator=(EnclaveProcess&&) = delete;

  pid_t pid() const { return pid_; }
  UniqueFd TakeRelay() { return std::move(relay_); }
  UniqueFd TakeStore() { return std::move(store_); }

  // True once it has ended, waiting at most `timeout`.
  bool WaitEnded(std::chrono::milliseconds timeout);
  void Kill();
  // "was killed by signal 31 (Bad system call)", "ended with status 1". Precondition: it has ended.
  std::string HowItEnded() const;

 private:
  EnclaveProcess(pid_t pid, UniqueFd relay, UniqueFd store)
      : pid_(pid), relay_(std::move(relay)), store_(std::move(store)) {}

  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  UniqueFd relay_;
  UniqueFd store_;
};

}  // namespace anchorhold::host
