#include "client/core/model_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "client/core/files.h"
#include "shared/base/limits.h"
#include "shared/wire/safetensors.h"

namespace anchorhold::client {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

std::size_t WidthOf(const graph::Shape& shape) {
  std::size_t width = 1;
  for (const std::int64_t size : shape) width *= static_cast<std::size_t>(size);
  return width;
}

std::string ShapeText(const graph::Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return out + "]";
}

Status CheckFinite(std::span<const float> values, const std::string& name) {
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return InvalidInput("parameter '" + name + "' holds a number that is not finite");
    }
  }
  return Ok();
}

}  // namespace

Result<ModelFile> ReadModelFile(const std::string& path) {
  AH_ASSIGN_OR_RETURN(Bytes onnx, ReadWholeFile(path, limits::kModelBytesMax));
  auto model = graph::ImportOnnx(onnx);
  if (!model.ok()) return model.error().At(path);
  return ModelFile{.onnx = std::move(onnx), .model = *std::move(model)};
}

Result<ModelFile> ReadLocalModelFile(const std::string& path) {
  AH_ASSIGN_OR_RETURN(Bytes onnx, ReadWholeFile(path, limits::kModelBytesMax));
  auto model = graph::ImportOnnx(onnx);
  if (model.ok()) return ModelFile{.onnx = std::move(onnx), .model = *std::move(model)};
  graph::ImportOptions options;
  options.inference = true;
  auto inference = graph::ImportOnnx(onnx, options);
  if (!inference.ok()) return model.error().At(path);
  return ModelFile{std::move(onnx), *std::move(inference), true};
}

Status ApplyWeights(ByteSpan safetensors, ModelFile& file) {
  AH_ASSIGN_OR_RETURN(const wire::Safetensors weights, wire::ParseSafetensors(safetensors));
  graph::ImportOptions options;
  options.inference = true;
  for (const wire::TensorView& tensor : weights.tensors) {
    if (tensor.type != wire::TensorType::kF32) {
      return InvalidInput("tensor '" + tensor.name + "' of the weights is not F32");
    }
    std::vector<float>& numbers = options.numbers[tensor.name];
    numbers.resize(tensor.data.size() / sizeof(float));
    std::memcpy(numbers.data(), tensor.data.data(), tensor.data.size());
    AH_RETURN_IF_ERROR(CheckFinite(numbers, tensor.name));
  }
  AH_ASSIGN_OR_RETURN(file.model, graph::ImportOnnx(file.onnx, options));
  return Ok();
}

Status CheckFitsSchema(const graph::Model& model, const wire::Schema& schema) {
  if (model.input_width() != schema.feature_count()) {
    const bool single = model.inputs().size() == 1;
    return InvalidInput((single ? "the model's input '" + model.inputs()[0].name + "' takes "
                                : std::string("the model's inputs take together ")) +
                        std::to_string(model.input_width()) +
                        " values an example and the schema "
                        "has " +
                        std::to_string(schema.feature_count()) + " feature columns");
  }
  if (schema.label() == nullptr) return InvalidInput("the schema has no label column");
  const graph::Port& output = model.outputs().front();
  const std::size_t width = WidthOf(output.shape);
  const std::size_t classes = schema.label()->classes.size();
  const bool binary = classes == 2 && width == 1;
  const bool fits = classes == 0 ? width == 1 : binary || width == classes;
  if (fits) return Ok();
  return InvalidInput(
      "the model's output '" + output.name + "' gives " + std::to_string(width) +
      " values an example, which cannot predict the label '" + schema.label()->name + "' with " +
      (classes == 0 ? std::string("one target") : std::to_string(classes) + " classes"));
}

Result<std::vector<float>> ParseWeights(ByteSpan safetensors, const graph::Model& model,
                                        std::vector<std::string>* frozen) {
  AH_ASSIGN_OR_RETURN(const wire::Safetensors file, wire::ParseSafetensors(safetensors));
  std::vector<float> out(model.parameter_count());
  std::size_t at = 0;
  std::size_t found = 0;
  for (const auto& parameter : model.parameters()) {
    const wire::TensorView* tensor = file.Find(parameter.name);
    if (tensor == nullptr && parameter.carried) {
      std::copy(parameter.values.begin(), parameter.values.end(),
                out.begin() + static_cast<std::ptrdiff_t>(at));
      at += parameter.values.size();
      if (frozen != nullptr) frozen->push_back(parameter.name);
      continue;
    }
    if (tensor == nullptr) {
      return InvalidInput("the weights lack the model's parameter '" + parameter.name +
                          "', for which the model's file has no numbers either");
    }
    ++found;
    if (tensor->type != wire::TensorType::kF32 || tensor->shape != parameter.shape) {
      return InvalidInput("parameter '" + parameter.name + "' must be F32 " +
                          ShapeText(parameter.shape) + ", as the model says");
    }
    const std::size_t count = WidthOf(parameter.shape);
    AH_CHECK(tensor->data.size() == count * sizeof(float) && at + count <= out.size());
    // An empty parameter has no data to point to.
    if (count > 0) std::memcpy(out.data() + at, tensor->data.data(), tensor->data.size());
    AH_RETURN_IF_ERROR(CheckFinite(std::span<const float>(out).subspan(at, count), parameter.name));
    at += count;
  }
  if (found == 0 || file.tensors.size() != found) {
    return InvalidInput("of the " + std::to_string(file.tensors.size()) +
                        " tensors of the weights, " + std::to_string(found) + " belong to the " +
                        std::to_string(model.parameters().size()) + " parameters of the model");
  }
  return out;
}

Bytes SerializeWeights(const graph::Model& model, std::span<const float> parameters,
                       std::span<const graph::RunningStatistic> statistics) {
  AH_CHECK(parameters.size() == model.parameter_count());
  wire::Safetensors file;
  for (const auto& parameter : model.parameters()) {
    const std::size_t count = WidthOf(parameter.shape);
    file.tensors.push_back({parameter.name, wire::TensorType::kF32, parameter.shape,
                            std::as_bytes(parameters.first(count))});
    parameters = parameters.subspan(count);
  }
  for (const graph::RunningStatistic& statistic : statistics) {
    file.tensors.push_back({statistic.name, wire::TensorType::kF32, statistic.shape,
                            std::as_bytes(std::span<const float>(statistic.values))});
  }
  return wire::WriteSafetensors(file);
}

}  // namespace anchorhold::client
