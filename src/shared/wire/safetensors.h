// Safetensors: named tensors, for weights and for the plaintext of datasets.
//   file = u64 little-endian header size, header (JSON), data
//   header = {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ...,
//             "__metadata__": {"key": "text"}}
// Offsets are relative to the data; tensors must cover the data exactly, without gap or overlap.
// Values are little-endian and row-major. Read: F32, I64; other types are kUnsupported. A dataset
// holds "features" F32 [rows, width] and "labels" I64 [rows], or "targets" F32 [rows, 1].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::wire {

enum class TensorType { kF32, kI64 };

struct TensorView {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::int64_t> shape;
  ByteSpan data;  // of the file that was parsed; not aligned: copy values out, never cast
};

struct Safetensors {
  std::vector<TensorView> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
  const TensorView* Find(std::string_view name) const;
};

// Views into `file`, which must outlive the result.
Result<Safetensors> ParseSafetensors(ByteSpan file);
// In the order of `tensors`; TensorView::data is what gets written. Preconditions: sizes fit
// shapes, names are unique, UTF-8 and not "__metadata__". Deterministic: same input, same bytes.
// The header is padded with spaces so that the data starts at a multiple of 8.
Bytes WriteSafetensors(const Safetensors& tensors);

}  // namespace anchorhold::wire
