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
Result<int> DefaultOpset(const onnx::ModelProto& model);

// The element type of ONNX's number for it. kUnsupported for strings, complex and packed numbers.
Result<ElementType> ElementOf(std::int32_t onnx_type);

// A tensor written in the file: reals as float32, integers and truth values as int64. A double
// beyond float32 becomes an infinity; a uint64 beyond int64 wraps.
struct TensorLiteral {
  Shape shape;
  ElementType element = ElementType::kFloat32;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;

  ConstantData Share() &&;
};

// kInvalidInput if data and shape disagree; kUnsupported for other element types and for data kept
// in another file. An axis of size 0 is accepted for lists alone.
Result<TensorLiteral> ReadTensor(const onnx::TensorProto& tensor);

}  // namespace anchorhold::graph
