#include "client/core/model_summary.h"

#include <set>

#include "onnx.pb.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/onnx_reader.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::client {
namespace {

std::string ElementText(std::int32_t onnx_type) {
  const Result<graph::ElementType> element = graph::ElementOf(onnx_type);
  return element.ok() ? graph::ElementName(*element) : "?";
}

ValueSummary Summarise(const onnx::ValueInfoProto& value) {
  ValueSummary summary{value.name(), ElementText(value.type().tensor_type().elem_type()), {}};
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    const bool known = dim.has_dim_value() && dim.dim_value() > 0;
    const std::string name = dim.dim_param().empty() ? "?" : dim.dim_param();
    summary.shape.push_back(known ? std::to_string(dim.dim_value()) : name);
  }
  return summary;
}

// Exporters often leave the outputs' shapes to be inferred.
void TakeType(const graph::ValueType& type, ValueSummary& summary) {
  summary.element = graph::ElementName(type.element);
  if (!summary.shape.empty()) return;
  for (int axis = 0; axis < type.rank(); ++axis) {
    const std::string size = std::to_string(type.shape[static_cast<std::size_t>(axis)]);
    const bool examples = axis == type.example_axis;
    summary.shape.push_back(!examples ? size : type.multiplicity() == 1 ? "?" : "?*" + size);
  }
}

ParameterSummary Summarise(const onnx::TensorProto& tensor) {
  ParameterSummary summary;
  summary.name = tensor.name();
  summary.element = ElementText(tensor.data_type());
  summary.shape.assign(tensor.dims().begin(), tensor.dims().end());
  const Result<std::size_t> count = graph::CheckedElementCount(summary.shape);
  summary.count = count.ok() ? *count : 0;
  return summary;
}

bool HoldsReals(const onnx::TensorProto& tensor) {
  const Result<graph::ElementType> element = graph::ElementOf(tensor.data_type());
  return element.ok() && graph::IsReal(*element);
}

void AddParameters(const onnx::GraphProto& file, const Result<graph::Model>& model,
                   ModelSummary& summary) {
  std::set<std::string> trainable;
  if (model.ok()) {
    for (const auto& parameter : model->parameters()) trainable.insert(parameter.name);
  }
  const auto verdict = [&](const std::string& name) {
    if (!model.ok()) return Trainable::kUnknown;
    return trainable.count(name) != 0 ? Trainable::kYes : Trainable::kNo;
  };
  std::set<std::string> initialized;
  for (const onnx::TensorProto& tensor : file.initializer()) {
    initialized.insert(tensor.name());
    if (!HoldsReals(tensor)) continue;
    summary.parameters.push_back(Summarise(tensor));
    summary.parameters.back().trainable = verdict(tensor.name());
  }
  if (!model.ok()) return;
  for (const graph::Parameter& parameter : model->parameters()) {
    if (initialized.count(parameter.name) != 0) continue;
    summary.parameters.push_back({parameter.name, "float32", parameter.shape,
                                  parameter.values.size(), Trainable::kYes, parameter.carried});
  }
}

}  // namespace

Result<ModelSummary> SummariseModel(ByteSpan onnx, const graph::ImportOptions& options) {
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<onnx::ModelProto> proto, graph::ReadOnnx(onnx));
  const onnx::GraphProto& file = proto->graph();
  ModelSummary summary;
  AH_ASSIGN_OR_RETURN(summary.opset, graph::DefaultOpset(*proto));
  summary.ir_version = proto->ir_version();
  summary.producer = proto->producer_name();
  if (!proto->producer_version().empty()) {
    summary.producer += " " + proto->producer_version();
  }
  const Result<graph::Model> model = graph::ImportOnnx(onnx, options);
  if (!model.ok()) summary.accepted = model.error();
  AddParameters(file, model, summary);
  std::set<std::string> weights;
  for (const auto& tensor : file.initializer()) weights.insert(tensor.name());
  if (model.ok()) {
    for (const auto& parameter : model->parameters()) weights.insert(parameter.name);
  }
  for (const auto& input : file.input()) {
    if (weights.count(input.name()) == 0) summary.inputs.push_back(Summarise(input));
  }
  for (int i = 0; i < file.output_size(); ++i) {
    summary.outputs.push_back(Summarise(file.output(i)));
    if (model.ok()) {
      const graph::ValueId id = model->graph().outputs()[static_cast<std::size_t>(i)];
      TakeType(model->graph().type(id), summary.outputs.back());
    }
  }
  for (const auto& node : file.node()) ++summary.operators[node.op_type()];
  summary.nodes = static_cast<std::size_t>(file.node_size());
  return summary;
}

}  // namespace anchorhold::client
