#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>

#include "trusted/engine/program.h"
#include "trusted/kernels/convert.h"

namespace anchorhold::engine {
namespace {

simd::Epilogue EpilogueOf(const Step& step, const Frame& frame, bool by_row) {
  simd::Epilogue epilogue;
  if (step.has_bias) {
    (by_row ? epilogue.row_bias : epilogue.column_bias) = Reals(step.in[2], frame);
  }
  epilogue.clip = step.clip;
  epilogue.low = step.low;
  epilogue.high = step.high;
  return epilogue;
}

// The product or batch of products of a whole group.
struct GroupProduct {
  simd::GemmShape shape;
  simd::GemmBatch batch;
};
GroupProduct ProductOf(const Step& step, std::size_t examples) {
  GroupProduct product{step.gemm, step.batch};
  if (step.fold_rows) {
    product.shape.rows *= examples;
  } else {
    product.batch.count *= examples;
  }
  return product;
}

void RunMatMul(const Step& step, const Kernels& kernels, const Frame& frame) {
  const GroupProduct product = ProductOf(step, frame.examples);
  const float* a = Reals(step.in[0], frame);
  const float* b = Reals(step.in[1], frame);
  float* c = Reals(step.out[0], frame);
  const simd::Epilogue epilogue = EpilogueOf(step, frame, false);
  if (product.batch.count == 1) {
    kernels.gemm->multiply(product.shape, a, b, epilogue, c, frame.scratch);
  } else {
    kernels.gemm->multiply_batch(product.shape, product.batch, a, b, epilogue, c, frame.scratch);
  }
}

// How many of an example's images are worked off together for their weights' gradients, which lie
// in scratch memory before they are added up.
std::size_t ImagesAtOnce(const Step& step) {
  constexpr std::size_t kMost = 8;
  constexpr std::size_t kFloats = std::size_t{1} << 20;
  const std::size_t fit = kFloats / std::max<std::size_t>(step.out[0].size, 1);
  return std::clamp<std::size_t>(fit, 1, std::min(kMost, step.convolution.batch));
}

void RunWeightOfImages(const Step& step, const Kernels& kernels, const Frame& frame) {
  const std::size_t images = step.convolution.batch;
  const std::size_t weights = step.out[0].size;
  const std::size_t of_a = step.in[0].size / images;
  const std::size_t of_b = step.in[1].size / images;
  const std::size_t most = ImagesAtOnce(step);
  float* scratch = frame.scratch + most * weights;
  kernels::ConvolutionShape shape = step.convolution;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t first = 0; first < images; first += most) {
      shape.batch = std::min(most, images - first);
      kernels.convolution->weight(shape, Reals(step.in[0], frame, e) + first * of_a,
                                  Reals(step.in[1], frame, e) + first * of_b, weights,
                                  frame.scratch, nullptr, scratch);
      for (std::size_t i = 0; i < shape.batch; ++i) {
        const float* own = frame.scratch + i * weights;
        if (first + i == 0) {
          std::memcpy(out, own, weights * sizeof(float));
        } else {
          kernels.sums->add_scaled(weights, own, 1, out);
        }
      }
    }
  }
}

std::size_t ScratchOfImages(const Step& step, const Kernels& kernels) {
  std::size_t most = 0;
  kernels::ConvolutionShape shape = step.convolution;
  for (shape.batch = 1; shape.batch <= ImagesAtOnce(step); ++shape.batch) {
    most = std::max(most, kernels.convolution->scratch(shape));
  }
  return ImagesAtOnce(step) * step.out[0].size + most;
}

void RunConvolution(const Step& step, const Kernels& kernels, const Frame& frame) {
  if (step.kind == StepKind::kConvolutionWeight && step.convolution.batch > 1) {
    return RunWeightOfImages(step, kernels, frame);
  }
  kernels::ConvolutionShape shape = step.convolution;
  shape.batch *= frame.examples;
  const float* a = Reals(step.in[0], frame);
  const float* b = Reals(step.in[1], frame);
  float* out = Reals(step.out[0], frame);
  const simd::Filter filter{b, step.packed};
  if (step.kind == StepKind::kConvolution) {
    kernels.convolution->forward(shape, a, filter, EpilogueOf(step, frame, true), out,
                                 frame.scratch);
  } else if (step.kind == StepKind::kConvolutionInput) {
    kernels.convolution->input(shape, a, filter, out, frame.scratch);
  } else {
    auto* squares =
        step.has_second ? reinterpret_cast<double*>(At(step.out[1], frame, 0)) : nullptr;
    kernels.convolution->weight(shape, a, b, step.out[0].stride / sizeof(float), out, squares,
                                frame.scratch);
  }
}

