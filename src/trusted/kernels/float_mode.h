// Subnormal floats take a processor many times as long as others, so the time of a step would count
// the rows for which a model written to that end runs into them: a query that no budget pays for.
// Inside this scope they are read and written as zero (x86: MXCSR's DAZ and FTZ; AArch64: FPCR's
// FZ).
#pragma once

#include <cstdint>

namespace anchorhold::kernels {

class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();  // restores the thread's mode
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace anchorhold::kernels
