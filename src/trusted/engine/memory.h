// Memory that lives as long as a plan: aligned to cache lines, zeroed once, never resized. Large
// pieces ask for huge pages: convolutions write rows that are pages apart, and fetching the
// addresses of small pages then costs as much as fetching the data.
#pragma once

#include <sys/mman.h>

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
    constexpr std::size_t kHugePage = std::size_t{1} << 21;
    const std::size_t unit = size < kHugePage ? kLine : kHugePage;
    const std::size_t rounded = (size + kLine + unit - 1) / unit * unit;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(unit, rounded)));
    AH_CHECK(memory_ != nullptr);
#if defined(MADV_HUGEPAGE)
    // A wish: where it is not granted, all is as before.
    if (unit == kHugePage) static_cast<void>(madvise(memory_.get(), rounded, MADV_HUGEPAGE));
#endif
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
