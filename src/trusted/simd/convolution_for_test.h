// What the tests of convolutions share: the fast ones against the naive ones in double precision,
// on every target of the machine.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "trusted/kernels/convolution.h"
#include "trusted/simd/convolution.h"
#include "trusted/simd/convolution_amx.h"
#include "trusted/simd/gemm_amx.h"
#include "trusted/simd/matrix_unit_for_test.h"
#include "trusted/simd/target.h"
#include "trusted/simd/winograd_reference.h"

namespace anchorhold::simd {

using kernels::ConvolutionShape;
using kernels::WindowAxis;

inline constexpr float kCanary = 12345.5F;
// Roundings of winograd_transform-inl.h's transforms that a result goes through, at most.
inline constexpr std::size_t kTransforms = 12;

// Floats between canaries, at an address that is no multiple of a vector's.
class Guarded {
 public:
  Guarded(std::size_t n, float value) : n_(n), storage_(n + 2 * kMargin, kCanary) {
    std::fill_n(data(), n, value);
  }
  float* data() { return storage_.data() + kMargin; }
  const float* data() const { return storage_.data() + kMargin; }
  std::size_t size() const { return n_; }
  void Fill(std::mt19937& generator) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::size_t i = 0; i < n_; ++i) data()[i] = uniform(generator);
  }
  bool Intact() const {
    for (std::size_t i = 0; i < kMargin; ++i) {
      if (storage_[i] != kCanary || storage_[kMargin + n_ + i] != kCanary) return false;
    }
    return true;
  }
  std::vector<double> Doubles() const { return {data(), data() + n_}; }

 private:
  static constexpr std::size_t kMargin = 67;
  std::size_t n_;
  std::vector<float> storage_;
};

inline WindowAxis Axis(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                       std::int64_t dilation, std::int64_t pad, std::int64_t pad_end) {
  WindowAxis a;
  a.in = in;
  a.kernel = kernel;
  a.stride = stride;
  a.dilation = dilation;
  a.pad = pad;
  a.pad_end = pad_end;
  a.out = (in + pad + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
  return a;
}

inline ConvolutionShape Square(std::size_t batch, std::size_t groups, std::size_t in,
                               std::size_t out, std::int64_t size, std::int64_t kernel,
                               std::int64_t stride, std::int64_t pad) {
  ConvolutionShape s;
  s.batch = batch;
  s.groups = groups;
  s.in_channels = in;
  s.out_channels = out;
  s.windows.axes = 2;
  s.windows.axis[0] = s.windows.axis[1] = Axis(size, kernel, stride, 1, pad, pad);
  return s;
}

inline std::string Describe(const ConvolutionShape& s) {
  std::string text = std::to_string(s.batch) + " x " + std::to_string(s.groups) + " groups " +
                     std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels);
  for (std::size_t i = 0; i < s.windows.axes; ++i) {
    const WindowAxis& a = s.windows.axis[i];
    text += " [in " + std::to_string(a.in) + " out " + std::to_string(a.out) + " k " +
            std::to_string(a.kernel) + " s " + std::to_string(a.stride) + " d " +
            std::to_string(a.dilation) + " p " + std::to_string(a.pad) + "]";
  }
  return text;
}

struct Sizes {
  explicit Sizes(const ConvolutionShape& s)
      : x(s.groups * s.in_channels * s.windows.inputs()),
        y(s.groups * s.out_channels * s.windows.outputs()),
        w(s.groups * s.out_channels * s.in_channels * s.windows.taps()) {}
  std::size_t x;  // of an example
  std::size_t y;
  std::size_t w;
};

inline std::vector<double> Magnitudes(std::vector<double> v) {
  for (double& value : v) value = std::fabs(value);
  return v;
}

// |got - want| within the bound of a chain of `terms` roundings, given the sums of magnitudes.
inline void ExpectClose(const float* got, const std::vector<double>& want,
                        const std::vector<double>& magnitude, std::size_t terms) {
  const double unit = static_cast<double>(terms + 2) * 0x1p-23;
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_LE(std::fabs(static_cast<double>(got[i]) - want[i]), unit * magnitude[i] + 1e-30)
        << "element " << i << ": " << got[i] << " for " << want[i];
  }
}

