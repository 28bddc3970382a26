// Constant, Shape, Gather, Slice, Cast: what exporters compute shapes with. Gather and Slice are
// supported on shape integers only.
#include <algorithm>

#include "trusted/graph/node_context.h"
#include "trusted/graph/onnx_reader.h"
#include "trusted/graph/operators.h"

namespace anchorhold::graph {
namespace {

Status SetLiteral(NodeContext& node, TensorLiteral literal) {
  const ElementType element = literal.element;
  Shape shape = literal.shape;
  if (!IsReal(element) && shape.size() <= 1 && literal.integers.size() <= kIntegersMax) {
    Integers integers{shape.empty(), {}, element};
    for (const std::int64_t value : literal.integers) integers.values.push_back({value, false});
    node.SetOutput(std::move(integers));
    return Ok();
  }
  if (shape == Shape{0}) return Unsupported("a constant without numbers");
  node.SetOutput(node.builder().AddConstant(std::move(shape), std::move(literal).Share(), element));
  return Ok();
}

Status Constant(NodeContext& node) {
  if (const onnx::AttributeProto* value = node.Attribute("value")) {
    AH_ASSIGN_OR_RETURN(TensorLiteral literal, ReadTensor(value->t()));
    return SetLiteral(node, std::move(literal));
  }
  TensorLiteral literal;
  if (const onnx::AttributeProto* value = node.Attribute("value_float")) {
    literal.reals = {value->f()};
  } else if (const onnx::AttributeProto* list = node.Attribute("value_floats")) {
    literal.reals.assign(list->floats().begin(), list->floats().end());
    literal.shape = {list->floats_size()};
  } else if (const onnx::AttributeProto* integer = node.Attribute("value_int")) {
    literal.element = ElementType::kInt64;
    literal.integers = {integer->i()};
  } else if (const onnx::AttributeProto* integers = node.Attribute("value_ints")) {
    literal.element = ElementType::kInt64;
    literal.integers.assign(integers->ints().begin(), integers->ints().end());
    literal.shape = {integers->ints_size()};
  } else {
    return Unsupported("a constant that is neither numbers nor a tensor");
  }
  return SetLiteral(node, std::move(literal));
}

Status ShapeOf(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  AH_ASSIGN_OR_RETURN(std::int64_t start, node.Int("start", 0));
  AH_ASSIGN_OR_RETURN(std::int64_t end, node.Int("end", type.rank()));
  const auto clamp = [&](std::int64_t k) {
    return std::clamp<std::int64_t>(k < 0 ? k + type.rank() : k, 0, type.rank());
  };
  Integers shape;
  for (std::int64_t k = clamp(start); k < clamp(end); ++k) {
    shape.values.push_back({type.shape[static_cast<std::size_t>(k)], k == type.example_axis});
  }
  node.SetOutput(std::move(shape));
  return Ok();
}

Status Gather(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t given, node.Int("axis", 0));
  if (!node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
    const ValueType type = node.Type(x);
    AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, type.rank()));
    if (axis == type.example_axis) {
      return PrivacyRefused("gathers along the example axis of " + FormatType(type) +
                            ", so an example's result would come from another; gather along a "
                            "feature axis");
    }
    return Unsupported("Gather is supported on shapes only");
  }
  AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const Integers indices, node.IntegersOf(1));
  if (indices.uses_batch()) return PrivacyRefused("the batch's size is used as an index");
  Integers out{indices.scalar, {}};
  const auto size = static_cast<std::int64_t>(list.values.size());
  for (const SymbolicInteger& index : indices.values) {
    if (index.value < -size || index.value >= size) return InvalidInput("an index out of range");
    const std::int64_t at = index.value < 0 ? index.value + size : index.value;
    out.values.push_back(list.values[static_cast<std::size_t>(at)]);
  }
  node.SetOutput(std::move(out));
  return Ok();
}

