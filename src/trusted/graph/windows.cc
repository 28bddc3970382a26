#include "trusted/graph/windows.h"

#include <algorithm>
#include <cstdlib>

#include "trusted/graph/names.h"

namespace anchorhold::graph {
namespace {

constexpr std::size_t kFirstSpatialAxis = 2;

Result<AutoPad> ReadAutoPad(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::string text, node.Text("auto_pad", "NOTSET"));
  if (text == "NOTSET" || text.empty()) return AutoPad::kNotSet;
  if (text == "SAME_UPPER") return AutoPad::kSameUpper;
  if (text == "SAME_LOWER") return AutoPad::kSameLower;
  if (text == "VALID") return AutoPad::kValid;
  return InvalidInput("auto_pad is " + Quoted(text) +
                      "; it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

Result<Shape> WindowNumbers(NodeContext& node, std::string_view name, std::size_t axes,
                            std::int64_t least, std::int64_t absent) {
  AH_ASSIGN_OR_RETURN(Shape numbers, node.Ints(name));
  if (numbers.empty()) numbers.assign(axes, absent);
  if (numbers.size() != axes) {
    return InvalidInput(std::string(name) + " has " + std::to_string(numbers.size()) +
                        " numbers; " + std::to_string(axes) + " are needed");
  }
  for (const std::int64_t number : numbers) {
    if (number < least || number > kWindowNumberMax) {
      return InvalidInput(std::string(name) + " has the number " + std::to_string(number) +
                          "; it must be from " + std::to_string(least) + " to " +
                          std::to_string(kWindowNumberMax));
    }
  }
  return numbers;
}

Result<WindowAttributes> ReadWindow(NodeContext& node, std::size_t axes, const Shape* kernel) {
  WindowAttributes out;
  Window& window = out.window;
  if (kernel == nullptr && !node.HasAttribute("kernel_shape")) {
    return InvalidInput("the attribute kernel_shape is missing");
  }
  AH_ASSIGN_OR_RETURN(window.kernel, WindowNumbers(node, "kernel_shape", axes, 1, 1));
  if (kernel != nullptr) {
    if (node.HasAttribute("kernel_shape") && window.kernel != *kernel) {
      return InvalidInput("kernel_shape is " + FormatShape(window.kernel) +
                          ", and the weight's is " + FormatShape(*kernel));
    }
    window.kernel = *kernel;
  }
  AH_ASSIGN_OR_RETURN(window.strides, WindowNumbers(node, "strides", axes, 1, 1));
  AH_ASSIGN_OR_RETURN(window.dilations, WindowNumbers(node, "dilations", axes, 1, 1));
  AH_ASSIGN_OR_RETURN(out.auto_pad, ReadAutoPad(node));
  AH_ASSIGN_OR_RETURN(const Shape pads, WindowNumbers(node, "pads", 2 * axes, 0, 0));
  window.pads_begin.assign(axes, 0);
  window.pads_end.assign(axes, 0);
  if (out.auto_pad == AutoPad::kNotSet) {
    const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(axes);
    window.pads_begin.assign(pads.begin(), middle);
    window.pads_end.assign(middle, pads.end());
  }
  return out;
}

std::int64_t WindowExtent(const Window& window, std::size_t k) {
  return window.dilations[k] * (window.kernel[k] - 1) + 1;
}

void SplitPads(std::int64_t total, bool odd_at_end, Window& window, std::size_t k) {
  const std::int64_t half = std::max<std::int64_t>(total, 0) / 2;
  window.pads_begin[k] = odd_at_end ? half : std::max<std::int64_t>(total, 0) - half;
  window.pads_end[k] = total - window.pads_begin[k];
}

Result<Shape> PlaceWindow(WindowAttributes& attributes, const Shape& in, bool ceil_mode) {
  Window& window = attributes.window;
  Shape out;
  for (std::size_t k = 0; k < in.size(); ++k) {
    const std::int64_t stride = window.strides[k];
    const std::int64_t extent = WindowExtent(window, k);
    if (attributes.auto_pad == AutoPad::kSameUpper || attributes.auto_pad == AutoPad::kSameLower) {
      out.push_back(CeilDivide(in[k], stride));
      const std::int64_t total = (out[k] - 1) * stride + extent - in[k];
      SplitPads(std::max<std::int64_t>(total, 0), attributes.auto_pad == AutoPad::kSameUpper,
                window, k);
      continue;
    }
    const std::int64_t room = in[k] + window.pads_begin[k] + window.pads_end[k] - extent;
    if (room < 0) {
      return InvalidInput("a window of " + std::to_string(extent) + " does not fit into " +
                          std::to_string(room + extent) + " along spatial axis " +
                          std::to_string(k) + ", padding included");
    }
    const bool ceil = ceil_mode && attributes.auto_pad == AutoPad::kNotSet;
    const std::int64_t steps = ceil ? CeilDivide(room, stride) : room / stride;
    const bool starts_behind = steps > 0 && steps * stride >= in[k] + window.pads_begin[k];
    out.push_back(ceil && starts_behind ? steps : steps + 1);
  }
  return out;
}

Shape SpatialSizes(const Shape& shape) {
  return Shape(shape.begin() + kFirstSpatialAxis, shape.end());
}

Status CheckSpatial(const ValueType& type) {
  if (type.shape.size() > kFirstSpatialAxis) return Ok();
  return InvalidInput("needs a batch axis, channels and at least one spatial axis, and is given " +
                      FormatType(type));
}

Status CheckWindow(const Window& window, const Shape& in, const Shape& out) {
  const std::size_t axes = in.size();
  if (axes == 0 || axes > kernels::kWindowAxesMax) {
    return Unsupported("windows over " + std::to_string(axes) + " axes");
  }
  const auto fits = [axes](const Shape& numbers, std::int64_t least) {
    return numbers.size() == axes && std::all_of(numbers.begin(), numbers.end(), [&](auto number) {
             return number >= least && number <= kWindowNumberMax;
           });
  };
  if (fits(window.kernel, 1) && fits(window.strides, 1) && fits(window.dilations, 1) &&
      fits(window.pads_begin, 0) && fits(in, 1) && fits(out, 1) && window.pads_end.size() == axes &&
      std::all_of(window.pads_end.begin(), window.pads_end.end(),
                  [](auto pad) { return std::abs(pad) <= kWindowNumberMax; })) {
    return Ok();
  }
  return InvalidInput("a window's size, stride, dilation or padding is out of range");
}

kernels::Windows KernelWindows(const Window& window, const Shape& in, const Shape& out) {
  kernels::Windows windows;
  windows.axes = in.size();
  for (std::size_t k = 0; k < in.size(); ++k) {
    windows.axis[k] = {in[k],
                       out[k],
                       window.kernel[k],
                       window.strides[k],
                       window.dilations[k],
                       window.pads_begin[k],
                       std::max<std::int64_t>(window.pads_end[k], 0)};
  }
  return windows;
}

}  // namespace anchorhold::graph
