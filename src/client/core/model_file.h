// Models on the researcher's disk: ONNX files, and weights as safetensors that hold each parameter
// under its ONNX name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "shared/wire/schema.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

struct ModelFile {
  Bytes onnx;
  graph::Model model;
  // The file has BatchNormalization that trains on the batch's statistics; `model` is what it
  // computes with running statistics.
  bool batch_statistics = false;
};
// Imports and checks exactly as the enclave does; errors name the file and the node.
Result<ModelFile> ReadModelFile(const std::string& path);
// For work on one's own machine and data: accepts batch statistics besides.
Result<ModelFile> ReadLocalModelFile(const std::string& path);
// The weights that `model fit` writes for a model with batch statistics, running statistics among
// them, put into the model. kInvalidInput for a tensor that the model's file has not.
Status ApplyWeights(ByteSpan safetensors, ModelFile& file);

// kInvalidInput, naming both sides, if the model's input is not as wide as the schema's features,
// or its output cannot predict the schema's label.
Status CheckFitsSchema(const graph::Model& model, const wire::Schema& schema);

// All parameters in the model's order, each row-major, as train::Executor takes them. A file of
// weights holds the trained parameters only: one that it lacks was frozen and has the numbers of
// the model's file; its name is added to `frozen`. kInvalidInput for a file without any parameter
// of the model, with another tensor, or with one of another shape; and for a lacking parameter
// that the model's file has no numbers for either.
Result<std::vector<float>> ParseWeights(ByteSpan safetensors, const graph::Model& model,
                                        std::vector<std::string>* frozen = nullptr);
// Precondition: model.parameter_count() numbers. Running statistics go under their own names.
Bytes SerializeWeights(const graph::Model& model, std::span<const float> parameters,
                       std::span<const graph::RunningStatistic> statistics = {});

}  // namespace anchorhold::client
