// What Conv, ConvTranspose and the poolings share: the attributes that place their windows.
//
//   eff = dilation * (kernel - 1) + 1      room = in + pad_begin + pad_end - eff
//   NOTSET, VALID (no pads)   out = floor(room / stride) + 1
//   SAME_*                    out = ceil(in / stride); as many pads as that takes, the odd one at
//   the
//                             end (UPPER) or at the beginning (LOWER)
//   ceil_mode, with NOTSET    out = ceil(room / stride) + 1, less a last window that would start
//                             behind the input and its begin padding
#pragma once

#include "trusted/graph/node_context.h"
#include "trusted/kernels/window.h"

namespace anchorhold::graph {

enum class AutoPad : unsigned char { kNotSet, kSameUpper, kSameLower, kValid };

// A window's size along each axis, given or read from kernel_shape; strides and dilations, by
// default 1; pads as given, by default 0. kInvalidInput for lists of another length than `axes`,
// for sizes below 1, negative pads and anything over kWindowNumberMax.
struct WindowAttributes {
  Window window;
  AutoPad auto_pad = AutoPad::kNotSet;
};
Result<WindowAttributes> ReadWindow(NodeContext& node, std::size_t axes,
                                    const Shape* kernel = nullptr);

// Numbers of a window are below this: two of them multiplied and added do not overflow.
inline constexpr std::int64_t kWindowNumberMax = (std::int64_t{1} << 30) - 1;

// A list of `axes` numbers from `least` to kWindowNumberMax; `absent` repeated if it is not there.
Result<Shape> WindowNumbers(NodeContext& node, std::string_view name, std::size_t axes,
                            std::int64_t least, std::int64_t absent);

// dilation * (kernel - 1) + 1 along axis k.
std::int64_t WindowExtent(const Window& window, std::size_t k);

// The output's spatial sizes, for the input's; sets the pads where they are automatic.
// kInvalidInput if a window does not fit into the padded input.
Result<Shape> PlaceWindow(WindowAttributes& attributes, const Shape& in, bool ceil_mode);

// Shares `total` pads out along axis k. A negative total means none before, and room after.
void SplitPads(std::int64_t total, bool odd_at_end, Window& window, std::size_t k);

// The sizes behind the first two axes, which are the batch and the channels.
Shape SpatialSizes(const Shape& shape);
// kInvalidInput for fewer than 3 axes: a batch, channels and at least one spatial axis.
Status CheckSpatial(const ValueType& type);

// For the primitives' type rules and kernels. CheckWindow: kInvalidInput unless every list has one
// number an axis, within the bounds of kernels/window.h, for windows from `in` sizes to `out`
// sizes.
Status CheckWindow(const Window& window, const Shape& in, const Shape& out);
kernels::Windows KernelWindows(const Window& window, const Shape& in, const Shape& out);

}  // namespace anchorhold::graph