simd::PointProgram PointProgramOf(const Points& points, const StepTables& tables,
                                  std::size_t examples) {
  simd::PointProgram program;
  program.axes = points.axes;
  program.sizes = points.sizes;
  program.sizes[0] = points.examples_merged ? points.sizes[0] * examples : examples;
  program.inputs = tables.point_inputs.subspan(points.first_input, points.inputs);
  program.instructions = tables.instructions.subspan(points.first_instruction, points.instructions);
  program.outputs = tables.output_registers.subspan(points.first_output, points.outputs);
  return program;
}

void RunPointwise(const Step& step, const StepTables& tables, const Kernels& kernels,
                  const Frame& frame) {
  const Points& points = tables.points[step.index];
  const simd::PointProgram program = PointProgramOf(points, tables, frame.examples);
  const float* inputs[simd::kPointRegistersMax];
  float* outputs[simd::kPointRegistersMax];
  for (std::size_t i = 0; i < points.inputs; ++i) {
    inputs[i] = Reals(tables.point_operands[points.first_input + i], frame);
  }
  for (std::size_t i = 0; i < points.outputs; ++i) {
    outputs[i] = Reals(tables.output_operands[points.first_output + i], frame);
  }
  kernels.pointwise->run(program, inputs, outputs, frame.scratch);
}

void RunNormalise(const Step& step, const Kernels& kernels, const Frame& frame) {
  simd::NormaliseAffineShape shape = step.normalise;
  shape.outer *= frame.examples;
  kernels.rows->normalise(shape, Reals(step.in[0], frame),
                          step.has_affine ? Reals(step.in[1], frame) : nullptr,
                          step.has_affine ? Reals(step.in[2], frame) : nullptr,
                          Reals(step.out[0], frame), Reals(step.out[1], frame));
}

void RunNormaliseGrad(const Step& step, const Kernels& kernels, const Frame& frame) {
  simd::NormaliseAffineShape shape = step.normalise;
  shape.positions = shape.outer;  // the sums are one example's
  shape.outer *= frame.examples;
  simd::NormaliseGradInputs inputs;
  inputs.x = Reals(step.in[0], frame);
  inputs.stats = Reals(step.in[1], frame);
  if (step.has_affine) inputs.scale = Reals(step.in[2], frame);
  inputs.g = Reals(step.in[3], frame);
  if (shape.clip) inputs.y = Reals(step.in[4], frame);
  if (shape.silu) inputs.shift = Reals(step.in[4], frame);
  kernels.rows->normalise_grad(shape, inputs, Reals(step.out[0], frame),
                               step.has_second ? Reals(step.out[1], frame) : nullptr,
                               step.has_second ? Reals(step.out[2], frame) : nullptr);
}

void RunSoftmax(const Step& step, const Kernels& kernels, const Frame& frame) {
  simd::SoftmaxShape shape = step.softmax;
  shape.outer *= frame.examples;
  if (step.kind == StepKind::kSoftmax) {
    kernels.rows->softmax(shape, Reals(step.in[0], frame), Reals(step.out[0], frame));
  } else {
    kernels.rows->softmax_grad(shape, Reals(step.in[0], frame), Reals(step.in[1], frame),
                               Reals(step.out[0], frame));
  }
}

void RunPool(const Step& step, const Kernels& kernels, const Frame& frame) {
  const std::size_t planes = step.outer * frame.examples;
  const kernels::Windows& windows = step.convolution.windows;
  const float* x = Reals(step.in[0], frame);
  float* out = Reals(step.out[0], frame);
  switch (step.kind) {
    case StepKind::kMaxPool:
      return kernels.rows->max_pool(planes, windows, x, out);
    case StepKind::kMaxPoolGrad:
      return kernels.rows->max_pool_grad(planes, windows, x, Reals(step.in[1], frame), out);
    case StepKind::kAveragePool:
      return kernels.rows->average_pool(planes, windows, step.divisor, x, out);
    default:
      return kernels.rows->average_pool_grad(planes, windows, step.divisor, x, out);
  }
}

void RunPermute(const Step& step, const Kernels& kernels, const Frame& frame) {
  std::size_t sizes[kPermuteAxesMax + 1] = {frame.examples};
  std::size_t strides[kPermuteAxesMax + 1] = {step.in[0].stride / sizeof(float)};
  for (std::size_t k = 0; k < step.axes; ++k) {
    sizes[k + 1] = step.sizes[k];
    strides[k + 1] = step.strides[k];
  }
  kernels.rows->permute(step.axes + 1, sizes, strides, Reals(step.in[0], frame) + step.n,
                        Reals(step.out[0], frame));
}

// Row `given` of `rows`, those below 0 from the end; `rows` for what is out of range.
std::size_t RowOf(std::int64_t given, std::size_t rows) {
  const auto count = static_cast<std::int64_t>(rows);
  const std::int64_t row = given < 0 ? given + count : given;
  return row >= 0 && row < count ? static_cast<std::size_t>(row) : rows;
}

