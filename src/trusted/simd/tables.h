// How a file of kernels is compiled once a target. A file x.cc reads:
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "trusted/simd/x.cc"
//   #include "trusted/simd/tables.h"
//   #include <hwy/foreach_target.h>   // includes x.cc again for each target but the last
//   #include <hwy/highway.h>
//
//   HWY_BEFORE_NAMESPACE();
//   namespace anchorhold::simd::HWY_NAMESPACE {
//   #if HWY_TARGET != HWY_SCALAR
//   namespace hn = hwy::HWY_NAMESPACE;
//   ...
//   extern const XKernels kX;
//   const XKernels kX = {...};
//   #endif
//   }  // namespace anchorhold::simd::HWY_NAMESPACE
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE
//   namespace anchorhold::simd {
//   ANCHORHOLD_SIMD_TABLE(XKernels, XKernelsFor, kX)
//   }
//   #endif
//
// Highway's headers alone are used, none of its library: the choice of the target is target.h's.
// The baseline that Highway insists on, HWY_SCALAR on x86, is left empty.
#pragma once

// Exactly target.h's targets.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/detect_targets.h>

#include "trusted/simd/target.h"

#if HWY_ARCH_X86
// const Kernels* Function(Target): nullptr for a target without a table.
#define ANCHORHOLD_SIMD_TABLE(Kernels, Function, table) \
  const Kernels* Function(Target target) {              \
    switch (target) {                                   \
      case Target::kSse4:                               \
        return &N_SSE4::table;                          \
      case Target::kAvx2:                               \
        return &N_AVX2::table;                          \
      case Target::kAvx512:                             \
      case Target::kAmx: /* but for its unit's part */  \
        return &N_AVX3::table;                          \
      default:                                          \
        return nullptr;                                 \
    }                                                   \
  }
#elif HWY_ARCH_ARM_A64
#define ANCHORHOLD_SIMD_TABLE(Kernels, Function, table)        \
  const Kernels* Function(Target target) {                     \
    return target == Target::kNeon ? &N_NEON::table : nullptr; \
  }
#endif
