#include "trusted/engine/group_size.h"

#include <algorithm>
#include <cmath>

namespace anchorhold::engine {
namespace {

// Multiply-adds that fetching and packing a weight costs, or only fetching it, and fetching a byte
// from beyond the cache.
constexpr double kReuse = 48;
constexpr double kReusePacked = 16;
constexpr double kSpill = 2;
constexpr double kSpillMost = 7;  // what does not fit by far is not made worse by more of it
// Steps have a cost of their own, in multiply-adds, which a group shares.
constexpr double kStep = 3000;
constexpr double kCacheBytes = 1 << 20;
constexpr double kArenaBytesMax = double{1 << 20} * 512;

double Cost(const LoweredProgram& program, const Kernels& kernels, std::size_t group) {
  const auto g = static_cast<double>(group);
  double cost = 0;
  for (const std::vector<Step>* steps : {&program.forward, &program.backward}) {
    cost += kStep * static_cast<double>(steps->size()) / g;
    for (const Step& step : *steps) {
      double macs = 0;
      double positions = 0;
      if (step.kind == StepKind::kMatMul && step.fold_rows) {
        positions = static_cast<double>(step.gemm.rows);
        macs = positions * static_cast<double>(step.gemm.inner * step.gemm.columns);
      } else if (step.kind == StepKind::kConvolution || step.kind == StepKind::kConvolutionInput) {
        const kernels::ConvolutionShape& shape = step.convolution;
        positions = static_cast<double>(shape.batch * shape.windows.outputs());
        macs = positions * static_cast<double>(shape.groups * shape.out_channels *
                                               shape.in_channels * shape.windows.taps());
        if (step.packed && kernels.convolution->minimal(shape, MapOf(step.kind))) {
          macs *= 4.0 / 9;
          positions /= 4;
        }
      }
      if (macs > 0) cost += macs * (1 + (step.packed ? kReusePacked : kReuse) / (g * positions));
    }
  }
  const auto bytes = static_cast<double>(program.arena_bytes);
  return cost + kSpill * bytes * std::min(kSpillMost, std::log2(1 + bytes * g / kCacheBytes));
}

}  // namespace

std::size_t ChooseGroup(const LoweredProgram& one, const Kernels& kernels, std::size_t most) {
  std::size_t best = 1;
  double least = Cost(one, kernels, 1);
  for (std::size_t group = 2; group <= std::min(most, kGroupMax); group *= 2) {
    if (static_cast<double>(one.arena_bytes * group) > kArenaBytesMax) break;
    const double cost = Cost(one, kernels, group);
    if (cost >= least) continue;
    least = cost;
    best = group;
  }
  return best;
}

}  // namespace anchorhold::engine
