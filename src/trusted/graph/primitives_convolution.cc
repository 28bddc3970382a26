// Conv, ConvInput and ConvWeight, the three maps of kernels/convolution.h. With x [N, G C, in..],
// w [G M, C, kernel..], y [N, G M, out..] and their window (its groups being G):
//   Conv(x, w) = y             dims: out..
//   ConvInput(y, w) = x        dims: in..      ONNX's ConvTranspose
//   ConvWeight(x, y) = w       the kernel's sizes are the window's
// The sizes are stated, not computed: outputs that no input meets are 0, so that a rounded size or
// a ConvTranspose's additional padding needs no case of its own. Where one of the maps is linear in
// an operand, the gradient is another one of them.
//
// Examples: axis 0 of x and y is the batch. The channels and the positions are summed over, and so
// is the batch in ConvWeight, which therefore occurs in gradients of one example only.
#include "trusted/graph/autodiff.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/windows.h"
#include "trusted/kernels/convolution.h"

namespace anchorhold::graph::primitives {
namespace {

Status CheckExamples(const ValueType& x) {
  if (!x.has_examples() || x.example_axis == 0) return Ok();
  const std::string axis = "axis " + std::to_string(x.example_axis) + " of " + FormatType(x);
  if (x.example_axis == 1) {
    return PrivacyRefused(axis +
                          " holds the examples where a convolution has its channels, which it sums "
                          "over, so examples would mix; keep the examples at axis 0");
  }
  return PrivacyRefused(
      axis +
      " holds the examples where a convolution slides its window, so neighbouring "
      "examples would mix; keep the examples at axis 0");
}

Status CheckFilter(const ValueType& w) {
  if (!w.has_examples()) return Ok();
  return PrivacyRefused("the filter " + FormatType(w) +
                        " depends on the examples, so each example would be filtered by the "
                        "others'; filter with a weight of the model");
}

Status CheckRanks(const ValueType& image, const ValueType& w, const Attributes& attributes) {
  AH_RETURN_IF_ERROR(CheckSpatial(image));
  AH_RETURN_IF_ERROR(CheckExamples(image));
  AH_RETURN_IF_ERROR(CheckFilter(w));
  if (w.rank() != image.rank()) {
    return InvalidInput("the weight " + FormatType(w) + " has not the rank of " +
                        FormatType(image));
  }
  if (SpatialSizes(w.shape) != attributes.window.kernel) {
    return InvalidInput("the weight " + FormatType(w) + " has not the window's sizes");
  }
  return Ok();
}

Error GroupsDoNotFit(const ValueType& image, const ValueType& w, std::int64_t groups) {
  return InvalidInput("the channels of " + FormatType(image) + " and of the weight " +
                      FormatType(w) + " do not fit " + std::to_string(groups) + " group(s)");
}

Result<ValueType> InferConv(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& w = inputs[1];
  AH_RETURN_IF_ERROR(CheckRanks(x, w, attributes));
  const std::int64_t groups = attributes.window.groups;
  if (groups < 1 || w.shape[0] % groups != 0 || x.shape[1] % groups != 0 ||
      x.shape[1] / groups != w.shape[1]) {
    return GroupsDoNotFit(x, w, groups);
  }
  AH_RETURN_IF_ERROR(CheckWindow(attributes.window, SpatialSizes(x.shape), attributes.dims));
  ValueType out{{x.shape[0], w.shape[0]}, x.example_axis, x.element};
  out.shape.insert(out.shape.end(), attributes.dims.begin(), attributes.dims.end());
  return out;
}

Result<ValueType> InferConvInput(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& y = inputs[0];
  const ValueType& w = inputs[1];
  AH_RETURN_IF_ERROR(CheckRanks(y, w, attributes));
  const std::int64_t groups = attributes.window.groups;
  if (groups < 1 || y.shape[1] != w.shape[0] || w.shape[0] % groups != 0 ||
      groups > kWindowNumberMax) {
    return GroupsDoNotFit(y, w, groups);
  }
  AH_RETURN_IF_ERROR(CheckWindow(attributes.window, attributes.dims, SpatialSizes(y.shape)));
  ValueType out{{y.shape[0], w.shape[1] * groups}, y.example_axis, y.element};
  out.shape.insert(out.shape.end(), attributes.dims.begin(), attributes.dims.end());
  return out;
}

Result<ValueType> InferConvWeight(std::span<const ValueType> inputs, const Attributes& attributes) {
  const ValueType& x = inputs[0];
  const ValueType& y = inputs[1];
  if (x.has_examples() || y.has_examples()) {
    return PrivacyRefused("a filter computed from " + FormatType(x) + " and " + FormatType(y) +
                          " sums over the examples");
  }
  AH_RETURN_IF_ERROR(CheckSpatial(x));
  const std::int64_t groups = attributes.window.groups;
  if (y.rank() != x.rank() || y.shape[0] != x.shape[0] || groups < 1 || x.shape[1] % groups != 0 ||
      y.shape[1] % groups != 0) {
    return GroupsDoNotFit(x, y, groups);
  }
  const Shape& kernel = attributes.window.kernel;
  AH_RETURN_IF_ERROR(CheckWindow(attributes.window, SpatialSizes(x.shape), SpatialSizes(y.shape)));
  ValueType out{{y.shape[1], x.shape[1] / groups}, kNoExampleAxis, x.element};
  out.shape.insert(out.shape.end(), kernel.begin(), kernel.end());
  return out;
}

// From the shapes of x and y.
kernels::ConvolutionShape ShapeOf(const Shape& x, const Shape& y, const Window& window) {
  const auto groups = static_cast<std::size_t>(window.groups);
  return {static_cast<std::size_t>(x[0]), groups, static_cast<std::size_t>(x[1]) / groups,
          static_cast<std::size_t>(y[1]) / groups,
          KernelWindows(window, SpatialSizes(x), SpatialSizes(y))};
}

template <typename T>
void ConvForward(const Call<T>& call) {
  const auto shape =
      ShapeOf(call.input_types[0].shape, call.output_type.shape, call.attributes.window);
  kernels::Convolution(shape, call.real(0), call.real(1), call.real_output());
}

template <typename T>
void ConvInputForward(const Call<T>& call) {
  const auto shape =
      ShapeOf(call.output_type.shape, call.input_types[0].shape, call.attributes.window);
  kernels::ConvolutionInput(shape, call.real(0), call.real(1), call.real_output());
}

template <typename T>
void ConvWeightForward(const Call<T>& call) {
  const auto shape =
      ShapeOf(call.input_types[0].shape, call.input_types[1].shape, call.attributes.window);
  kernels::ConvolutionWeight(shape, call.real(0), call.real(1), call.real_output());
}

// The gradients' nodes: x, y and w stand for a value or a gradient of that role.
ValueId Conv(GradientScope& s, ValueId x, ValueId w, ValueId y_shaped) {
  return s.Emit(kConv, {x, w},
                {.dims = SpatialSizes(s.shape(y_shaped)), .window = s.attributes().window});
}
ValueId ConvInput(GradientScope& s, ValueId y, ValueId w, ValueId x_shaped) {
  return s.Emit(kConvInput, {y, w},
                {.dims = SpatialSizes(s.shape(x_shaped)), .window = s.attributes().window});
}
ValueId ConvWeight(GradientScope& s, ValueId x, ValueId y) {
  return s.Emit(kConvWeight, {x, y}, {.window = s.attributes().window});
}

void ConvGradient(GradientScope& s) {
  const ValueId x = s.input(0);
  const ValueId w = s.input(1);
  if (s.wants(0)) s.Contribute(0, ConvInput(s, s.gradient(), w, x));
  if (s.wants(1)) s.Contribute(1, ConvWeight(s, x, s.gradient()));
}

void ConvInputGradient(GradientScope& s) {
  const ValueId y = s.input(0);
  const ValueId w = s.input(1);
  if (s.wants(0)) s.Contribute(0, Conv(s, s.gradient(), w, y));
  if (s.wants(1)) s.Contribute(1, ConvWeight(s, s.gradient(), y));
}

void ConvWeightGradient(GradientScope& s) {
  const ValueId x = s.input(0);
  const ValueId y = s.input(1);
  if (s.wants(0)) s.Contribute(0, ConvInput(s, y, s.gradient(), x));
  if (s.wants(1)) s.Contribute(1, Conv(s, x, s.gradient(), y));
}

}  // namespace

const Primitive kConv = {"Conv", &InferConv, &ConvForward<float>, &ConvForward<double>,
                         &ConvGradient};
const Primitive kConvInput = {"ConvInput", &InferConvInput, &ConvInputForward<float>,
                              &ConvInputForward<double>, &ConvInputGradient};
const Primitive kConvWeight = {"ConvWeight", &InferConvWeight, &ConvWeightForward<float>,
                               &ConvWeightForward<double>, &ConvWeightGradient};

}  // namespace anchorhold::graph::primitives
