#include "tests/mutated_graph.h"

#include <string>
#include <utility>
#include <vector>

#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {
namespace {

using graph::testing::Int;
using graph::testing::Ints;
using Strings = std::vector<std::string>;

int Below(Random& random, int count) { return static_cast<int>(random.Between(0, count - 1)); }

onnx::NodeProto& AnyNode(Random& random, onnx::ModelProto& model) {
  return *model.mutable_graph()->mutable_node(Below(random, model.graph().node_size()));
}

// The name of a value before node `end`: an input, an initializer or an output.
std::string AnyValue(Random& random, const onnx::ModelProto& model, int end) {
  Strings names;
  for (const auto& input : model.graph().input()) names.push_back(input.name());
  for (const auto& tensor : model.graph().initializer()) names.push_back(tensor.name());
  for (int n = 0; n < end; ++n) {
    // Twice: what is computed is of more interest than weights.
    for (const std::string& name : model.graph().node(n).output()) {
      names.insert(names.end(), 2, name);
    }
  }
  return random.Pick(names);
}

std::int64_t AnyInteger(Random& random) {
  return random.Pick<std::int64_t>({-2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 8});
}

// Another number, or two that change places.
template <typename Field>
void ChangeIntegers(Random& random, Field& field) {
  if (field.empty()) return;
  const int at = Below(random, field.size());
  if (random.Chance(60)) {
    field.SwapElements(at, Below(random, field.size()));
  } else {
    field.Set(at, AnyInteger(random));
  }
}

void ChangeAttribute(Random& random, onnx::ModelProto& model) {
  onnx::NodeProto& node = AnyNode(random, model);
  if (node.attribute_size() == 0) return;
  onnx::AttributeProto& attribute = *node.mutable_attribute(Below(random, node.attribute_size()));
  if (attribute.type() == onnx::AttributeProto::INT) attribute.set_i(AnyInteger(random));
  if (attribute.type() == onnx::AttributeProto::INTS) {
    ChangeIntegers(random, *attribute.mutable_ints());
  }
  if (attribute.type() == onnx::AttributeProto::TENSOR) {
    ChangeIntegers(random, *attribute.mutable_t()->mutable_int64_data());
  }
  if (attribute.name() == "equation" && !attribute.s().empty()) {
    std::string& text = *attribute.mutable_s();
    std::swap(text[static_cast<std::size_t>(Below(random, static_cast<int>(text.size())))],
              text[static_cast<std::size_t>(Below(random, static_cast<int>(text.size())))]);
  }
}

void ChangeInitializer(Random& random, onnx::ModelProto& model) {
  if (model.graph().initializer_size() == 0) return;
  onnx::TensorProto& tensor =
      *model.mutable_graph()->mutable_initializer(Below(random, model.graph().initializer_size()));
  ChangeIntegers(random, *tensor.mutable_int64_data());
}

void Rewire(Random& random, onnx::ModelProto& model) {
  const int n = Below(random, model.graph().node_size());
  onnx::NodeProto& node = *model.mutable_graph()->mutable_node(n);
  if (node.input_size() == 0) return;
  node.set_input(Below(random, node.input_size()), AnyValue(random, model, n));
}

void ChangeOperator(Random& random, onnx::ModelProto& model) {
  static const std::vector<Strings> kAlike = {
      {"Add", "Sub", "Mul", "Div", "Max", "Min", "MatMul", "Gemm", "Pow"},
      {"Relu", "Tanh", "Transpose", "Shape", "Softmax", "Identity", "Flatten", "Trilu", "Squeeze",
       "Size", "NonZero", "ReduceMean", "ReduceSum", "ReduceMax", "GlobalAveragePool", "Cast"},
      {"Reshape", "Expand", "Tile", "Gather", "GatherElements", "GatherND", "Unsqueeze", "Squeeze",
       "Slice", "CumSum", "TopK", "Split", "Pad", "OneHot"},
      {"MaxPool", "AveragePool"},
      {"LSTM", "GRU", "RNN"}};
  onnx::NodeProto& node = AnyNode(random, model);
  for (const Strings& group : kAlike) {
    for (const std::string& name : group) {
      if (name != node.op_type()) continue;
      node.set_op_type(random.Pick(group));
      return;
    }
  }
}

// Another operator over one of node n's inputs.
void Insert(Random& random, onnx::ModelProto& model) {
  const int n = Below(random, model.graph().node_size());
  if (model.graph().node(n).input_size() == 0) return;
  const int input = Below(random, model.graph().node(n).input_size());
  const std::string name = "m" + std::to_string(random.Next());
  onnx::NodeProto made;
  made.set_name(name);
  made.add_input(model.graph().node(n).input(input));
  made.add_output(name);
  std::vector<std::int64_t> numbers;
  switch (Below(random, 7)) {
    case 0:
      made.set_op_type("Transpose");
      numbers = random.Pick<std::vector<std::int64_t>>(
          {{1, 0}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {1, 0, 2, 3}});
      *made.add_attribute() = Ints("perm", numbers);
      break;
    case 1:
      made.set_op_type("Flatten");
      *made.add_attribute() = Int("axis", random.Between(0, 3));
      break;
    case 2:
      made.set_op_type(random.Chance(50) ? "Softmax" : "CumSum");
      if (made.op_type() == "Softmax") *made.add_attribute() = Int("axis", random.Between(-3, 2));
      numbers = {random.Between(0, 2)};
      break;
    case 3:
      made.set_op_type("Unsqueeze");
      numbers = {random.Between(0, 3)};
      break;
    case 4:
      made.set_op_type("Slice");
      break;
    default:
      made.set_op_type(random.Chance(70) ? "Reshape" : "Expand");
      for (std::int64_t k = random.Between(1, 4); k > 0; --k) numbers.push_back(AnyInteger(random));
  }
  const auto add = [&](const std::vector<std::int64_t>& values, bool scalar = false) {
    const std::string constant = name + "_" + std::to_string(made.input_size());
    *model.mutable_graph()->add_initializer() =
        graph::testing::IntegerTensor(constant, values, scalar);
    made.add_input(constant);
  };
  if (made.op_type() == "Slice") {
    for (int k = 0; k < 3; ++k) add({AnyInteger(random)});
  } else if (made.op_type() != "Transpose" && !numbers.empty()) {
    add(numbers, made.op_type() == "CumSum");
  }
  // In its place: nodes are in order.
  onnx::GraphProto& graph = *model.mutable_graph();
  *graph.add_node() = made;
  for (int k = graph.node_size() - 1; k > n; --k) graph.mutable_node()->SwapElements(k, k - 1);
  graph.mutable_node(n + 1)->set_input(input, name);
}

void ChangeOutput(Random& random, onnx::ModelProto& model) {
  const std::string name = AnyValue(random, model, model.graph().node_size());
  if (random.Chance(50)) {
    model.mutable_graph()->mutable_output(0)->set_name(name);
  } else {
    model.mutable_graph()->add_output()->set_name(name);
  }
}

}  // namespace

void Mutate(Random& random, onnx::ModelProto& model) {
  switch (Below(random, 10)) {
    case 0:
    case 1:
      return ChangeAttribute(random, model);
    case 2:
    case 3:
      return ChangeInitializer(random, model);
    case 4:
      return Rewire(random, model);
    case 5:
      return ChangeOperator(random, model);
    case 6:
      return ChangeOutput(random, model);
    default:
      return Insert(random, model);
  }
}

}  // namespace anchorhold::testing