class ConvolutionTest : public ::testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    kernels_ = ConvolutionKernelsFor(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "the scalar target has no fast kernels";
  }

  void CheckForward(const ConvolutionShape& s, const Guarded& x, const Guarded& w,
                    Guarded& scratch) {
    const Sizes n(s);
    Guarded y(s.batch * n.y, NAN);
    kernels_->forward(s, x.data(), {w.data()}, {}, y.data(), scratch.data());
    std::vector<double> want(y.size());
    std::vector<double> magnitude(y.size());
    kernels::Convolution(s, x.Doubles().data(), w.Doubles().data(), want.data());
    kernels::Convolution(s, Magnitudes(x.Doubles()).data(), Magnitudes(w.Doubles()).data(),
                         magnitude.data());
    ExpectClose(y.data(), want, magnitude, s.in_channels * s.windows.taps());
    EXPECT_TRUE(y.Intact() && scratch.Intact());
    const Guarded packed =
        CheckPacked(s, ConvolutionMap::kForward, w, y, [&](const Filter& filter, float* to) {
          kernels_->forward(s, x.data(), filter, {}, to, scratch.data());
        });
    const bool minimal = kernels_->minimal(s, ConvolutionMap::kForward);
    if (minimal) {
      ExpectClose(packed.data(), want, WinogradBounds(s).Forward(x.Doubles(), w.Doubles()),
                  s.in_channels + kTransforms);
    }

    Guarded bias(s.groups * s.out_channels, 0);
    bias.Fill(generator_);
    Epilogue epilogue;
    epilogue.row_bias = bias.data();
    epilogue.clip = true;
    epilogue.low = 0;
    epilogue.high = 1.5F;
    Guarded finished(y.size(), NAN);
    kernels_->forward(s, x.data(), {w.data()}, epilogue, finished.data(), scratch.data());
    ExpectFinished(s, y, bias, finished);
    EXPECT_TRUE(scratch.Intact());
    if (OnUnit(s, ConvolutionMap::kForward)) {
      const auto weight = [&](std::size_t m, std::size_t c) {
        return w.data()[m * s.in_channels + c];
      };
      ExpectUnitsSums(s.in_channels, s.out_channels, s.windows.outputs(), x, weight, packed);
    }
    if (SameBitsPacked(s, ConvolutionMap::kForward)) return;
    const Guarded u = Packed(s, ConvolutionMap::kForward, w);
    kernels_->forward(s, x.data(), {u.data(), true}, epilogue, finished.data(), scratch.data());
    ExpectFinished(s, packed, bias, finished);
    EXPECT_TRUE(scratch.Intact());
  }

  bool OnUnit(const ConvolutionShape& s, ConvolutionMap map) const {
    return GetParam() == Target::kAmx && amx::TakesConvolution(s, map);
  }

  // Whether weights that were packed give the bits that others give.
  bool SameBitsPacked(const ConvolutionShape& s, ConvolutionMap map) const {
    return !kernels_->minimal(s, map) && !OnUnit(s, map);
  }

  // out[e, m, p] = sum over c of weight(m, c) x[e, c, p] as the matrix unit has it, bit by bit.
  template <class Weight>
  static void ExpectUnitsSums(std::size_t channels, std::size_t outputs, std::size_t positions,
                              const Guarded& x, Weight weight, const Guarded& out) {
    std::vector<float> a(channels);
    std::vector<float> b(channels);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t p = i % positions;
      const std::size_t m = i / positions % outputs;
      const std::size_t e = i / positions / outputs;
      for (std::size_t c = 0; c < channels; ++c) {
        a[c] = weight(m, c);
        b[c] = x.data()[(e * channels + c) * positions + p];
      }
      ASSERT_EQ(out.data()[i], testing::MatrixUnitSum(a, b, channels, true, 0)) << i;
    }
  }

  // With bias and clipping.
  void ExpectFinished(const ConvolutionShape& s, const Guarded& y, const Guarded& bias,
                      const Guarded& finished) {
    const std::size_t plane = s.windows.outputs();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const float sum = y.data()[i] + bias.data()[i / plane % bias.size()];
      ASSERT_EQ(finished.data()[i], std::clamp(sum, 0.0F, 1.5F)) << i;
    }
    EXPECT_TRUE(finished.Intact());
  }

  Guarded Packed(const ConvolutionShape& s, ConvolutionMap map, const Guarded& w) {
    Guarded packed(kernels_->packed(s, map), NAN);
    kernels_->pack(s, map, w.data(), packed.data());
    EXPECT_TRUE(packed.Intact());
    return packed;
  }

  // The result with packed weights: the same bits, but for those of minimal filtering and of the
  // matrix unit.
  // `run(filter, result)` is one of the maps.
  template <class Run>
  Guarded CheckPacked(const ConvolutionShape& s, ConvolutionMap map, const Guarded& w,
                      const Guarded& want, Run run) {
    Guarded result(want.size(), NAN);
    if (kernels_->packed(s, map) == 0) return result;
    const Guarded packed = Packed(s, map, w);
    run(Filter{packed.data(), true}, result.data());
    EXPECT_TRUE(packed.Intact() && result.Intact());
    if (SameBitsPacked(s, map)) {
      EXPECT_EQ(std::memcmp(result.data(), want.data(), want.size() * sizeof(float)), 0);
    }
    return result;
  }

  void CheckInput(const ConvolutionShape& s, const Guarded& y, const Guarded& w, Guarded& scratch) {
    const Sizes n(s);
    Guarded x(s.batch * n.x, NAN);
    kernels_->input(s, y.data(), {w.data()}, x.data(), scratch.data());
    std::vector<double> want(x.size());
    std::vector<double> magnitude(x.size());
    kernels::ConvolutionInput(s, y.Doubles().data(), w.Doubles().data(), want.data());
    kernels::ConvolutionInput(s, Magnitudes(y.Doubles()).data(), Magnitudes(w.Doubles()).data(),
                              magnitude.data());
    ExpectClose(x.data(), want, magnitude, s.out_channels * s.windows.taps());
    EXPECT_TRUE(x.Intact() && scratch.Intact());
    const Guarded packed =
        CheckPacked(s, ConvolutionMap::kInput, w, x, [&](const Filter& filter, float* to) {
          kernels_->input(s, y.data(), filter, to, scratch.data());
        });
    if (kernels_->minimal(s, ConvolutionMap::kInput)) {
      ExpectClose(packed.data(), want, WinogradBounds(s).Input(y.Doubles(), w.Doubles()),
                  s.out_channels + kTransforms);
    }
    if (OnUnit(s, ConvolutionMap::kInput)) {
      const auto weight = [&](std::size_t c, std::size_t m) {
        return w.data()[m * s.in_channels + c];
      };
      ExpectUnitsSums(s.out_channels, s.in_channels, s.windows.outputs(), y, weight, packed);
    }
  }

  void CheckWeight(const ConvolutionShape& s, const Guarded& x, const Guarded& y,
                   Guarded& scratch) {
    const Sizes n(s);
    const std::size_t stride = n.w + 5;
    Guarded w((s.batch - 1) * stride + n.w, kCanary);
    std::vector<double> squares(s.batch + 1, -1.0);
    kernels_->weight(s, x.data(), y.data(), {w.data(), stride}, squares.data(), scratch.data());
    Guarded without(w.size(), kCanary);
    kernels_->weight(s, x.data(), y.data(), {without.data(), stride}, nullptr, scratch.data());
    EXPECT_EQ(std::memcmp(without.data(), w.data(), w.size() * sizeof(float)), 0);
    CheckByTaps(s, x, y, w, stride, squares, scratch);
    EXPECT_EQ(squares.back(), -1.0);
    ConvolutionShape one = s;
    one.batch = 1;
    const std::vector<double> all_x = x.Doubles();
    const std::vector<double> all_y = y.Doubles();
    const std::vector<double> size_x = Magnitudes(all_x);
    const std::vector<double> size_y = Magnitudes(all_y);
    std::vector<double> want(n.w);
    std::vector<double> magnitude(n.w);
    for (std::size_t e = 0; e < s.batch; ++e) {
      kernels::ConvolutionWeight(one, &all_x[e * n.x], &all_y[e * n.y], want.data());
      kernels::ConvolutionWeight(one, &size_x[e * n.x], &size_y[e * n.y], magnitude.data());
      std::size_t terms = s.windows.outputs();
      if (kernels_->minimal(s, ConvolutionMap::kWeight)) {
        magnitude = WinogradBounds(one).Weight({&size_x[e * n.x], &size_x[e * n.x] + n.x},
                                               {&size_y[e * n.y], &size_y[e * n.y] + n.y});
        terms = (terms + 3) / 4 + 2 * kTransforms;  // half a row and column may be no outputs
      }
      ExpectClose(w.data() + e * stride, want, magnitude, terms);
      double sum = 0;
      for (std::size_t i = 0; i < n.w; ++i) {
        const double value = w.data()[e * stride + i];
        sum += value * value;
      }
      EXPECT_NEAR(squares[e], sum, sum * 0x1p-19);
      if (OnUnit(s, ConvolutionMap::kWeight)) {
        ExpectUnitsWeights(s, &x.data()[e * n.x], &y.data()[e * n.y], &w.data()[e * stride]);
      }
      if (e + 1 < s.batch) {
        for (std::size_t i = n.w; i < stride; ++i) {
          ASSERT_EQ(w.data()[e * stride + i], kCanary) << "between examples";
        }
      }
    }
    EXPECT_TRUE(w.Intact() && scratch.Intact());
  }

  // The same numbers in the order of kTapChannels, where they come in it.
  void CheckByTaps(const ConvolutionShape& s, const Guarded& x, const Guarded& y, const Guarded& w,
                   std::size_t stride, const std::vector<double>& squares, Guarded& scratch) {
    if (!kernels_->weight_by_taps(s)) return;
    EXPECT_TRUE(kernels_->minimal(s, ConvolutionMap::kWeight));
    Guarded by_taps(w.size(), kCanary);
    std::vector<double> own(s.batch, -1.0);
    kernels_->weight(s, x.data(), y.data(), {by_taps.data(), stride, true}, own.data(),
                     scratch.data());
    EXPECT_TRUE(by_taps.Intact() && scratch.Intact());
    const std::size_t taps = s.windows.taps();
    const std::size_t row = s.in_channels * taps;
    for (std::size_t e = 0; e < s.batch; ++e) {
      EXPECT_NEAR(own[e], squares[e], squares[e] * 0x1p-18);
      for (std::size_t i = 0; i < Sizes(s).w; ++i) {
        const std::size_t channel = i % row / taps;
        const std::size_t first = channel - channel % kTapChannels;
        const std::size_t together = std::min(kTapChannels, s.in_channels - first);
        const std::size_t at = i - i % row + first * taps + i % taps * together + channel - first;
        ASSERT_EQ(by_taps.data()[e * stride + at], w.data()[e * stride + i]) << i;
      }
    }
    // Past the caches, which takes an aligned address.
    const std::size_t aligned = (Sizes(s).w + 15) / 16 * 16;
    std::vector<float> memory(s.batch * aligned + 16);
    float* const far =
        memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) / 4;
    std::vector<double> again(s.batch, -1.0);
    kernels_->weight(s, x.data(), y.data(), {far, aligned, true, true}, again.data(),
                     scratch.data());
    EXPECT_EQ(again, own);
    for (std::size_t e = 0; e < s.batch; ++e) {
      EXPECT_EQ(
          std::memcmp(far + e * aligned, by_taps.data() + e * stride, Sizes(s).w * sizeof(float)),
          0);
    }
  }

  // The gradient of one example's weights, w[m, c] = sum over positions p of y[m, p] x[c, p].
  static void ExpectUnitsWeights(const ConvolutionShape& s, const float* x, const float* y,
                                 const float* w) {
    const std::size_t positions = s.windows.outputs();
    for (std::size_t i = 0; i < s.out_channels * s.in_channels; ++i) {
      const std::span a(y + i / s.in_channels * positions, positions);
      const std::span b(x + i % s.in_channels * positions, positions);
      ASSERT_EQ(w[i], testing::MatrixUnitSum(a, b, amx::SlabDepth(positions), true, 0)) << i;
    }
  }

  void Check(const ConvolutionShape& s) {
    SCOPED_TRACE(Describe(s));
    ASSERT_TRUE(kernels_->serves(s));
    const Sizes n(s);
    Guarded x(s.batch * n.x, 0);
    Guarded y(s.batch * n.y, 0);
    Guarded w(n.w, 0);
    x.Fill(generator_);
    y.Fill(generator_);
    w.Fill(generator_);
    // Whatever the scratch memory holds beforehand.
    Guarded scratch(kernels_->scratch(s), NAN);
    CheckForward(s, x, w, scratch);
    CheckInput(s, y, w, scratch);
    CheckWeight(s, x, y, scratch);
    EXPECT_TRUE(x.Intact() && y.Intact() && w.Intact());
  }

  // Example `place` of a group of `batch` gives the bits that it gives alone.
  void CheckPlaces(const ConvolutionShape& s, std::size_t batch) {
    SCOPED_TRACE(Describe(s));
    Guarded w(Sizes(s).w, 0);
    w.Fill(generator_);
    CheckPlaces(s, batch, {w.data()}, {w.data()});
    if (kernels_->packed(s, ConvolutionMap::kForward) == 0) return;
    SCOPED_TRACE("packed");
    const Guarded forward = Packed(s, ConvolutionMap::kForward, w);
    const Guarded input = Packed(s, ConvolutionMap::kInput, w);
    CheckPlaces(s, batch, {forward.data(), true}, {input.data(), true});
  }

  void CheckPlaces(ConvolutionShape s, std::size_t batch, const Filter& forward,
                   const Filter& input) {
    const Sizes n(s);
    s.batch = batch;
    Guarded x(batch * n.x, 0);
    Guarded y(batch * n.y, 0);
    x.Fill(generator_);
    y.Fill(generator_);
    Guarded scratch(kernels_->scratch(s), NAN);
    Guarded out(batch * n.y, 0);
    Guarded in(batch * n.x, 0);
    Guarded dw(batch * n.w, 0);
    kernels_->forward(s, x.data(), forward, {}, out.data(), scratch.data());
    kernels_->input(s, y.data(), input, in.data(), scratch.data());
    kernels_->weight(s, x.data(), y.data(), {dw.data(), n.w}, nullptr, scratch.data());
    s.batch = 1;
    std::vector<float> other(kernels_->scratch(s) + 3, 7.0F);
    for (std::size_t e = 0; e < batch; ++e) {
      std::vector<float> result(std::max({n.x, n.y, n.w}));
      const auto same = [&](const Guarded& group, std::size_t size) {
        return std::memcmp(group.data() + e * size, result.data(), size * sizeof(float)) == 0;
      };
      float* const memory = other.data() + e % 4;
      kernels_->forward(s, x.data() + e * n.x, forward, {}, result.data(), memory);
      EXPECT_TRUE(same(out, n.y)) << "forward " << e;
      kernels_->input(s, y.data() + e * n.y, input, result.data(), memory);
      EXPECT_TRUE(same(in, n.x)) << "input " << e;
      kernels_->weight(s, x.data() + e * n.x, y.data() + e * n.y, {result.data(), n.w}, nullptr,
                       memory);
      EXPECT_TRUE(same(dw, n.w)) << "weight " << e;
    }
  }

  const ConvolutionKernels* kernels_ = nullptr;
  std::mt19937 generator_{1234};
};

}  // namespace anchorhold::simd
