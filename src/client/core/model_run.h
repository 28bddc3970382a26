// Runs a model on arrays of one's own, on this machine, with the reference interpreter: no axis is
// special, and nothing is checked for privacy.
#pragma once

#include <string>
#include <vector>

#include "client/core/model_inputs.h"

namespace anchorhold::client {

struct NamedArray {
  std::string name;
  Array array;
};

struct RunOptions {
  bool float64 = false;  // compute in float64, and give real outputs as float64
  ByteSpan weights;      // safetensors to use in place of the model's own, or empty
};

// The model's outputs, in its order, of the element types that the model gives them. Errors: those
// of FitInputs, graph::ImportOnnx and ParseWeights.
Result<std::vector<NamedArray>> RunModel(ByteSpan onnx, NamedArrays inputs,
                                         const RunOptions& options);

// "NAME.npy". Whatever is no letter, digit, '.', '_' or '-' becomes %XX, and so does a '.' in
// front: the file is in the folder that it is put in, and seen there. kUnsupported for a name that
// is too long for a file system.
Result<std::string> OutputFileName(const std::string& output);

}  // namespace anchorhold::client
