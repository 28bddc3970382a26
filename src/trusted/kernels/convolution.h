// Convolution and its two adjoints, naively: three bilinear maps over the same triples.
//
// With x [N, G C, in..], w [G M, C, kernel..], y [N, G M, out..], for each group (m and c count
// within the group's share of the channels) and all (o, k, i) that meet (window.h):
//
//   Convolution        y[n, m, o] = sum over c, k   of  w[m, c, k] x[n, c, i]
//   ConvolutionInput   x[n, c, i] = sum over m, k   of  w[m, c, k] y[n, m, o]
//   ConvolutionWeight  w[m, c, k] = sum over n, o   of  y[n, m, o] x[n, c, i]
//
// <g, Convolution(x, w)> = <x, ConvolutionInput(g, w)> = <w, ConvolutionWeight(x, g)>: the gradient
// of each map is made of the other two. Sums run in index order, taps outermost; the error of a sum
// of n terms is at most n ulp of the sum of their magnitudes.
//
// Each of the three visits a triple once, so its work is at most the number of its results times
// the number of the elements of either operand.
#pragma once

#include "trusted/kernels/window.h"

namespace anchorhold::kernels {

struct ConvolutionShape {
  std::size_t batch = 1;
  std::size_t groups = 1;
  std::size_t in_channels = 1;   // C, of one group
  std::size_t out_channels = 1;  // M, of one group
  Windows windows;
};

template <typename T>
void Convolution(const ConvolutionShape& shape, const T* x, const T* w, T* y);
template <typename T>
void ConvolutionInput(const ConvolutionShape& shape, const T* y, const T* w, T* x);
template <typename T>
void ConvolutionWeight(const ConvolutionShape& shape, const T* x, const T* y, T* w);

}  // namespace anchorhold::kernels
