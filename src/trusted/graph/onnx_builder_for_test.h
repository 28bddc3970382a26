// Writes small ONNX models for tests.
//
//   OnnxBuilder b;                                   // input "x" [N, 3]
//   b.Weight("w", {1, 3}, {1, 2, 3}).Node("Gemm", {"x", "w"}, {"y"}, {Int("transB", 1)});
//   Bytes model = b.Output("y").Write();
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "shared/base/bytes.h"

namespace anchorhold::graph::testing {

inline onnx::AttributeProto Int(const std::string& name, std::int64_t value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
  return attribute;
}

inline onnx::AttributeProto Float(const std::string& name, float value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
  return attribute;
}

inline onnx::AttributeProto Ints(const std::string& name, const std::vector<std::int64_t>& values) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
  return attribute;
}

inline onnx::AttributeProto Text(const std::string& name, const std::string& value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value);
  return attribute;
}

inline onnx::TensorProto FloatTensor(const std::string& name, const std::vector<std::int64_t>& dims,
                                     const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  return tensor;
}

inline onnx::TensorProto IntegerTensor(const std::string& name,
                                       const std::vector<std::int64_t>& values,
                                       bool scalar = false) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  if (!scalar) tensor.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

class OnnxBuilder {
 public:
  static constexpr std::int64_t kSymbolic = -1;

  // One input "x"; a batch of kSymbolic is the dim_param "N".
  explicit OnnxBuilder(const std::vector<std::int64_t>& example = {3}, int opset = 17,
                       std::int64_t batch = kSymbolic) {
    model_.set_ir_version(8);
    model_.add_opset_import()->set_version(opset);
    model_.mutable_graph()->set_name("test");
    Input("x", example, batch);
  }

  OnnxBuilder& Input(const std::string& name, const std::vector<std::int64_t>& example,
                     std::int64_t batch = kSymbolic) {
    onnx::ValueInfoProto* input = model_.mutable_graph()->add_input();
    input->set_name(name);
    onnx::TypeProto::Tensor* tensor = input->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(onnx::TensorProto::FLOAT);
    onnx::TensorShapeProto::Dimension* first = tensor->mutable_shape()->add_dim();
    if (batch == kSymbolic) {
      first->set_dim_param("N");
    } else {
      first->set_dim_value(batch);
    }
    for (const std::int64_t size : example) tensor->mutable_shape()->add_dim()->set_dim_value(size);
    return *this;
  }

  OnnxBuilder& Weight(const std::string& name, const std::vector<std::int64_t>& dims,
                      const std::vector<float>& values) {
    *model_.mutable_graph()->add_initializer() = FloatTensor(name, dims, values);
    return *this;
  }

  OnnxBuilder& Integers(const std::string& name, const std::vector<std::int64_t>& values,
                        bool scalar = false) {
    *model_.mutable_graph()->add_initializer() = IntegerTensor(name, values, scalar);
    return *this;
  }

  // A Constant node: numbers that are not trained.
  OnnxBuilder& Constant(const std::string& name, const std::vector<std::int64_t>& dims,
                        const std::vector<float>& values) {
    onnx::AttributeProto attribute;
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = FloatTensor("", dims, values);
    return Node("Constant", {}, {name}, {attribute});
  }

  // The node is called "n0", "n1", ...
  OnnxBuilder& Node(const std::string& op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs,
                    const std::vector<onnx::AttributeProto>& attributes = {}) {
    onnx::NodeProto* node = model_.mutable_graph()->add_node();
    node->set_name("n" + std::to_string(model_.graph().node_size() - 1));
    node->set_op_type(op);
    for (const std::string& input : inputs) node->add_input(input);
    for (const std::string& output : outputs) node->add_output(output);
    for (const onnx::AttributeProto& attribute : attributes) *node->add_attribute() = attribute;
    return *this;
  }

  OnnxBuilder& Output(const std::string& name) {
    model_.mutable_graph()->add_output()->set_name(name);
    return *this;
  }

  onnx::ModelProto& proto() { return model_; }

  Bytes Write() const { return CopyBytes(AsBytes(model_.SerializeAsString())); }

 private:
  onnx::ModelProto model_;
};

}  // namespace anchorhold::graph::testing
