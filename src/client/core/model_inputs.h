// Arrays from files, made fit for what a model declares: names, element types, shapes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/core/npy.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

using NamedArrays = std::map<std::string, Array>;

// `array` as numbers of `element`: reals are rounded to its precision, integers must fit.
// kInvalidInput between reals, integers and truth values, naming the conversion to make in NumPy.
Result<Array> ConvertTo(graph::ElementType element, Array array);

// Whether each of the model's inputs is given, and nothing else. kInvalidInput, listing the names
// that the model has.
Status CheckNames(const std::vector<std::string>& inputs, const NamedArrays& given);

// The arrays of the model's declared inputs, converted and of the declared shapes; an axis that
// several inputs call by one name has one size. Errors name the input.
Result<NamedArrays> FitInputs(const std::vector<graph::DeclaredInput>& declared, NamedArrays given);

}  // namespace anchorhold::client