Status SliceTensor(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
  const ValueType type = node.Type(x);
  std::vector<std::int64_t> axes;
  if (node.Has(3)) {
    AH_ASSIGN_OR_RETURN(axes, node.ConstantIntegers(3));
  } else {
    AH_ASSIGN_OR_RETURN(const Integers starts, node.IntegersOf(1));
    for (std::size_t k = 0; k < starts.values.size(); ++k) {
      axes.push_back(static_cast<std::int64_t>(k));
    }
  }
  for (const std::int64_t given : axes) {
    AH_ASSIGN_OR_RETURN(const int axis, NormaliseAxis(given, type.rank()));
    if (axis == type.example_axis) {
      return PrivacyRefused("slices the example axis of " + FormatType(type) +
                            ", so which examples count would depend on their place in the batch; "
                            "slice feature axes only");
    }
  }
  return Unsupported("Slice is supported on shapes only");
}

Result<std::int64_t> Single(NodeContext& node, std::size_t i, std::int64_t absent) {
  if (!node.Has(i)) return absent;
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> values, node.ConstantIntegers(i));
  if (values.size() != 1) return InvalidInput("one number is needed to slice a list");
  return values[0];
}

Status Slice(NodeContext& node) {
  if (!node.IsIntegers(0)) return SliceTensor(node);
  AH_ASSIGN_OR_RETURN(const Integers list, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t start, Single(node, 1, 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t end, Single(node, 2, 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t step, Single(node, 4, 1));
  if (step != 1) return Unsupported("a slice with a step");
  const auto size = static_cast<std::int64_t>(list.values.size());
  const auto clamp = [&](std::int64_t k) {
    return std::clamp<std::int64_t>(k < 0 ? std::max(k, -size) + size : k, 0, size);
  };
  Integers out;
  for (std::int64_t k = clamp(start); k < clamp(end); ++k) {
    out.values.push_back(list.values[static_cast<std::size_t>(k)]);
  }
  node.SetOutput(std::move(out));
  return Ok();
}

Status Cast(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t to, node.Int("to", 0));
  node.IgnoreAttribute("saturate");  // concerns 8-bit floats only
  const bool to_float = to == onnx::TensorProto::FLOAT;
  const bool to_integer = to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32;
  if (!node.IsIntegers(0)) {
    AH_ASSIGN_OR_RETURN(const ValueId x, node.Tensor(0));
    if (!to_float) return Unsupported("a cast of float32 to ONNX type " + std::to_string(to));
    node.SetOutput(x);
    return Ok();
  }
  if (to_integer) {
    AH_ASSIGN_OR_RETURN(Integers integers, node.IntegersOf(0));
    node.SetOutput(std::move(integers));
    return Ok();
  }
  if (!to_float) return Unsupported("a cast of integers to ONNX type " + std::to_string(to));
  AH_ASSIGN_OR_RETURN(const Integers integers, node.IntegersOf(0));
  AH_ASSIGN_OR_RETURN(const std::vector<std::int64_t> values, node.ConstantIntegers(0));
  if (values.empty()) return InvalidInput("an empty list is cast to float32");
  TensorLiteral literal;
  if (!integers.scalar) literal.shape = {static_cast<std::int64_t>(values.size())};
  for (const std::int64_t value : values) literal.reals.push_back(static_cast<float>(value));
  return SetLiteral(node, std::move(literal));
}

constexpr OperatorDefinition kOperators[] = {
    {"Constant", kOpsetMin, kOpsetMax, 0, 0, &Constant}, {"Shape", kOpsetMin, kOpsetMax, 1, 1, &ShapeOf},
    {"Gather", kOpsetMin, kOpsetMax, 2, 2, &Gather},     {"Slice", kOpsetMin, kOpsetMax, 3, 5, &Slice},
    {"Cast", kOpsetMin, kOpsetMax, 1, 1, &Cast},
};

}  // namespace

std::span<const OperatorDefinition> ShapeOperators() { return kOperators; }

}  // namespace anchorhold::graph
