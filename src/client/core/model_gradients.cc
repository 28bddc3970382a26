#include "client/core/model_gradients.h"

#include <cmath>
#include <limits>
#include <utility>

#include "shared/wire/safetensors.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/names.h"
#include "trusted/graph/value_type.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;

// Integers go through the examples' float32 as exactly as these.
constexpr std::int64_t kExactInteger = std::int64_t{1} << 24;

std::size_t RowWidth(const graph::Shape& shape) {
  return graph::ElementCount(std::span(shape).subspan(1));
}

Status CheckRows(const graph::Shape& shape, std::size_t rows) {
  if (shape.empty()) return InvalidInput("the file's array has no axis for the rows");
  if (static_cast<std::size_t>(shape[0]) == rows) return Ok();
  return InvalidInput("the file's array has " + std::to_string(shape[0]) +
                      " rows; the model's first input has " + std::to_string(rows));
}

// One input's numbers of each row, as float32, behind those that are in `rows` already.
Status AppendInput(const graph::Port& port, const Array& given, std::size_t rows,
                   std::vector<std::vector<float>>& columns) {
  AH_RETURN_IF_ERROR(CheckRows(given.shape, rows));
  const graph::Shape rest(given.shape.begin() + 1, given.shape.end());
  if (rest != port.shape) {
    return InvalidInput("a row of the file's array is " + graph::FormatShape(rest) +
                        "; the model takes " + graph::FormatShape(port.shape));
  }
  AH_ASSIGN_OR_RETURN(const Array array, ConvertTo(port.element, given));
  std::vector<float> column(array.reals.begin(), array.reals.end());
  for (const std::int64_t value : array.integers) {
    if (value > kExactInteger || value < -kExactInteger) {
      return Unsupported("the file holds an integer beyond 2^24, which examples cannot carry");
    }
    column.push_back(static_cast<float>(value));
  }
  columns.push_back(std::move(column));
  return Ok();
}

Status SetTarget(train::Loss loss, const Array& target, train::ExampleSet& examples) {
  AH_RETURN_IF_ERROR(CheckRows(target.shape, examples.rows));
  if (train::NeedsClasses(loss)) {
    AH_ASSIGN_OR_RETURN(Array classes, ConvertTo(ElementType::kInt64, target));
    examples.class_width = RowWidth(classes.shape);
    examples.classes = std::move(classes.integers);
    return Ok();
  }
  examples.target_width = RowWidth(target.shape);
  if (!train::IsRegression(loss) && !graph::IsReal(target.element)) {
    for (const std::int64_t value : target.integers) {
      examples.targets.push_back(static_cast<float>(value));
    }
    return Ok();
  }
  AH_ASSIGN_OR_RETURN(const Array reals, ConvertTo(ElementType::kFloat32, target));
  examples.targets.assign(reals.reals.begin(), reals.reals.end());
  return Ok();
}

}  // namespace

Result<train::ExampleSet> AsExamples(const graph::Model& model, train::Loss loss,
                                     const NamedArrays& inputs, const Array& target) {
  std::vector<std::string> names;
  for (const graph::Port& port : model.inputs()) names.push_back(port.name);
  AH_RETURN_IF_ERROR(CheckNames(names, inputs));
  const Array& first = inputs.at(names.front());
  train::ExampleSet examples;
  examples.rows = first.shape.empty() ? 0 : static_cast<std::size_t>(first.shape[0]);
  examples.feature_width = model.input_width();
  std::vector<std::vector<float>> columns;
  for (const graph::Port& port : model.inputs()) {
    const Status status = AppendInput(port, inputs.at(port.name), examples.rows, columns);
    if (!status.ok()) return status.error().At("input " + graph::Quoted(port.name));
  }
  if (examples.rows == 0) return InvalidInput("the inputs have no rows");
  examples.features.reserve(examples.rows * examples.feature_width);
  for (std::size_t row = 0; row < examples.rows; ++row) {
    for (const std::vector<float>& column : columns) {
      const auto width = static_cast<std::ptrdiff_t>(column.size() / examples.rows);
      const auto begin = column.begin() + static_cast<std::ptrdiff_t>(row) * width;
      examples.features.insert(examples.features.end(), begin, begin + width);
    }
  }
  const Status status = SetTarget(loss, target, examples);
  if (!status.ok()) return status.error().At("--target");
  return examples;
}

