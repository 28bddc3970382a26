#include "trusted/simd/target.h"

#include <cstddef>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace anchorhold::simd {

#if defined(__x86_64__)

namespace {

// Bits of Intel's Software Developer's Manual, volume 2, CPUID.
constexpr unsigned kSse4 = (1U << 19) | (1U << 20);               // leaf 1, ecx: SSE4.1 and SSE4.2
constexpr unsigned kFma = 1U << 12;                               // leaf 1, ecx
constexpr unsigned kOsXsave = 1U << 27;                           // leaf 1, ecx
constexpr unsigned kAvx = 1U << 28;                               // leaf 1, ecx
constexpr unsigned kF16c = 1U << 29;                              // leaf 1, ecx
constexpr unsigned kAvx2Bmi = (1U << 5) | (1U << 3) | (1U << 8);  // leaf 7, ebx: AVX2, BMI1, BMI2
// leaf 7, ebx: AVX-512 F, DQ, CD, BW, VL
constexpr unsigned kAvx512 = (1U << 16) | (1U << 17) | (1U << 28) | (1U << 30) | (1U << 31);
constexpr unsigned kLzcnt = 1U << 5;  // leaf 0x80000001, ecx
constexpr unsigned kYmmState = 0x6;   // XCR0: XMM and YMM
constexpr unsigned kZmmState = 0xE6;  // XCR0: those, opmask and ZMM

bool Has(unsigned value, unsigned bits) { return (value & bits) == bits; }

unsigned EnabledState() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

TargetList DetectTargets() {
  TargetList list;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !Has(c, kSse4)) return list;
  const unsigned features = c;
  // Highway's SSE4 target uses carry-less multiplication and AES nowhere in our kernels.
  list.Add(Target::kSse4);
  if (!Has(features, kOsXsave | kAvx | kFma | kF16c) || !Has(EnabledState(), kYmmState)) {
    return list;
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) == 0 || !Has(c, kLzcnt)) return list;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || !Has(b, kAvx2Bmi)) return list;
  list.Add(Target::kAvx2);
  if (Has(b, kAvx512) && Has(EnabledState(), kZmmState)) list.Add(Target::kAvx512);
  return list;
}

#elif defined(__aarch64__)

TargetList DetectTargets() {
  TargetList list;
  list.Add(Target::kNeon);  // part of the architecture
  return list;
}

#else

TargetList DetectTargets() { return {}; }

#endif

const char* TargetName(Target target) {
  switch (target) {
    case Target::kSse4:
      return "sse4";
    case Target::kNeon:
      return "neon";
    case Target::kAvx2:
      return "avx2";
    case Target::kAvx512:
      return "avx512";
    case Target::kAmx:
      return "amx";
    case Target::kScalar:
      break;
  }
  return "scalar";
}

Target DetectBestTarget() {
  const TargetList list = DetectTargets();
  return list.targets[list.count - 1];
}

bool DetectTarget(Target target) {
  const TargetList list = DetectTargets();
  bool found = false;
  for (std::size_t i = 0; i < list.count; ++i) found = found || list.targets[i] == target;
  return found;
}

}  // namespace anchorhold::simd
