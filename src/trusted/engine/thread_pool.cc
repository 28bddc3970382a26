#include "trusted/engine/thread_pool.h"

namespace anchorhold::engine {
namespace {

// A step's phases follow each other within microseconds, so a thread looks for a while before it
// sleeps.
constexpr int kLooks = 4000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(std::size_t threads) {
  for (std::size_t k = 1; k < threads; ++k) {
    workers_.emplace_back([this, k] { Work(k); });
  }
}

ThreadPool::~ThreadPool() {
  ending_.store(true);
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Work(std::size_t k) {
  std::uint32_t seen = 0;
  for (;;) {
    for (int look = 0; look < kLooks && round_.load(std::memory_order_acquire) == seen; ++look) {
      Pause();
    }
    round_.wait(seen, std::memory_order_acquire);
    seen = round_.load(std::memory_order_acquire);
    if (ending_.load()) return;
    function_(context_, k);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::RunAll(Function function, const void* context) {
  if (workers_.empty()) return function(context, 0);
  function_ = function;
  context_ = context;
  busy_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  function(context, 0);
  for (int look = 0; look < kLooks; ++look) {
    if (busy_.load(std::memory_order_acquire) == 0) return;
    Pause();
  }
  for (std::uint32_t left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    busy_.wait(left, std::memory_order_acquire);
  }
}

}  // namespace anchorhold::engine
