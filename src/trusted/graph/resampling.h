// Where Resize reads: for each output position along one axis, a source coordinate s, and the
// weights of the input positions around it.
//
// With L and R the axis's size before and after, `scale` what the model gives (R / L if it gives
// sizes) and r = scale L, output position o reads at
//   half_pixel            (o + 1/2) / scale - 1/2
//   half_pixel_symmetric  the same plus L/2 (1 - R / r), which centres what rounding r cut off
//   pytorch_half_pixel    half_pixel, but 0 if R = 1
//   align_corners         o (L - 1) / (r - 1), and 0 if r = 1
//   asymmetric            o / scale
//   tf_half_pixel_for_nn  (o + 1/2) / scale
//   tf_crop_and_resize    a (L - 1) + o (b - a)(L - 1) / (R - 1) for the region [a, b] of the axis
//                         in units of its length; (a + b)(L - 1) / 2 if R = 1
// The weight of input j is f((j - s) c), c = min(scale, 1) with antialias and else 1, and f
//   linear   max(0, 1 - |t|)
//   cubic    Keys' kernel with coefficient A (cubic_coeff_a):
//            (A + 2)|t|^3 - (A + 3)|t|^2 + 1 up to 1, A|t|^3 - 5A|t|^2 + 8A|t| - 4A up to 2, then 0
// Positions outside the input read its edge, or, with exclude_outside, count nothing; then and with
// antialias the weights are divided by their sum. Nearest gives all weight to s rounded.
#pragma once

#include <cstdint>
#include <vector>

namespace anchorhold::graph {

enum class Coordinates : unsigned char {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kTfCropAndResize,
};
enum class Method : unsigned char { kNearest, kLinear, kCubic };
enum class Rounding : unsigned char {
  kPreferFloor,
  kPreferCeil,
  kFloor,
  kCeil,
  kByDirection,  // up when downscaling, else down: opsets before 11
};

struct Resampling {
  Method method = Method::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Rounding rounding = Rounding::kPreferFloor;
  double cubic_a = -0.75;
  bool antialias = false;
  bool exclude_outside = false;
};

// Sizes from 1; scale positive, at least 1 / (2 in); region finite, not beyond kRegionMax.
struct ResampledAxis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  double scale = 1;
  double region_begin = 0;
  double region_end = 1;
};
inline constexpr double kRegionMax = 1e6;

// Whether tf_crop_and_resize reads outside the input for output o, which then has a given value.
bool ReadsOutside(const Resampling& how, const ResampledAxis& axis, std::int64_t o);

// For each output, the input that Nearest reads.
std::vector<std::int64_t> NearestInputs(const Resampling& how, const ResampledAxis& axis);

// The weights [out, in], row-major. Rows of outputs that read outside are 0.
std::vector<float> ResamplingWeights(const Resampling& how, const ResampledAxis& axis);

}  // namespace anchorhold::graph
