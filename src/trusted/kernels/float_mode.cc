#include "trusted/kernels/float_mode.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#error "say how this processor flushes subnormal floats; without it the time of a step leaks"
#endif

namespace anchorhold::kernels {
namespace {

#if defined(__x86_64__)
constexpr std::uint64_t kFlush = 0x8040;  // FTZ, bit 15; DAZ, bit 6

std::uint64_t ReadMode() { return _mm_getcsr(); }
void WriteMode(std::uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#else
constexpr std::uint64_t kFlush = std::uint64_t{1} << 24;  // FZ

std::uint64_t ReadMode() {
  std::uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void WriteMode(std::uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

}  // namespace

FlushSubnormals::FlushSubnormals() : before_(ReadMode()) { WriteMode(before_ | kFlush); }
FlushSubnormals::~FlushSubnormals() { WriteMode(before_); }

}  // namespace anchorhold::kernels
