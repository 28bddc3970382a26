// Copies of the image's records field by field: what lies between the fields of a record in memory
// is left over from whatever was there before, and would make each library a different file.
//
// Fields(record) names all of a record's fields; a record that gains one no longer compiles here.
#pragma once

#include <array>
#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

#include "client/runtime/image.h"

namespace anchorhold::client {

template <typename T, typename Record>
concept Holds = std::same_as<std::remove_const_t<T>, Record>;

template <typename T>
inline constexpr bool kIsTable = false;
template <typename T>
inline constexpr bool kIsTable<runtime::Table<T>> = true;

template <typename T>
requires kIsTable<std::remove_const_t<T>>
auto Fields(T& record) {
  auto& [offset, count] = record;
  return std::tie(offset, count);
}

auto Fields(Holds<engine::Operand> auto& record) {
  auto& [space, offset, stride, size] = record;
  return std::tie(space, offset, stride, size);
}

auto Fields(Holds<simd::GemmShape> auto& record) {
  auto& [rows, inner, columns, transpose_a, transpose_b, lda, ldb, ldc, accumulate, tiles] = record;
  return std::tie(rows, inner, columns, transpose_a, transpose_b, lda, ldb, ldc, accumulate, tiles);
}

auto Fields(Holds<simd::GemmBatch> auto& record) {
  auto& [count, stride_a, stride_b, stride_c] = record;
  return std::tie(count, stride_a, stride_b, stride_c);
}

auto Fields(Holds<simd::OuterShape> auto& record) {
  auto& [examples, positions, p, d, ldg, lda] = record;
  return std::tie(examples, positions, p, d, ldg, lda);
}

auto Fields(Holds<kernels::WindowAxis> auto& record) {
  auto& [in, out, kernel, stride, dilation, pad, pad_end] = record;
  return std::tie(in, out, kernel, stride, dilation, pad, pad_end);
}

auto Fields(Holds<kernels::Windows> auto& record) {
  auto& [axes, axis] = record;
  return std::tie(axes, axis);
}

auto Fields(Holds<kernels::ConvolutionShape> auto& record) {
  auto& [batch, groups, in_channels, out_channels, windows] = record;
  return std::tie(batch, groups, in_channels, out_channels, windows);
}

auto Fields(Holds<simd::NormaliseAffineShape> auto& record) {
  auto& [outer, groups, channels, inner, mode, eps, clip, low, high, silu, positions] = record;
  return std::tie(outer, groups, channels, inner, mode, eps, clip, low, high, silu, positions);
}

auto Fields(Holds<simd::SoftmaxShape> auto& record) {
  auto& [outer, n, inner, log] = record;
  return std::tie(outer, n, inner, log);
}

auto Fields(Holds<engine::Step> auto& record) {
  auto& [kind, index, in, out, has_bias, has_second, has_affine, clip, low, high, gemm, batch,
         fold_rows, convolution, map, packed, by_taps, far, divisor, normalise, softmax, outer, n,
         inner, axes, sizes, strides] = record;
  return std::tie(kind, index, in, out, has_bias, has_second, has_affine, clip, low, high, gemm,
                  batch, fold_rows, convolution, map, packed, by_taps, far, divisor, normalise,
                  softmax, outer, n, inner, axes, sizes, strides);
}

auto Fields(Holds<engine::Points> auto& record) {
  auto& [axes, sizes, examples_merged, first_input, inputs, first_instruction, instructions,
         first_output, outputs] = record;
  return std::tie(axes, sizes, examples_merged, first_input, inputs, first_instruction,
                  instructions, first_output, outputs);
}

auto Fields(Holds<simd::PointInput> auto& record) {
  auto& [strides] = record;
  return std::tie(strides);
}

auto Fields(Holds<simd::PointInstruction> auto& record) {
  auto& [op, dst, a, b, alpha, beta, c] = record;
  return std::tie(op, dst, a, b, alpha, beta, c);
}

auto Fields(Holds<engine::TapOrder> auto& record) {
  auto& [channels, taps] = record;
  return std::tie(channels, taps);
}

auto Fields(Holds<engine::GradientSum> auto& record) {
  auto& [method, offset, numbers, gradient, other, raw, squares, outer, order, table_rows,
         repeated] = record;
  return std::tie(method, offset, numbers, gradient, other, raw, squares, outer, order, table_rows,
                  repeated);
}

auto Fields(Holds<runtime::InputPlan> auto& record) {
  auto& [real, used, operand] = record;
  return std::tie(real, used, operand);
}

auto Fields(Holds<runtime::LossPlan> auto& record) {
  auto& [kind, ignores, ignored, label_smoothing, huber_delta, weights] = record;
  return std::tie(kind, ignores, ignored, label_smoothing, huber_delta, weights);
}

auto Fields(Holds<runtime::Image> auto& record) {
  auto& [mode, clipping, group, parameter_count, input_width, label_width, arena_bytes,
         shared_bytes, loss, result, seed, prologue, forward, backward, points, point_inputs,
         point_operands, instructions, output_registers, output_operands, inputs, sums, reals,
         integers, shared, parameters] = record;
  return std::tie(mode, clipping, group, parameter_count, input_width, label_width, arena_bytes,
                  shared_bytes, loss, result, seed, prologue, forward, backward, points,
                  point_inputs, point_operands, instructions, output_registers, output_operands,
                  inputs, sums, reals, integers, shared, parameters);
}

template <typename T>
inline constexpr bool kIsArray = false;
template <typename T, std::size_t size>
inline constexpr bool kIsArray<std::array<T, size>> = true;

template <typename T>
void CopyFields(const T& from, T& to) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    to = from;
  } else if constexpr (kIsArray<T>) {
    for (std::size_t i = 0; i < from.size(); ++i) CopyFields(from[i], to[i]);
  } else {
    const auto source = Fields(from);
    const auto goal = Fields(to);
    [&]<std::size_t... index>(std::index_sequence<index...>) {
      (CopyFields(std::get<index>(source), std::get<index>(goal)), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<decltype(source)>>());
  }
}

}  // namespace anchorhold::client
