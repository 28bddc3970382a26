// What this process can run: target.cc's targets, and the matrix unit where the kernel grants it.
#include "trusted/simd/target.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace anchorhold::simd {
namespace {

#if defined(__x86_64__) && defined(__linux__)

constexpr unsigned kAmxBf16 = 1U << 22;  // CPUID leaf 7, edx
constexpr unsigned kAmxTile = 1U << 24;
constexpr unsigned kTileState = 18;  // the number of the tiles' state (XTILEDATA)

// The state is large, so that Linux gives it only to who asks (Documentation/arch/x86/xstate.rst);
// once for all threads of the process. A kernel that knows no such state answers an error.
bool TilesGranted() {
  constexpr int kRequestState = 0x1023;  // ARCH_REQ_XCOMP_PERM
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
  return ::syscall(SYS_arch_prctl, kRequestState, kTileState) == 0;
}

#else

bool TilesGranted() { return false; }

#endif

TargetList Available() {
  TargetList list = DetectTargets();
  if (list.targets[list.count - 1] == Target::kAvx512 && TilesGranted()) list.Add(Target::kAmx);
  return list;
}

}  // namespace

std::span<const Target> AvailableTargets() {
  static const TargetList list = Available();
  return {list.targets, list.count};
}

}  // namespace anchorhold::simd
