// Normalisations, softmaxes, sums, poolings and permutations, fast.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trusted/kernels/normalise.h"
#include "trusted/kernels/pooling.h"
#include "trusted/simd/target.h"

namespace anchorhold::simd {

// x [outer, groups, channels, inner]: each of outer * groups rows of channels * inner numbers is
// normalised (kernels/normalise.h), then y = f(scale[c] x' + shift[c]), with scale and shift
// [groups * channels] (null: 1 and 0) and f clipping, Silu or nothing. Layer normalisation over n
// numbers has groups = 1, channels = n, inner = 1; group normalisation of [C, H, W] in G groups has
// channels = C / G, inner = H W.
struct NormaliseAffineShape {
  std::size_t outer = 0;
  std::size_t groups = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;
  kernels::NormaliseMode mode = kernels::NormaliseMode::kMeanVariance;
  float eps = 0;
  bool clip = false;  // y = min(max(z, low), high), z being scale[c] x' + shift[c]
  float low = 0;
  float high = 0;
  bool silu = false;  // y = z sigmoid(z); not with clip
  // So many consecutive outer rows belong to one example: dscale and dshift are summed over them.
  // Divides outer.
  std::size_t positions = 1;
};

struct NormaliseGradInputs {
  const float* x = nullptr;
  const float* stats = nullptr;  // as the normalisation left them
  const float* scale = nullptr;
  const float* shift = nullptr;  // read for clip and silu alone
  const float* g = nullptr;      // the gradient of y
};

struct SoftmaxShape {
  std::size_t outer = 0;
  std::size_t n = 0;
  std::size_t inner = 1;
  bool log = false;
};

// [rows, width], which examples read rows of.
struct TableOfRows {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t width = 0;
};

struct RowKernels {
  // stats [outer * groups, 2]: mean (0 unless kMeanVariance) and the divisor's reciprocal.
  void (*normalise)(const NormaliseAffineShape& shape, const float* x, const float* scale,
                    const float* shift, float* y, float* stats);
  // Of the same, scale and shift included. Where z is not in (low, high), g counts as zero (with
  // high infinite that is low alone); for silu it is multiplied by the slope at z. Either computes
  // z again, to the bits of `normalise`. dscale and dshift are by example, [outer / positions,
  // groups * channels] each, overwritten; null where not wanted. dx may be g.
  void (*normalise_grad)(const NormaliseAffineShape& shape, const NormaliseGradInputs& inputs,
                         float* dx, float* dscale, float* dshift);

  // Along n of [outer, n, inner] (kernels/softmax.h). y may be x; dx may be g.
  void (*softmax)(const SoftmaxShape& shape, const float* x, float* y);
  void (*softmax_grad)(const SoftmaxShape& shape, const float* y, const float* g, float* dx);

  // y [outer, inner] = sum over n of x [outer, n, inner], or of x z elementwise (z null: x alone).
  void (*sum)(std::size_t outer, std::size_t n, std::size_t inner, const float* x, const float* z,
              float* y);
  // y [width] = the sum of the table's rows at indices[0 .. n), those below 0 from the table's end;
  // NaN if one is out of range. Addresses depend on the indices.
  void (*sum_rows)(const TableOfRows& table, std::size_t n, const std::int64_t* indices, float* y);

  // Pooling of `planes` images with two spatial axes, as kernels/pooling.h does it.
  void (*max_pool)(std::size_t planes, const kernels::Windows& windows, const float* x, float* y);
  void (*max_pool_grad)(std::size_t planes, const kernels::Windows& windows, const float* x,
                        const float* g, float* dx);
  void (*average_pool)(std::size_t planes, const kernels::Windows& windows,
                       kernels::Divisor divisor, const float* x, float* y);
  void (*average_pool_grad)(std::size_t planes, const kernels::Windows& windows,
                            kernels::Divisor divisor, const float* g, float* dx);

  // y, dense over sizes[0..axes), = x read with strides[0..axes): a transposition or a broadcast.
  void (*permute)(std::size_t axes, const std::size_t* sizes, const std::size_t* strides,
                  const float* x, float* y);
};

// nullptr for kScalar.
const RowKernels* RowKernelsFor(Target target);

}  // namespace anchorhold::simd
