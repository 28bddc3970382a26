// Reads ONNX files (onnx.proto, protobuf) within limits. Everything here is foreign bytes: each
// count and size is checked before memory is spent on it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "shared/base/bytes.h"
#include "trusted/graph/model.h"

namespace anchorhold::graph {

// Parses the model and refuses what this version does not read: training_info, local functions,
// sparse initializers, more nodes than limits::kGraphNodesMax. kInvalidInput if it is not ONNX.
Result<std::unique_ptr<onnx::ModelProto>> ReadOnnx(ByteSpan bytes);

// The version of the default operator set. kUnsupported outside [kOpsetMin, kOpsetMax].
inline constexpr std::int64_t kOpsetMin = 13;
inline constexpr std::int64_t kOpsetMax = 21;
Result<int> DefaultOpset(const onnx::ModelProto& model);

// A tensor written in the file, as float32 or (bool, int32, int64) as int64.
struct TensorLiteral {
  Shape shape;
  bool is_float = true;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
};

// kInvalidInput if data and shape disagree; kUnsupported for other element types and for data kept
// in another file.
Result<TensorLiteral> ReadTensor(const onnx::TensorProto& tensor);

}  // namespace anchorhold::graph
