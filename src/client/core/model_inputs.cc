#include "client/core/model_inputs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/core/half.h"
#include "trusted/graph/names.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;

double RoundTo(ElementType element, double value) {
  switch (element) {
    case ElementType::kFloat16:
      return FromHalf(ToHalf(value));
    case ElementType::kBFloat16:
      return RoundToBFloat(value);
    case ElementType::kFloat32:
      return static_cast<float>(value);
    default:
      return value;
  }
}

struct Range {
  std::int64_t lowest;
  std::int64_t highest;
};

// 64-bit integers of either sign are held as they are.
Range RangeOf(ElementType element) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  switch (element) {
    case ElementType::kInt32:
      return {-(std::int64_t{1} << 31), (std::int64_t{1} << 31) - 1};
    case ElementType::kInt16:
      return {-32768, 32767};
    case ElementType::kInt8:
      return {-128, 127};
    case ElementType::kUInt64:
      return {0, kMax};
    case ElementType::kUInt32:
      return {0, (std::int64_t{1} << 32) - 1};
    case ElementType::kUInt16:
      return {0, 65535};
    case ElementType::kUInt8:
      return {0, 255};
    default:
      return {std::numeric_limits<std::int64_t>::min(), kMax};
  }
}

// What conversions stay within: reals, integers, truth values.
enum class Kind { kReal, kInteger, kTruth };
Kind KindOf(ElementType element) {
  if (graph::IsReal(element)) return Kind::kReal;
  return element == ElementType::kBool ? Kind::kTruth : Kind::kInteger;
}

const char* NumPyName(ElementType element) {
  return element == ElementType::kBFloat16 ? "float32" : graph::ElementName(element);
}

std::string Names(const std::vector<std::string>& names) {
  if (names.empty()) return "it has none";
  std::string text = names.size() == 1 ? "its input is " : "its inputs are ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : ", ") + graph::Quoted(names[i]);
  }
  return text;
}

// Sizes of axes that the model names, as far as inputs have shown them.
using AxisSizes = std::map<std::string, std::int64_t>;

Status CheckShape(const graph::DeclaredInput& input, const graph::Shape& shape, AxisSizes& sizes) {
  if (input.shape.empty()) return Ok();  // a scalar, or a shape that the model leaves open
  if (shape.size() != input.shape.size()) {
    return InvalidInput("the file's array is " + graph::FormatShape(shape) + "; the model's has " +
                        std::to_string(input.shape.size()) + " axes");
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    std::int64_t size = input.shape[axis];
    if (size < 0 && !input.names[axis].empty()) {
      size = sizes.emplace(input.names[axis], shape[axis]).first->second;
    }
    if (size < 0 || size == shape[axis]) continue;
    return InvalidInput("axis " + std::to_string(axis) + " of the file's array has size " +
                        std::to_string(shape[axis]) + "; the model's has " + std::to_string(size));
  }
  return Ok();
}

}  // namespace

Result<Array> ConvertTo(ElementType element, Array array) {
  if (KindOf(element) != KindOf(array.element)) {
    return InvalidInput(std::string("the file holds ") + graph::ElementName(array.element) +
                        " and the model takes " + graph::ElementName(element) +
                        "; save array.astype('" + NumPyName(element) + "')");
  }
  for (double& value : array.reals) value = RoundTo(element, value);
  const bool same = array.element == element;
  Range range = RangeOf(element);
  // A uint64 beyond int64 is held as a negative number, which is itself in another uint64 only.
  if (array.element == ElementType::kUInt64) range.lowest = 0;
  for (const std::int64_t value : array.integers) {
    if (!same && (value < range.lowest || value > range.highest)) {
      return InvalidInput(std::string("the file holds a number that does not fit the model's ") +
                          graph::ElementName(element));
    }
  }
  array.element = element;
  return array;
}

Status CheckNames(const std::vector<std::string>& inputs, const NamedArrays& given) {
  for (const auto& [name, array] : given) {
    if (std::find(inputs.begin(), inputs.end(), name) == inputs.end()) {
      return InvalidInput("the model has no input " + graph::Quoted(name) + " to be given; " +
                          Names(inputs));
    }
  }
  for (const std::string& name : inputs) {
    if (given.count(name) == 0) {
      return InvalidInput("no file is given for the model's input " + graph::Quoted(name) +
                          "; add --input " + graph::Printable(name) + "=FILE");
    }
  }
  return Ok();
}

Result<NamedArrays> FitInputs(const std::vector<graph::DeclaredInput>& declared,
                              NamedArrays given) {
  std::vector<std::string> names;
  for (const graph::DeclaredInput& input : declared) names.push_back(input.name);
  AH_RETURN_IF_ERROR(CheckNames(names, given));
  AxisSizes sizes;
  for (const graph::DeclaredInput& input : declared) {
    Array& array = given[input.name];
    const std::string where = "input " + graph::Quoted(input.name);
    const Status shape = CheckShape(input, array.shape, sizes);
    if (!shape.ok()) return shape.error().At(where);
    Result<Array> converted = ConvertTo(input.element, std::move(array));
    if (!converted.ok()) return converted.error().At(where);
    array = *std::move(converted);
  }
  return given;
}

}  // namespace anchorhold::client
