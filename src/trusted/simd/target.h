// Which vector instructions the fast kernels use. Every kernel is compiled once for each target
// (Highway, hwy/foreach_target.h); a target's kernels are reached through a table of functions, so
// one program serves every machine, and a test can try every target that its machine offers.
//
// kScalar has no table: there the naive kernels (trusted/kernels) do the work.
//
// What all fast kernels promise:
//  * Each element of a result is computed in an order that depends on the operation's sizes for one
//    example and on the target alone: not on how many examples there are, on an example's place
//    among them, nor on threads. So an example's gradient is the same bits in any group.
//  * Nothing is allocated: scratch memory is the caller's, of a size that a function tells.
//  * Loops and addresses do not depend on real numbers.
#pragma once

#include <cstdint>
#include <span>

namespace anchorhold::simd {

enum class Target : unsigned char { kScalar, kSse4, kNeon, kAvx2, kAvx512 };

// "scalar", "sse4", "neon", "avx2", "avx512".
const char* TargetName(Target target);

// What this machine (and its operating system) can run, the slowest, kScalar, first.
std::span<const Target> AvailableTargets();
inline Target BestTarget() { return AvailableTargets().back(); }
// The same, asked of the processor anew: for programs that keep nothing (src/client/runtime).
Target DetectBestTarget();
bool DetectTarget(Target target);  // whether it is one of them

}  // namespace anchorhold::simd
