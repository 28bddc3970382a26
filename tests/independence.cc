#include "tests/independence.h"

#include <algorithm>
#include <cmath>

#include "trusted/graph/graph.h"

namespace anchorhold::testing {
namespace {

using Row = std::vector<float>;
using Outputs = std::vector<graph::Tensor<double>>;

// The plain mode computes in float32 while importing what depends on the batch's size alone, which
// is a number there; everything else is float64.
constexpr double kTolerance = 1e-5;

// The model imported without an example axis for a batch of `rows`, and run.
Result<Outputs> RunPlain(ByteSpan onnx, const graph::Model& model, const std::vector<Row>& rows) {
  graph::ImportOptions options;
  options.examples = false;
  graph::Bindings<double> bindings;
  std::size_t at = 0;
  for (const graph::Port& port : model.inputs()) {
    graph::KnownInput known{port.element, port.shape, {}};
    known.shape.insert(known.shape.begin(), static_cast<std::int64_t>(rows.size()));
    const std::size_t width = graph::ElementCount(port.shape);
    graph::Tensor<double>& tensor = bindings.inputs.emplace_back();
    for (const Row& row : rows) {
      for (std::size_t i = 0; i < width; ++i) {
        tensor.reals.push_back(row[at + i]);
        tensor.integers.push_back(static_cast<std::int64_t>(row[at + i]));
      }
    }
    at += width;
    options.inputs.emplace(port.name, std::move(known));
  }
  AH_ASSIGN_OR_RETURN(const graph::Model plain, graph::ImportOnnx(onnx, options));
  bindings.parameters = graph::ParameterValues<double>(plain);
  return graph::Interpret<double>(plain.graph(), bindings, plain.graph().outputs());
}

bool Same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= kTolerance * std::max({1.0, std::abs(a), std::abs(b)});
}

// Whether example `row` of `batch` has the numbers of example `other_row` of `other`.
bool SameRow(const graph::Tensor<double>& batch, std::size_t row,
             const graph::Tensor<double>& other, std::size_t other_row, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t a = row * width + i;
    const std::size_t b = other_row * width + i;
    if (graph::IsReal(batch.element) ? !Same(batch.reals[a], other.reals[b])
                                     : batch.integers[a] != other.integers[b]) {
      return false;
    }
  }
  return true;
}

// Whether a run of `examples` rows gave an output of the type `type`.
bool Fits(const graph::Tensor<double>& output, const graph::ValueType& type, std::size_t examples) {
  graph::Shape expected = type.shape;
  expected[0] *= static_cast<std::int64_t>(examples);
  return output.shape == expected && output.element == type.element;
}

Independence Fails(std::string what) { return {false, true, std::move(what)}; }

Independence NotRun(const Error& error) {
  const bool known =
      error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kLimitExceeded;
  return {known, false, "the plain mode refuses what the check accepts: " + error.message()};
}

// A run's outputs, and how many examples it was given.
struct Run {
  Outputs outputs;
  std::size_t examples = 1;
};

// Compares example `row` of one run with `other_row` of another.
Independence Compare(const graph::Model& model, const Run& run, std::size_t row, const Run& other,
                     std::size_t other_row, const std::string& with) {
  for (std::size_t i = 0; i < run.outputs.size(); ++i) {
    const graph::ValueType& type = model.graph().type(model.graph().outputs()[i]);
    const std::string where = "output " + std::to_string(i) + " of example " + std::to_string(row);
    for (const Run* some : {&run, &other}) {
      if (Fits(some->outputs[i], type, some->examples)) continue;
      return Fails(where + " has shape " + graph::FormatShape(some->outputs[i].shape) +
                   " in a batch of " + std::to_string(some->examples));
    }
    const std::size_t width = graph::ElementCount(type.shape);
    if (!SameRow(run.outputs[i], row, other.outputs[i], other_row, width)) {
      return Fails(where + " differs from itself " + with);
    }
  }
  return {};
}

}  // namespace

std::vector<float> DrawRow(Random& random, const graph::Model& model, std::int64_t vocabulary) {
  Row row;
  for (const graph::Port& port : model.inputs()) {
    for (std::size_t i = 0; i < graph::ElementCount(port.shape); ++i) {
      row.push_back(
          graph::IsReal(port.element)
              ? random.Uniform(-1, 1)
              : static_cast<float>(random.Between(0, std::max<std::int64_t>(vocabulary, 1) - 1)));
    }
  }
  return row;
}

template <typename T>
std::vector<graph::Tensor<T>> SplitRow(const graph::Model& model, std::span<const float> row) {
  std::vector<graph::Tensor<T>> inputs;
  for (const graph::Port& port : model.inputs()) {
    graph::Tensor<T>& tensor = inputs.emplace_back();
    const std::span<const float> numbers = row.first(graph::ElementCount(port.shape));
    row = row.subspan(numbers.size());
    for (const float x : numbers) {
      tensor.reals.push_back(x);
      tensor.integers.push_back(static_cast<std::int64_t>(x));
    }
  }
  return inputs;
}

template std::vector<graph::Tensor<double>> SplitRow(const graph::Model&, std::span<const float>);
template std::vector<graph::Tensor<float>> SplitRow(const graph::Model&, std::span<const float>);

Independence CheckIndependence(ByteSpan onnx, const graph::Model& model,
                               const std::vector<Row>& rows) {
  Result<Outputs> outputs = RunPlain(onnx, model, rows);
  if (!outputs.ok()) return NotRun(outputs.error());
  const Run batch = {std::move(outputs).value(), rows.size()};
  const bool fixed = graph::DeclaredInputs(onnx).value()[0].shape[0] > 0;
  for (std::size_t b = 0; b < rows.size(); ++b) {
    // Alone, as the type check takes the model.
    graph::Bindings<double> bindings;
    bindings.inputs = SplitRow<double>(model, rows[b]);
    bindings.parameters = graph::ParameterValues<double>(model);
    const Run typed = {
        graph::Interpret<double>(model.graph(), bindings, model.graph().outputs()).value(), 1};
    Independence verdict = Compare(model, batch, b, typed, 0, "as the check sees it");
    if (!verdict.holds) return verdict;
    // Beside copies of itself; and alone, and last of two, where the batch's size may vary.
    std::vector<std::vector<Row>> others = {std::vector<Row>(rows.size(), rows[b])};
    if (!fixed) others.insert(others.end(), {{rows[b]}, {rows[(b + 1) % rows.size()], rows[b]}});
    for (const std::vector<Row>& some : others) {
      Result<Outputs> plain = RunPlain(onnx, model, some);
      if (!plain.ok()) return NotRun(plain.error());
      const Run run = {std::move(plain).value(), some.size()};
      verdict = Compare(model, batch, b, run, some.size() - 1,
                        "in a batch of " + std::to_string(some.size()));
      if (!verdict.holds) return verdict;
    }
  }
  return {};
}

}  // namespace anchorhold::testing
