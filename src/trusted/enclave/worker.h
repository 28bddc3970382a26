// Worker: one thread, made before the enclave locks itself in (no thread can be made afterwards),
// that runs what it is given, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace anchorhold::enclave {

class Worker {
 public:
  // Returns once the thread runs: its first steps take system calls that the sandbox forbids.
  Worker();
  // Finishes the work in hand, drops what waits, and joins the thread.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Post(std::function<void()> work);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace anchorhold::enclave
