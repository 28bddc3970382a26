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

// Parses the model and refuses what this version does not read: training_info, overloaded
// functions, sparse initializers, more nodes than limits::kGraphNodesMax, those of functions and
// subgraphs included. kInvalidInput if it is not ONNX.
Result<std::unique_ptr<onnx::ModelProto>> ReadOnnx(ByteSpan bytes);

// Whether `domain` is that of ONNX's own operators: "" or "ai.onnx".
bool IsDefaultDomain(const std::string& domain);

// The version of the default operator set that a model or a function imports. kUnsupported outside
// [kOpsetMin, kOpsetMax], kInvalidInput if there is none, or more than one.
using OpsetImports = google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;
Result<int> DefaultOpset(const OpsetImports& imports);
inline Result<int> DefaultOpset(const onnx::ModelProto& model) {
  return DefaultOpset(model.opset_import());
}

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
