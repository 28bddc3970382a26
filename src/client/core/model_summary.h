// What is in an ONNX file, for `anchorhold model show`. Says as much as it can about a model that
// the enclave would refuse.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

struct ValueSummary {
  std::string name;
  std::string element;             // "float32"; "?" for what this version does not read
  std::vector<std::string> shape;  // by axis: a number, the axis's name, or "?"
};

enum class Trainable { kYes, kNo, kUnknown };  // unknown where the model is refused

struct ParameterSummary {
  std::string name;
  std::string element;
  graph::Shape shape;
  std::size_t count = 0;
  Trainable trainable = Trainable::kUnknown;
  bool carried = true;  // the file has its numbers
};

struct ModelSummary {
  int opset = 0;
  std::int64_t ir_version = 0;
  std::string producer;  // name and version, "" if the file does not say
  std::vector<ValueSummary> inputs;
  std::vector<ValueSummary> outputs;
  std::vector<ParameterSummary> parameters;  // the real-valued initializers, in the file's order
  std::map<std::string, std::size_t> operators;
  std::size_t nodes = 0;
  Status accepted;  // graph::ImportOnnx's verdict
};

// Errors: those of graph::ReadOnnx, and an opset that is not accepted.
Result<ModelSummary> SummariseModel(ByteSpan onnx, const graph::ImportOptions& options);

}  // namespace anchorhold::client
