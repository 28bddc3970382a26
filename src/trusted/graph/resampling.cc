#include "trusted/graph/resampling.h"

#include <algorithm>
#include <cmath>

namespace anchorhold::graph {
namespace {

double Source(const Resampling& how, const ResampledAxis& axis, std::int64_t output) {
  const auto o = static_cast<double>(output);
  const auto in = static_cast<double>(axis.in);
  const auto out = static_cast<double>(axis.out);
  const double resized = axis.scale * in;
  const double half_pixel = (o + 0.5) / axis.scale - 0.5;
  switch (how.coordinates) {
    case Coordinates::kHalfPixel:
      return half_pixel;
    case Coordinates::kHalfPixelSymmetric:
      return half_pixel + in / 2 * (1 - out / resized);
    case Coordinates::kPytorchHalfPixel:
      return axis.out > 1 ? half_pixel : 0;
    case Coordinates::kAlignCorners:
      return resized == 1 ? 0 : o * (in - 1) / (resized - 1);
    case Coordinates::kAsymmetric:
      return o / axis.scale;
    case Coordinates::kTfHalfPixelForNn:
      return (o + 0.5) / axis.scale;
    case Coordinates::kTfCropAndResize: {
      const double first = axis.region_begin * (in - 1);
      const double length = (axis.region_end - axis.region_begin) * (in - 1);
      return first + (axis.out == 1 ? length / 2 : o * length / (out - 1));
    }
  }
  return 0;
}

// Within what an int64 holds, however absurd the region.
double SourceWithinBounds(const Resampling& how, const ResampledAxis& axis, std::int64_t o) {
  constexpr double kFar = 1e15;
  return std::clamp(Source(how, axis, o), -kFar, kFar);
}

double Round(const Resampling& how, const ResampledAxis& axis, double s) {
  switch (how.rounding) {
    case Rounding::kPreferFloor:
      return std::ceil(s - 0.5);
    case Rounding::kPreferCeil:
      return std::floor(s + 0.5);
    case Rounding::kFloor:
      return std::floor(s);
    case Rounding::kCeil:
      return std::ceil(s);
    case Rounding::kByDirection:
      return axis.scale < 1 ? std::ceil(s) : std::floor(s);
  }
  return s;
}

std::int64_t Clamped(const ResampledAxis& axis, double position) {
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(position), 0, axis.in - 1);
}

double Filter(const Resampling& how, double distance) {
  const double t = std::abs(distance);
  if (how.method == Method::kLinear) return std::max(0.0, 1 - t);
  const double a = how.cubic_a;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

// Adds the weights of one output to `row`, which is 0.
void AddWeights(const Resampling& how, const ResampledAxis& axis, std::int64_t o, float* row) {
  const double s = SourceWithinBounds(how, axis, o);
  if (how.method == Method::kNearest) {
    row[Clamped(axis, Round(how, axis, s))] = 1;
    return;
  }
  const double contraction = how.antialias ? std::min(axis.scale, 1.0) : 1;
  const double reach = (how.method == Method::kLinear ? 1 : 2) / contraction;
  const auto first = static_cast<std::int64_t>(std::floor(s - reach));
  const auto last = static_cast<std::int64_t>(std::ceil(s + reach));
  const auto weight = [&](std::int64_t j) {
    if (how.exclude_outside && (j < 0 || j >= axis.in)) return 0.0;
    return Filter(how, (static_cast<double>(j) - s) * contraction);
  };
  double sum = 1;
  if (how.antialias || how.exclude_outside) {
    sum = 0;
    for (std::int64_t j = first; j <= last; ++j) sum += weight(j);
    if (sum == 0) return;
  }
  for (std::int64_t j = first; j <= last; ++j) {
    row[std::clamp<std::int64_t>(j, 0, axis.in - 1)] += static_cast<float>(weight(j) / sum);
  }
}

}  // namespace

bool ReadsOutside(const Resampling& how, const ResampledAxis& axis, std::int64_t o) {
  if (how.coordinates != Coordinates::kTfCropAndResize) return false;
  const double s = SourceWithinBounds(how, axis, o);
  return s < 0 || s > static_cast<double>(axis.in - 1);
}

std::vector<std::int64_t> NearestInputs(const Resampling& how, const ResampledAxis& axis) {
  std::vector<std::int64_t> inputs;
  inputs.reserve(static_cast<std::size_t>(axis.out));
  for (std::int64_t o = 0; o < axis.out; ++o) {
    inputs.push_back(Clamped(axis, Round(how, axis, SourceWithinBounds(how, axis, o))));
  }
  return inputs;
}

std::vector<float> ResamplingWeights(const Resampling& how, const ResampledAxis& axis) {
  std::vector<float> weights(static_cast<std::size_t>(axis.out * axis.in));
  for (std::int64_t o = 0; o < axis.out; ++o) {
    if (!ReadsOutside(how, axis, o)) AddWeights(how, axis, o, weights.data() + o * axis.in);
  }
  return weights;
}

}  // namespace anchorhold::graph
