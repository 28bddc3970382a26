// What a test of pointwise.h compares with: the naive kernels, and what each operation may differ
// from them by.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "trusted/kernels/elementwise.h"
#include "trusted/simd/pointwise.h"

namespace anchorhold::simd {

// y = a sigmoid(a), and g times its derivative.
template <typename T>
void ReferenceOfSilu(const T* a, std::size_t n, T* y) {
  kernels::Sigmoid(a, n, y);
  for (std::size_t i = 0; i < n; ++i) y[i] *= a[i];
}
template <typename T>
void ReferenceOfSiluGrad(const T* a, const T* g, std::size_t n, T* y) {
  kernels::Sigmoid(a, n, y);
  for (std::size_t i = 0; i < n; ++i) y[i] = g[i] * (y[i] + a[i] * y[i] * (1 - y[i]));
}

// y = op(a) for operations of one operand.
template <typename T>
void ReferenceOfOne(const PointInstruction& instruction, const T* a, std::size_t n, T* y) {
  namespace k = kernels;
  const auto alpha = static_cast<T>(instruction.alpha);
  const auto beta = static_cast<T>(instruction.beta);
  switch (instruction.op) {
    case PointOp::kNeg:
      return k::Neg(a, n, y);
    case PointOp::kExp:
      return k::Exp(a, n, y);
    case PointOp::kLog:
      return k::Log(a, n, y);
    case PointOp::kSqrt:
      return k::Sqrt(a, n, y);
    case PointOp::kTanh:
      return k::Tanh(a, n, y);
    case PointOp::kSigmoid:
      return k::Sigmoid(a, n, y);
    case PointOp::kAbs:
      return k::Apply(k::Function::kAbs, a, n, y);
    case PointOp::kSign:
      return k::Apply(k::Function::kSign, a, n, y);
    case PointOp::kErf:
      return k::Apply(k::Function::kErf, a, n, y);
    case PointOp::kErfSlope:
      return k::Apply(k::Function::kErfSlope, a, n, y);
    case PointOp::kSoftplus:
      return k::Apply(k::Function::kSoftplus, a, n, y);
    case PointOp::kScale:
      return k::Scale(a, n, alpha, beta, y);
    case PointOp::kLeakyRelu:
      return k::LeakyRelu(a, n, alpha, y);
    case PointOp::kClip:
      return k::Clip(a, n, alpha, beta, y);
    case PointOp::kElu:
      return k::Elu(a, n, alpha, beta, y);
    case PointOp::kGeluErf:
      return k::Gelu(a, n, y);
    case PointOp::kGeluTanh:
      return k::GeluTanh(a, n, y);
    case PointOp::kSilu:
      return ReferenceOfSilu(a, n, y);
    default:  // a copy
      for (std::size_t i = 0; i < n; ++i) y[i] = a[i];
  }
}

template <typename T>
T ReferenceOfNumbers(PointOp op, T a, T b) {
  switch (op) {
    case PointOp::kAdd:
      return a + b;
    case PointOp::kSub:
      return a - b;
    case PointOp::kMul:
      return a * b;
    case PointOp::kDiv:
      return a / b;
    case PointOp::kMax:
      return a > b || std::isnan(a) ? a : b;
    case PointOp::kMaxShare:
      return a > b || std::isnan(a) ? T(1) : a == b ? T(0.5) : T(0);
    case PointOp::kEqual:
      return a == b ? T(1) : T(0);
    case PointOp::kLess:
      return a < b ? T(1) : T(0);
    case PointOp::kLessOrEqual:
      return a <= b ? T(1) : T(0);
    case PointOp::kKeep:
      return a != T(0) ? b : T(0);
    case PointOp::kDrop:
      return a == T(0) ? b : T(0);
    default:  // the lesser
      return a < b || std::isnan(a) ? a : b;
  }
}

// y = op(a, b) for operations of two.
template <typename T>
void ReferenceOfTwo(const PointInstruction& instruction, const T* a, const T* b, std::size_t n,
                    T* y) {
  namespace k = kernels;
  const auto alpha = static_cast<T>(instruction.alpha);
  const auto beta = static_cast<T>(instruction.beta);
  switch (instruction.op) {
    case PointOp::kLeakyReluGrad:
      return k::LeakyReluGrad(a, b, n, alpha, y);
    case PointOp::kClipGrad:
      return k::ClipGrad(a, b, n, alpha, beta, y);
    case PointOp::kSigmoidGrad:
      return k::SigmoidGrad(a, b, n, y);
    case PointOp::kTanhGrad:
      return k::TanhGrad(a, b, n, y);
    case PointOp::kEluGrad:
      return k::EluGrad(a, b, n, alpha, beta, y);
    case PointOp::kGeluErfGrad:
      return k::GeluGrad(a, b, n, y);
    case PointOp::kGeluTanhGrad:
      return k::GeluTanhGrad(a, b, n, y);
    case PointOp::kSiluGrad:
      return ReferenceOfSiluGrad(a, b, n, y);
    default:
      for (std::size_t i = 0; i < n; ++i) y[i] = ReferenceOfNumbers(instruction.op, a[i], b[i]);
  }
}

template <typename T>
std::vector<T> Reference(const PointInstruction& instruction, const std::vector<T>& a,
                         const std::vector<T>& b) {
  std::vector<T> y(a.size());
  if (instruction.op < PointOp::kLeakyReluGrad) {
    ReferenceOfOne(instruction, a.data(), a.size(), y.data());
  } else {
    ReferenceOfTwo(instruction, a.data(), b.data(), a.size(), y.data());
  }
  return y;
}

struct OpCase {
  PointOp op;
  float alpha;
  float beta;
  double ulps;  // relative bound; 0: the same bits as the naive kernel in float
  double by_b;  // absolute bound, a multiple of 2^-23 |b|
  double by_a;  // relative bound that grows with |a|: the condition of an exponential
};
inline constexpr OpCase kCases[] = {
    {PointOp::kCopy, 0, 0, 0, 0, 0},          {PointOp::kNeg, 0, 0, 0, 0, 0},
    {PointOp::kAbs, 0, 0, 0, 0, 0},           {PointOp::kSign, 0, 0, 0, 0, 0},
    {PointOp::kExp, 0, 0, 1.1, 0, 0},         {PointOp::kLog, 0, 0, 1, 0, 0},
    {PointOp::kSqrt, 0, 0, 0, 0, 0},          {PointOp::kTanh, 0, 0, 3, 0, 0},
    {PointOp::kSigmoid, 0, 0, 3, 0, 0},       {PointOp::kErf, 0, 0, 7, 0, 0},
    {PointOp::kErfSlope, 0, 0, 2.5, 0, 0},    {PointOp::kSoftplus, 0, 0, 3, 0, 0},
    {PointOp::kScale, -1.5F, 0, 0, 0, 0},     {PointOp::kScale, 0.75F, 4096, 2, 0, 1},
    {PointOp::kLeakyRelu, 0, 0, 0, 0, 0},     {PointOp::kLeakyRelu, 0.01F, 0, 0, 0, 0},
    {PointOp::kClip, -0.5F, 6, 0, 0, 0},      {PointOp::kClip, 2, 1, 0, 0, 0},
    {PointOp::kElu, 1, 1, 3, 0, 0},           {PointOp::kElu, 1.6732632F, 0.7F, 6, 0, 0},
    {PointOp::kGeluErf, 0, 0, 7, 0, 0},       {PointOp::kGeluTanh, 0, 0, 8, 0, 20},
    {PointOp::kLeakyReluGrad, 0, 0, 0, 0, 0}, {PointOp::kLeakyReluGrad, 0.2F, 0, 0, 0, 0},
    {PointOp::kClipGrad, 0, 6, 0, 0, 0},      {PointOp::kSigmoidGrad, 0, 0, 4, 0, 0},
    {PointOp::kTanhGrad, 0, 0, 4, 1, 0},      {PointOp::kEluGrad, 1, 1, 4, 0, 2},
    {PointOp::kEluGrad, 2, 0.5F, 4, 0, 6},    {PointOp::kGeluErfGrad, 0, 0, 4, 4, 0},
    {PointOp::kGeluTanhGrad, 0, 0, 4, 8, 0},  {PointOp::kAdd, 0, 0, 0, 0, 0},
    {PointOp::kSub, 0, 0, 0, 0, 0},           {PointOp::kMul, 0, 0, 0, 0, 0},
    {PointOp::kDiv, 0, 0, 0, 0, 0},           {PointOp::kMax, 0, 0, 0, 0, 0},
    {PointOp::kMin, 0, 0, 0, 0, 0},           {PointOp::kSilu, 0, 0, 4, 0, 0.75},
    {PointOp::kSiluGrad, 0, 0, 4, 4, 0},      {PointOp::kMaxShare, 0, 0, 0, 0, 0},
    {PointOp::kEqual, 0, 0, 0, 0, 0},         {PointOp::kLess, 0, 0, 0, 0, 0},
    {PointOp::kLessOrEqual, 0, 0, 0, 0, 0},   {PointOp::kKeep, 0, 0, 0, 0, 0},
    {PointOp::kDrop, 0, 0, 0, 0, 0},
};

}  // namespace anchorhold::simd
