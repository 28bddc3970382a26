#include <algorithm>
#include <cstring>

#include "trusted/engine/program.h"
#include "trusted/engine/run_moving.h"
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
                                  Reals(step.in[1], frame, e) + first * of_b,
                                  {frame.scratch, weights}, nullptr, scratch);
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
    const simd::WeightResults results{out, step.out[0].stride / sizeof(float), step.by_taps,
                                      step.far};
    kernels.convolution->weight(shape, a, b, results, squares, frame.scratch);
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
  if (shape.clip || shape.silu) inputs.shift = Reals(step.in[4], frame);
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
    case StepKind::kTake:
    case StepKind::kSumRows:
    case StepKind::kPut:
    case StepKind::kConcat:
    case StepKind::kPad:
    case StepKind::kFold:
    case StepKind::kMove:
      return RunMoving(step, tables, kernels, frame);
  }
}

}  // namespace anchorhold::engine
