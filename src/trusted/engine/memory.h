// Memory that lives as long as a plan: aligned to cache lines, zeroed once, never resized.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "shared/base/check.h"

namespace anchorhold::engine {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size) {
    constexpr std::size_t kLine = 64;
    const std::size_t rounded = (size + 2 * kLine) / kLine * kLine;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, rounded)));
    AH_CHECK(memory_ != nullptr);
    std::memset(memory_.get(), 0, rounded);
  }
  std::byte* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace anchorhold::engine
