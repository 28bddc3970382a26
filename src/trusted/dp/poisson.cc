#include "trusted/dp/poisson.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "shared/base/check.h"

namespace anchorhold::dp {

std::vector<std::uint32_t> PoissonSample(SamplingProbability q, std::size_t units,
                                         crypto::RandomSource& random) {
  AH_CHECK(q.value() >= 0 && q.value() <= 1);
  AH_CHECK(units < (std::uint64_t{1} << 32));
  // q 2^64 is exact in a double; the conversion rounds towards zero. For q < 1 it fits 64 bits.
  const bool all = q.value() == 1;
  const std::uint64_t threshold = all ? 0 : static_cast<std::uint64_t>(std::ldexp(q.value(), 64));

  std::vector<std::uint32_t> batch(units);
  std::array<std::uint64_t, 512> draws{};
  std::size_t taken = 0;
  for (std::size_t start = 0; start < units; start += draws.size()) {
    const std::size_t count = std::min(draws.size(), units - start);
    random.Fill(std::as_writable_bytes(std::span(draws).first(count)));
    for (std::size_t i = 0; i < count; ++i) {
      batch[taken] = static_cast<std::uint32_t>(start + i);
      taken += static_cast<std::size_t>(all) | static_cast<std::size_t>(draws[i] < threshold);
    }
  }
  crypto::Wipe(std::as_writable_bytes(std::span(draws)));
  batch.resize(taken);
  return batch;
}

std::size_t PublicBatchCapacity(SamplingProbability q, std::size_t units) {
  AH_CHECK(q.value() >= 0 && q.value() <= 1);
  const double mean = q.value() * static_cast<double>(units);
  const double capacity = std::ceil(mean + 6 * std::sqrt(mean * (1 - q.value()))) + 16;
  return capacity < static_cast<double>(units) ? static_cast<std::size_t>(capacity) : units;
}

}  // namespace anchorhold::dp
