// What the tests of the row kernels share.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "trusted/simd/rows.h"

namespace anchorhold::simd {

// n numbers that start one float off any alignment and end where their memory ends, so that a
// sanitizer sees a read beyond them.
class Numbers {
 public:
  explicit Numbers(std::size_t n, unsigned seed = 0, float low = -2, float high = 2)
      : memory_(n + 1) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> uniform(low, high);
    for (float& value : memory_) value = uniform(generator);
  }
  Numbers(const float* values, std::size_t n) : memory_(n + 1) {
    std::copy(values, values + n, data());
  }
  float* data() { return memory_.data() + 1; }
  const float* data() const { return memory_.data() + 1; }
  std::size_t size() const { return memory_.size() - 1; }
  float& operator[](std::size_t i) { return memory_[i + 1]; }
  float operator[](std::size_t i) const { return memory_[i + 1]; }
  std::vector<double> Doubles() const { return {memory_.begin() + 1, memory_.end()}; }

 private:
  std::vector<float> memory_;
};

// Room for n results between guards, which Intact() looks at. Results start as NaN.
class Results {
 public:
  explicit Results(std::size_t n) : n_(n), memory_(n + 2 * kGuard, std::bit_cast<float>(kNan)) {
    for (std::size_t i = 0; i < kGuard; ++i) memory_[i] = memory_[kGuard + n + i] = kMark;
  }
  float* data() { return memory_.data() + kGuard; }
  const float* data() const { return memory_.data() + kGuard; }
  std::size_t size() const { return n_; }
  float operator[](std::size_t i) const { return memory_[i + kGuard]; }
  bool Intact() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (memory_[i] != kMark || memory_[kGuard + n_ + i] != kMark) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 67;  // no multiple of a vector: results are unaligned
  static constexpr float kMark = 12345.0F;
  static constexpr std::uint32_t kNan = 0x7FC12345;
  std::size_t n_;
  std::vector<float> memory_;
};

inline ::testing::AssertionResult SameBits(const float* a, const float* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) {
      return ::testing::AssertionFailure() << "at " << i << ": " << a[i] << ", " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// |a - b| <= tolerance, or the two are the same infinity, or both NaN.
inline ::testing::AssertionResult Near(const float* a, const double* b, std::size_t n,
                                       double tolerance) {
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i];
    const bool same = x == b[i] || (x != x && b[i] != b[i]);
    const double apart = x > b[i] ? x - b[i] : b[i] - x;
    if (!same && !(apart <= tolerance)) {
      return ::testing::AssertionFailure() << "at " << i << ": " << x << ", expected " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Each target that this machine offers and that has kernels.
class RowsTest : public ::testing::TestWithParam<Target> {
 protected:
  const RowKernels& kernels() const { return *RowKernelsFor(GetParam()); }
};

inline std::vector<Target> FastTargets() {
  const auto all = AvailableTargets();
  return {all.begin() + 1, all.end()};  // the first one is kScalar
}

inline std::string NameOfTarget(const ::testing::TestParamInfo<Target>& info) {
  return TargetName(info.param);
}

}  // namespace anchorhold::simd
