#include "trusted/graph/value_type.h"

#include "shared/base/limits.h"

namespace anchorhold::graph {

Result<std::size_t> CheckedElementCount(std::span<const std::int64_t> shape) {
  if (shape.size() > limits::kTensorRankMax) {
    return LimitExceeded("a tensor of rank " + std::to_string(shape.size()) + "; at most " +
                         std::to_string(limits::kTensorRankMax) + " axes are accepted");
  }
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 1) return InvalidInput("an axis of size " + std::to_string(size));
    if (static_cast<std::uint64_t>(size) > limits::kTensorElementsMax / count) {
      return LimitExceeded("a tensor of more than " + std::to_string(limits::kTensorElementsMax) +
                           " elements");
    }
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

std::size_t ElementCount(std::span<const std::int64_t> shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

std::int64_t OuterAfterReshape(const ValueType& in, const ValueType& to) {
  const auto before = [](const ValueType& type) {
    const std::span<const std::int64_t> shape = type.shape;
    return ElementCount(shape.first(static_cast<std::size_t>(type.example_axis)));
  };
  const std::size_t cut = before(in) * static_cast<std::size_t>(in.outer);
  if (cut % before(to) != 0) return 0;
  const auto outer = static_cast<std::int64_t>(cut / before(to));
  return to.multiplicity() % outer == 0 ? outer : 0;
}

const char* ElementName(ElementType element) {
  static constexpr const char* kNames[] = {"float32", "float16", "bfloat16", "float64", "int64",
                                           "int32",   "int16",   "int8",     "uint64",  "uint32",
                                           "uint16",  "uint8",   "bool"};
  return kNames[static_cast<std::size_t>(element)];
}

std::string FormatShape(std::span<const std::int64_t> shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const std::int64_t size : shape) {
    if (!text.empty()) text += "x";
    text += std::to_string(size);
  }
  return text;
}

std::string FormatType(const ValueType& type) {
  if (!type.has_examples()) return FormatShape(type.shape) + " " + ElementName(type.element);
  std::string text;
  for (int k = 0; k < type.rank(); ++k) {
    const std::int64_t size = type.shape[static_cast<std::size_t>(k)];
    if (!text.empty()) text += " x ";
    if (k != type.example_axis) {
      text += std::to_string(size);
    } else {
      if (type.outer != 1) text += std::to_string(type.outer) + "*";
      const std::int64_t inner = size / type.outer;
      text += inner == 1 ? "example" : "example*" + std::to_string(inner);
    }
  }
  return text + " " + ElementName(type.element);
}

Result<int> NormaliseAxis(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return InvalidInput("axis " + std::to_string(axis) + " of a value of rank " +
                        std::to_string(rank));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace anchorhold::graph
