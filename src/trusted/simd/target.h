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

#include <cstddef>
#include <cstdint>
#include <span>

namespace anchorhold::simd {

// kAmx is kAvx512 with large products on the processor's matrix unit (AMX-BF16).
enum class Target : unsigned char { kScalar, kSse4, kNeon, kAvx2, kAvx512, kAmx };

// "scalar", "sse4", "neon", "avx2", "avx512", "amx".
const char* TargetName(Target target);

// What this machine (and its operating system) can run, the slowest, kScalar, first. The first call
// asks the operating system for the matrix unit (Linux gives it to processes that ask): a process
// that will forbid itself system calls calls this before. Without the permission, no kAmx.
std::span<const Target> AvailableTargets();
inline Target BestTarget() { return AvailableTargets().back(); }
// The same without kAmx, asked of the processor anew: for programs that keep nothing and ask for
// nothing (src/client/runtime).
struct TargetList {
  Target targets[5] = {Target::kScalar};
  std::size_t count = 1;
  void Add(Target target) { targets[count++] = target; }
};
TargetList DetectTargets();
Target DetectBestTarget();
bool DetectTarget(Target target);  // whether it is one of them

}  // namespace anchorhold::simd