graph::Model WithParameters(const graph::Model& model, std::span<const float> parameters) {
  AH_CHECK(parameters.size() == model.parameter_count());
  std::vector<graph::Parameter> replaced = model.parameters();
  for (graph::Parameter& parameter : replaced) {
    const std::span<const float> values = parameters.first(parameter.values.size());
    parameters = parameters.subspan(values.size());
    parameter.values.assign(values.begin(), values.end());
    parameter.carried = true;
  }
  return graph::Model(std::make_shared<const graph::Graph>(model.graph()), std::move(replaced),
                      model.inputs(), model.outputs());
}

Result<GradientSums> SumGradients(const graph::Model& model, const train::LossOptions& loss,
                                  const train::ExampleSet& examples,
                                  const std::vector<float>& parameters,
                                  const GradientOptions& how) {
  AH_RETURN_IF_ERROR(train::CheckFits(model, loss, examples));
  engine::EngineOptions options;
  options.mode = engine::Mode::kPrivateTraining;
  options.batch = examples.rows;
  AH_ASSIGN_OR_RETURN(auto engine, train::TrainingEngine::Create(model, loss, options, how.pool));
  GradientSums result;
  result.rows = examples.rows;
  result.sums.resize(parameters.size());
  std::vector<float> losses(examples.rows);
  std::vector<double> squares(examples.rows);
  engine::Clipping clipping;
  clipping.bound = how.max_grad_norm.value_or(std::numeric_limits<double>::max());
  if (how.max_grad_norm) {
    clipping.kind = train::KindOf(how.clipping);
    result.clipping = train::ClippingName(how.clipping);
    if (how.clipping == train::Clipping::kFlat) result.clipped = 0;
  }
  engine::SumTarget target;
  target.reals = result.sums.data();
  engine::StepResults results;
  results.losses = losses;
  results.squared_norms = squares;
  engine.SumClipped(parameters, train::AllRows(examples), clipping, target, results);
  for (std::size_t row = 0; row < examples.rows; ++row) {
    // Norms are known beyond what floats hold; the gradient itself is not.
    const auto norm = static_cast<float>(std::sqrt(squares[row]));
    if (!std::isfinite(norm)) {
      return InvalidInput("the gradient of row " + std::to_string(row) +
                          " is not finite; scale the inputs, or begin from smaller weights");
    }
    result.mean_loss += losses[row];
    result.norms.push_back(norm);
    if (result.clipped && double{norm} > *how.max_grad_norm) ++*result.clipped;
  }
  result.mean_loss /= static_cast<double>(examples.rows);
  return result;
}

Result<Bytes> SerializeGradients(const graph::Model& model, const GradientSums& sums) {
  AH_CHECK(sums.sums.size() == model.parameter_count());
  wire::Safetensors file;
  std::span<const float> left(sums.sums);
  for (const graph::Parameter& parameter : model.parameters()) {
    if (parameter.name == kNormsName) {
      return InvalidInput("the model has a parameter called '" + parameter.name +
                          "', the name that the norms have in the file; rename it");
    }
    const std::size_t count = parameter.values.size();
    file.tensors.push_back({parameter.name, wire::TensorType::kF32, parameter.shape,
                            std::as_bytes(left.first(count))});
    left = left.subspan(count);
  }
  const auto rows = static_cast<std::int64_t>(sums.norms.size());
  file.tensors.push_back(
      {kNormsName, wire::TensorType::kF32, {rows}, std::as_bytes(std::span(sums.norms))});
  return wire::WriteSafetensors(file);
}

}  // namespace anchorhold::client
