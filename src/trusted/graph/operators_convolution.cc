// Conv: y = Conv(x, w) + b. ConvTranspose: the same windows seen from the other side, y =
// ConvInput(x, w) + b, so that a step of the input is `stride` steps of the output:
//   out = stride (in - 1) + output_padding + eff - pad_begin - pad_end
// (eff: windows.h). With SAME_*, out = stride in; with output_shape, out is that; both decide the
// pads by this equation.
#include "trusted/graph/names.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/reshaping.h"
#include "trusted/graph/windows.h"

namespace anchorhold::graph {
namespace {

constexpr std::size_t kBias = 2;

struct Operands {
  ValueId x = kNoValue;
  ValueId w = kNoValue;
  WindowAttributes attributes;
};

Result<Operands> ReadOperands(NodeContext& node) {
  Operands out;
  AH_ASSIGN_OR_RETURN(out.x, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(out.w, node.Tensor(1));
  const ValueType x = node.Type(out.x);
  const ValueType w = node.Type(out.w);
  AH_RETURN_IF_ERROR(CheckSpatial(x));
  if (w.rank() != x.rank()) {
    return InvalidInput("the weight " + FormatType(w) + " has not the rank of " + FormatType(x));
  }
  const Shape kernel = SpatialSizes(w.shape);
  AH_ASSIGN_OR_RETURN(out.attributes, ReadWindow(node, kernel.size(), &kernel));
  AH_ASSIGN_OR_RETURN(out.attributes.window.groups, node.Int("group", 1));
  return out;
}

// Sets the output: y, with the bias added channel by channel if there is one.
Status FinishWithBias(NodeContext& node, ValueId y) {
  if (node.Has(kBias)) {
    AH_ASSIGN_OR_RETURN(ValueId bias, node.Tensor(kBias));
    const ValueType type = node.Type(bias);
    const ValueType out = node.Type(y);
    if (type.has_examples()) {
      return PrivacyRefused("the bias " + FormatType(type) +
                            " depends on the examples, and would be added to every other's; use a "
                            "bias of the model");
    }
    if (type.shape != Shape{out.shape[1]}) {
      return InvalidInput("the bias is " + FormatType(type) + "; " + std::to_string(out.shape[1]) +
                          " numbers are needed, one a channel");
    }
    ValueType to{Shape(out.shape.size() - 1, 1), kNoExampleAxis, type.element};
    to.shape[0] = out.shape[1];
    AH_ASSIGN_OR_RETURN(bias, EmitReshape(node, bias, to));
    AH_ASSIGN_OR_RETURN(y, node.Emit(primitives::kAdd, {y, bias}));
  }
  node.SetOutput(y);
  return Ok();
}

Status Conv(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(Operands operands, ReadOperands(node));
  AH_ASSIGN_OR_RETURN(Shape out, PlaceWindow(operands.attributes,
                                             SpatialSizes(node.Type(operands.x).shape), false));
  AH_ASSIGN_OR_RETURN(
      const ValueId y,
      node.Emit(primitives::kConv, {operands.x, operands.w},
                {.dims = std::move(out), .window = std::move(operands.attributes.window)}));
  return FinishWithBias(node, y);
}

// The output's spatial sizes; sets the pads.
Result<Shape> PlaceTransposed(NodeContext& node, const Shape& in, WindowAttributes& attributes) {
  const std::size_t axes = in.size();
  AH_ASSIGN_OR_RETURN(const Shape added, WindowNumbers(node, "output_padding", axes, 0, 0));
  AH_ASSIGN_OR_RETURN(const Shape wished, WindowNumbers(node, "output_shape", axes, 1, 1));
  const AutoPad pad = attributes.auto_pad;
  const bool same = pad == AutoPad::kSameUpper || pad == AutoPad::kSameLower;
  const bool sized = node.HasAttribute("output_shape") || same;
  Window& window = attributes.window;
  Shape out;
  for (std::size_t k = 0; k < axes; ++k) {
    const std::int64_t whole = window.strides[k] * (in[k] - 1) + added[k] + WindowExtent(window, k);
    if (sized) {
      out.push_back(node.HasAttribute("output_shape") ? wished[k] : window.strides[k] * in[k]);
      SplitPads(whole - out[k], pad == AutoPad::kSameUpper, window, k);
    } else {
      out.push_back(whole - window.pads_begin[k] - window.pads_end[k]);
    }
    if (out[k] < 1 || out[k] > kWindowNumberMax) {
      return InvalidInput("the output would have the size " + std::to_string(out[k]) +
                          " along spatial axis " + std::to_string(k));
    }
  }
  return out;
}

Status ConvTranspose(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(Operands operands, ReadOperands(node));
  AH_ASSIGN_OR_RETURN(Shape out, PlaceTransposed(node, SpatialSizes(node.Type(operands.x).shape),
                                                 operands.attributes));
  AH_ASSIGN_OR_RETURN(
      const ValueId y,
      node.Emit(primitives::kConvInput, {operands.x, operands.w},
                {.dims = std::move(out), .window = std::move(operands.attributes.window)}));
  return FinishWithBias(node, y);
}

constexpr OperatorDefinition kOperators[] = {
    {"Conv", kOpsetMin, kOpsetMax, 2, 3, &Conv},
    {"ConvTranspose", kOpsetMin, kOpsetMax, 2, 3, &ConvTranspose},
};

}  // namespace

std::span<const OperatorDefinition> ConvolutionOperators() { return kOperators; }

}  // namespace anchorhold::graph