// Addresses follow the indices, here and below: docs/side-channels.md.
void GatherRows(std::span<const std::int64_t> indices, const float* table, std::size_t rows,
                std::size_t width, float* out) {
  for (const std::int64_t given : indices) {
    const std::size_t row = RowOf(given, rows);
    if (row == rows) {
      std::fill_n(out, width, std::numeric_limits<float>::quiet_NaN());
    } else if (width == 1) {
      *out = table[row];
    } else {
      std::memcpy(out, table + row * width, width * sizeof(float));
    }
    out += width;
  }
}

std::span<const std::int64_t> Indices(const Step& step, const Frame& frame, std::size_t e) {
  return {reinterpret_cast<const std::int64_t*>(At(step.in[1], frame, e)), step.in[1].size};
}

void RunGatherRows(const Step& step, const Frame& frame) {
  const float* table = Reals(step.in[0], frame);
  for (std::size_t e = 0; e < frame.examples; ++e) {
    GatherRows(Indices(step, frame, e), table, step.n, step.inner, Reals(step.out[0], frame, e));
  }
}

void RunTake(const Step& step, const Frame& frame) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t o = 0; o < step.outer; ++o) {
      GatherRows(Indices(step, frame, e), from, step.n, step.inner, out);
      from += step.n * step.inner;
      out += step.sizes[0] * step.inner;
    }
  }
}

void RunPut(const Step& step, const Frame& frame) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const std::span<const std::int64_t> indices = Indices(step, frame, e);
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    std::fill_n(out, step.out[0].size, 0.0F);
    for (std::size_t o = 0; o < step.outer; ++o, out += step.n * step.inner) {
      for (std::size_t i = 0; i < indices.size(); ++i, from += step.inner) {
        const std::size_t row = RowOf(indices[i], step.n);
        if (row == step.n) continue;
        float* to = out + row * step.inner;
        for (std::size_t k = 0; k < step.inner; ++k) to[k] += from[k];
      }
    }
  }
}

void RunSumRows(const Step& step, const Kernels& kernels, const Frame& frame) {
  const simd::TableOfRows table{Reals(step.in[0], frame), step.n, step.inner};
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const auto* indices = reinterpret_cast<const std::int64_t*>(At(step.in[1], frame, e));
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t i = 0; i < step.outer; ++i, indices += step.sizes[0], out += step.inner) {
      kernels.rows->sum_rows(table, step.sizes[0], indices, out);
    }
  }
}

void RunConcat(const Step& step, const StepTables& tables, const Frame& frame) {
  const std::span<const Operand> parts = tables.point_operands.subspan(step.index, step.n);
  const std::size_t width = step.out[0].size / step.outer;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    float* to = Reals(step.out[0], frame, e);
    for (const Operand& part : parts) {
      const std::size_t own = part.size / step.outer;
      const float* from = Reals(part, frame, e);
      for (std::size_t o = 0; o < step.outer; ++o) {
        std::memcpy(to + o * width, from + o * own, own * sizeof(float));
      }
      to += own;
    }
  }
}

void RunPad(const Step& step, const Frame& frame) {
  const std::size_t width = step.sizes[0] + step.inner + step.sizes[1];
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* to = Reals(step.out[0], frame, e);
    for (std::size_t o = 0; o < step.outer; ++o, from += step.inner, to += width) {
      std::fill_n(to, step.sizes[0], step.low);
      std::memcpy(to + step.sizes[0], from, step.inner * sizeof(float));
      std::fill_n(to + step.sizes[0] + step.inner, step.sizes[1], step.low);
    }
  }
}

void RunFold(const Step& step, const Kernels& kernels, const Frame& frame) {
  const auto [outputs, channels, taps, run] =
      std::tie(step.sizes[0], step.sizes[1], step.sizes[2], step.sizes[3]);
  const auto [stride, rows, dilation, pad] =
      std::tie(step.strides[0], step.strides[1], step.strides[2], step.strides[3]);
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const float* from = Reals(step.in[0], frame, e);
    float* out = Reals(step.out[0], frame, e);
    std::fill_n(out, step.out[0].size, 0.0F);
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        for (std::size_t k = 0; k < taps; ++k, from += run) {
          const std::size_t row = o * stride + k * dilation - pad;  // wraps around below 0
          if (row >= rows) continue;
          kernels.sums->add_scaled(run, from, 1, out + (channel * rows + row) * run);
        }
      }
    }
  }
}

