#include "trusted/simd/pointwise_plan.h"

namespace anchorhold::simd {
namespace {

// Rows of this length are worth a pass of their own.
constexpr std::size_t kRowMin = 512;
// Tiles of 4 KiB while few are alive, else of 2 KiB: together they fit the first-level cache. The
// rest of the distance from one tile to the next keeps them from the same cache sets.
constexpr std::size_t kTile = 1024;
constexpr std::size_t kSmallTile = 512;
constexpr std::size_t kBuffersOfFullTiles = 5;
constexpr std::size_t kTileGap = 32;
static_assert(kTileGap >= kPointPad);

bool Mergeable(const PointBox& box, std::size_t inputs, std::size_t axis, std::size_t size,
               const PointProgram& program, std::size_t from) {
  for (std::size_t i = 0; i < inputs; ++i) {
    if (box.strides[i][axis] != program.inputs[i].strides[from] * size) return false;
  }
  return true;
}

void Collapse(const PointProgram& program, PointBox& box) {
  const std::size_t inputs = program.inputs.size();
  box.axes = 0;
  box.total = 1;
  for (std::size_t axis = 0; axis < program.axes; ++axis) {
    const std::size_t size = program.sizes[axis];
    box.total *= size;
    if (size == 1) continue;
    if (box.axes > 0 && Mergeable(box, inputs, box.axes - 1, size, program, axis)) {
      box.sizes[box.axes - 1] *= size;
    } else {
      box.sizes[box.axes++] = size;
    }
    for (std::size_t i = 0; i < inputs; ++i) {
      box.strides[i][box.axes - 1] = program.inputs[i].strides[axis];
    }
  }
  if (box.axes > 0) return;
  box.axes = 1;
  box.sizes[0] = box.total;  // 1, as no axis has size 0 then
  for (std::size_t i = 0; i < inputs; ++i) box.strides[i][0] = 1;
}

// The number of numbers after which input i repeats itself: the axes after the last of the leading
// ones that it is broadcast along.
std::size_t PeriodOf(const PointBox& box, std::size_t i) {
  std::size_t axis = 0;
  while (axis < box.axes && box.strides[i][axis] == 0) ++axis;
  std::size_t period = 1;
  for (; axis < box.axes; ++axis) period *= box.sizes[axis];
  return period;
}

bool IsDense(const PointBox& box, std::size_t i) {
  std::size_t stride = 1;
  for (std::size_t axis = box.axes; axis-- > 0;) {
    if (box.strides[i][axis] != stride) return false;
    stride *= box.sizes[axis];
  }
  return true;
}

PointRead ReadOf(const PointLayout& layout, std::size_t i) {
  const std::size_t last = layout.box.strides[i][layout.box.axes - 1];
  if (IsDense(layout.box, i)) return PointRead::kDense;
  if (layout.period[i] == 1) return PointRead::kUniform;
  if (layout.by_rows && last <= 1) return last == 1 ? PointRead::kRow : PointRead::kRowHead;
  return layout.period[i] <= layout.tile ? PointRead::kPeriod : PointRead::kGather;
}

}  // namespace

void LayOut(const PointProgram& program, PointLayout& layout) {
  Collapse(program, layout.box);
  const std::size_t inputs = program.inputs.size();
  std::uint32_t written = 0;
  for (const PointInstruction& instruction : program.instructions) {
    written |= std::uint32_t{1} << instruction.dst;
  }
  layout.by_rows = layout.box.sizes[layout.box.axes - 1] >= kRowMin;
  std::size_t buffers = 0;
  for (std::size_t r = 0; r < kPointRegistersMax; ++r) buffers += (written >> r) & 1U;
  for (std::size_t i = 0; i < inputs; ++i) {
    layout.period[i] = PeriodOf(layout.box, i);
    buffers += IsDense(layout.box, i) || layout.period[i] == 1 ? 0U : 1U;
  }
  layout.tile = buffers <= kBuffersOfFullTiles ? kTile : kSmallTile;
  if (layout.tile > layout.box.total) layout.tile = layout.box.total;

  layout.tile_distance = layout.tile + kTileGap;
  std::size_t at = 0;
  for (std::size_t i = 0; i < inputs; ++i) {
    layout.reads[i] = ReadOf(layout, i);
    layout.input_buffer[i] = at;
    if (layout.reads[i] == PointRead::kUniform || layout.reads[i] == PointRead::kRowHead) {
      at += kPointPad;
    } else if (layout.reads[i] == PointRead::kPeriod) {
      at += layout.tile_distance + layout.period[i];
    } else if (layout.reads[i] == PointRead::kGather) {
      at += layout.tile_distance;
    }
  }
  for (std::size_t r = 0; r < kPointRegistersMax; ++r) {
    layout.register_buffer[r] = at;
    at += ((written >> r) & 1U) * layout.tile_distance;
  }
  layout.copies_buffer = at;
  layout.scratch = at + program.outputs.size() * layout.tile_distance;
}

}  // namespace anchorhold::simd
