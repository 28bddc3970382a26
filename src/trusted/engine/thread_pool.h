// A few threads that do the same task together, again and again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace anchorhold::engine {

class ThreadPool {
 public:
  // `threads` with the caller's: threads - 1 are started, and live as long as the pool.
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // task(k) for every k < threads(), task(0) on the caller's thread; returns when all are done.
  // One call at a time.
  template <typename Task>
  void Run(const Task& task) {
    RunAll([](const void* context, std::size_t k) { (*static_cast<const Task*>(context))(k); },
           &task);
  }

 private:
  using Function = void (*)(const void*, std::size_t);
  void RunAll(Function function, const void* context);
  void Work(std::size_t k);

  std::vector<std::thread> workers_;
  Function function_ = nullptr;
  const void* context_ = nullptr;
  // Counts the tasks given out; the workers wait for its next value. The last one ends them.
  std::atomic<std::uint32_t> round_{0};
  std::atomic<std::uint32_t> busy_{0};
  std::atomic<bool> ending_{false};
};

}  // namespace anchorhold::engine
