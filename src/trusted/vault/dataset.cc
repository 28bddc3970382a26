#include "trusted/vault/dataset.h"

#include <bit>
#include <cstring>

#include "shared/base/limits.h"
#include "shared/wire/safetensors.h"

namespace anchorhold::vault {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie");

// What a client's own float arithmetic may add to the ends of [-1, 1].
constexpr float kRangeSlack = 1e-6F;

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

// The tensor's numbers, if it has this type and shape.
template <typename T>
Result<std::vector<T>> Numbers(const wire::Safetensors& file, const char* name,
                               wire::TensorType type, const std::vector<std::int64_t>& shape) {
  const std::string where = std::string("dataset: tensor '") + name + "'";
  const wire::TensorView* tensor = file.Find(name);
  if (tensor == nullptr) return InvalidInput(where + " is missing; the schema asks for it");
  if (tensor->type != type) {
    return InvalidInput(where + " must hold " + (sizeof(T) == 4 ? "F32" : "I64"));
  }
  if (tensor->shape != shape) {
    return InvalidInput(where + " has the shape " + ShapeText(tensor->shape) +
                        "; the schema and the features ask for " + ShapeText(shape));
  }
  std::size_t count = 1;
  for (const std::int64_t side : shape) count *= static_cast<std::size_t>(side);
  if (tensor->data.size() != count * sizeof(T)) return InvalidInput(where + " has a wrong size");
  std::vector<T> numbers(count);
  if (count > 0) std::memcpy(numbers.data(), tensor->data.data(), tensor->data.size());
  return numbers;
}

Status CheckRange(const std::vector<float>& values, std::size_t width, const char* what) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= -1 - kRangeSlack && values[i] <= 1 + kRangeSlack) continue;  // false for NaN
    return InvalidInput("dataset: row " + std::to_string(i / width) + ", " + what + " " +
                        std::to_string(i % width) +
                        ": not a finite number within [-1, 1]; scale by the schema's ranges");
  }
  return Ok();
}

Status CheckClasses(const std::vector<std::int64_t>& classes, std::size_t class_count) {
  for (std::size_t row = 0; row < classes.size(); ++row) {
    if (classes[row] >= 0 && static_cast<std::uint64_t>(classes[row]) < class_count) continue;
    return InvalidInput("dataset: row " + std::to_string(row) + ": its label is not one of the " +
                        std::to_string(class_count) + " classes of the schema");
  }
  return Ok();
}

Result<std::size_t> CountRows(const wire::Safetensors& file) {
  const wire::TensorView* features = file.Find("features");
  if (features == nullptr) return InvalidInput("dataset: tensor 'features' is missing");
  if (features->shape.size() != 2) {
    return InvalidInput("dataset: tensor 'features' must have the shape [rows, width], it has " +
                        ShapeText(features->shape));
  }
  const std::int64_t rows = features->shape[0];
  if (rows < 1) return InvalidInput("dataset: it has no rows");
  if (static_cast<std::uint64_t>(rows) > limits::kRowsMax) {
    return LimitExceeded("dataset: " + std::to_string(rows) + " rows, the limit is " +
                         std::to_string(limits::kRowsMax));
  }
  return static_cast<std::size_t>(rows);
}

Status ReadLabels(const wire::Safetensors& file, const wire::Column& label,
                  train::ExampleSet& examples) {
  const auto rows = static_cast<std::int64_t>(examples.rows);
  if (!label.classes.empty()) {
    AH_ASSIGN_OR_RETURN(examples.classes,
                        Numbers<std::int64_t>(file, "labels", wire::TensorType::kI64, {rows}));
    return CheckClasses(examples.classes, label.classes.size());
  }
  examples.target_width = 1;
  AH_ASSIGN_OR_RETURN(examples.targets,
                      Numbers<float>(file, "targets", wire::TensorType::kF32, {rows, 1}));
  return CheckRange(examples.targets, 1, "target");
}

// The file holds what the schema asks for and nothing else.
Status CheckNames(const wire::Safetensors& file, const wire::Column* label) {
  const std::string_view wanted = label == nullptr         ? ""
                                  : label->classes.empty() ? "targets"
                                                           : "labels";
  for (const wire::TensorView& tensor : file.tensors) {
    if (tensor.name == "features" || (!wanted.empty() && tensor.name == wanted)) continue;
    const bool known = tensor.name == "labels" || tensor.name == "targets";
    return InvalidInput(known ? "dataset: tensor '" + tensor.name +
                                    "' is there, but the schema has no such label"
                              : "dataset: it holds a tensor besides features, labels and targets");
  }
  return Ok();
}

}  // namespace

Result<train::ExampleSet> ReadDataset(ByteSpan safetensors, const wire::Schema& schema) {
  AH_ASSIGN_OR_RETURN(const wire::Safetensors file, wire::ParseSafetensors(safetensors));
  const wire::Column* const label = schema.label();
  AH_RETURN_IF_ERROR(CheckNames(file, label));
  train::ExampleSet examples;
  AH_ASSIGN_OR_RETURN(examples.rows, CountRows(file));
  examples.feature_width = schema.feature_count();
  if (examples.feature_width == 0) return InvalidInput("schema: it has no feature column");
  AH_ASSIGN_OR_RETURN(examples.features,
                      Numbers<float>(file, "features", wire::TensorType::kF32,
                                     {static_cast<std::int64_t>(examples.rows),
                                      static_cast<std::int64_t>(examples.feature_width)}));
  AH_RETURN_IF_ERROR(CheckRange(examples.features, examples.feature_width, "feature"));
  if (label != nullptr) AH_RETURN_IF_ERROR(ReadLabels(file, *label, examples));
  return examples;
}

Status CheckContractFits(const train::ExampleSet& examples, const wire::Contract& contract) {
  AH_CHECK(examples.rows > 0);
  if (examples.rows > contract.public_rows) {
    return PrivacyRefused("dataset '" + contract.dataset + "': it has " +
                          std::to_string(examples.rows) + " rows, the contract tells " +
                          std::to_string(contract.public_rows) +
                          "; write a contract whose public_rows is not below the rows");
  }
  if (examples.rows < contract.public_rows / 2) {
    return InvalidInput("dataset '" + contract.dataset + "': the contract tells " +
                        std::to_string(contract.public_rows) + " rows, more than twice the " +
                        std::to_string(examples.rows) + " that there are; lower public_rows");
  }
  if (contract.delta.value() < 1.0 / static_cast<double>(examples.rows)) return Ok();
  return PrivacyRefused(
      "dataset '" + contract.dataset + "': the contract's delta must be below 1 / " +
      std::to_string(examples.rows) + ", one over its rows; write a contract with a smaller delta");
}

Status CheckSealedFor(ByteSpan safetensors, const crypto::Ed25519PublicKey& owner,
                      ByteSpan contract_text) {
  AH_ASSIGN_OR_RETURN(const wire::Safetensors file, wire::ParseSafetensors(safetensors));
  const auto found = file.metadata.find(std::string(wire::kSealedForMetadataKey));
  if (found == file.metadata.end()) {
    return IntegrityError("dataset: its metadata has no '" +
                          std::string(wire::kSealedForMetadataKey) +
                          "'; prepare it for its contract with `anchorhold data put`");
  }
  if (found->second == wire::SealedForValue(owner, contract_text)) return Ok();
  return IntegrityError(
      "dataset: it was sealed for another owner or contract; prepare it again for this one");
}

}  // namespace anchorhold::vault