void RunMove(const Step& step, const Frame& frame) {
  constexpr std::int64_t kElement = (std::int64_t{1} << kMoveInputShift) - 1;
  const auto* places = reinterpret_cast<const std::int64_t*>(At(step.in[kMoveInputsMax], frame));
  const std::size_t examples = step.out[0].space == Space::kArena ? frame.examples : 1;
  for (std::size_t e = 0; e < examples; ++e) {
    const float* from[kMoveInputsMax];
    for (std::size_t i = 0; i < kMoveInputsMax; ++i) from[i] = Reals(step.in[i], frame, e);
    float* out = Reals(step.out[0], frame, e);
    for (std::size_t i = 0; i < step.in[kMoveInputsMax].size; ++i) {
      const std::int64_t place = places[i];
      const float x = place < 0 ? 0.0F : from[place >> kMoveInputShift][place & kElement];
      out[i] = step.has_second ? 0.0F + x : x;
    }
  }
}

}  // namespace

Kernels KernelsFor(simd::Target target) {
  return {simd::GemmKernelsFor(target), simd::ConvolutionKernelsFor(target),
          simd::PointwiseKernelsFor(target), simd::RowKernelsFor(target),
          simd::SumKernelsFor(target)};
}

std::size_t ScratchOf(const Step& step, const StepTables& tables, const Kernels& kernels,
                      std::size_t examples) {
  switch (step.kind) {
    case StepKind::kMatMul:
      return kernels.gemm->scratch(ProductOf(step, examples).shape);
    case StepKind::kConvolution:
    case StepKind::kConvolutionInput:
    case StepKind::kConvolutionWeight: {
      kernels::ConvolutionShape shape = step.convolution;
      if (step.kind == StepKind::kConvolutionWeight && shape.batch > 1) {
        return ScratchOfImages(step, kernels);
      }
      shape.batch *= examples;
      return kernels.convolution->scratch(shape);
    }
    case StepKind::kPointwise:
      return kernels.pointwise->scratch(
          PointProgramOf(tables.points[step.index], tables, examples));
    default:
      return 0;
  }
}

// A smaller group may need more than a full one: blocks are then cut otherwise. The last group of
// a batch has any size.
std::size_t ScratchOfAll(std::span<const Step> steps, const StepTables& tables,
                         const Kernels& kernels, std::size_t group) {
  std::size_t most = 0;
  for (const Step& step : steps) {
    for (std::size_t examples = 1; examples <= group; ++examples) {
      most = std::max(most, ScratchOf(step, tables, kernels, examples));
    }
  }
  return most;
}

void LoadInput(const Operand& input, bool real, const float* row, const Frame& frame,
               std::size_t example) {
  if (real) {
    std::memcpy(At(input, frame, example), row, input.size * sizeof(float));
    return;
  }
  auto* to = reinterpret_cast<std::int64_t*>(At(input, frame, example));
  for (std::size_t i = 0; i < input.size; ++i) to[i] = kernels::ToInteger(row[i]);
}

void RunStep(const Step& step, const StepTables& tables, const Kernels& kernels,
             const Frame& frame) {
  switch (step.kind) {
    case StepKind::kNaive:
      return tables.run_naive(tables.context, step, frame);
    case StepKind::kMatMul:
      return RunMatMul(step, kernels, frame);
    case StepKind::kConvolution:
    case StepKind::kConvolutionInput:
    case StepKind::kConvolutionWeight:
      return RunConvolution(step, kernels, frame);
    case StepKind::kPackFilter:
      return kernels.convolution->pack(step.convolution, step.map, Reals(step.in[0], frame),
                                       Reals(step.out[0], frame));
    case StepKind::kPointwise:
      return RunPointwise(step, tables, kernels, frame);
    case StepKind::kNormalise:
      return RunNormalise(step, kernels, frame);
    case StepKind::kNormaliseGrad:
      return RunNormaliseGrad(step, kernels, frame);
    case StepKind::kSoftmax:
    case StepKind::kSoftmaxGrad:
      return RunSoftmax(step, kernels, frame);
    case StepKind::kSum:
      return kernels.rows->sum(
          step.outer * frame.examples, step.n, step.inner, Reals(step.in[0], frame),
          step.has_second ? Reals(step.in[1], frame) : nullptr, Reals(step.out[0], frame));
    case StepKind::kMaxPool:
    case StepKind::kMaxPoolGrad:
    case StepKind::kAveragePool:
    case StepKind::kAveragePoolGrad:
      return RunPool(step, kernels, frame);
    case StepKind::kPermute:
      return RunPermute(step, kernels, frame);
    case StepKind::kGatherRows:
      return RunGatherRows(step, frame);
    case StepKind::kSumRows:
      return RunSumRows(step, kernels, frame);
    case StepKind::kTake:
      return RunTake(step, frame);
    case StepKind::kPut:
      return RunPut(step, frame);
    case StepKind::kConcat:
      return RunConcat(step, tables, frame);
    case StepKind::kPad:
      return RunPad(step, frame);
    case StepKind::kFold:
      return RunFold(step, kernels, frame);
    case StepKind::kMove:
      return RunMove(step, frame);
  }
}

}  // namespace anchorhold::engine
