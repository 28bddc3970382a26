// The test cases of the ONNX project: a folder with model.onnx and test_data_set_N/input_K.pb and
// output_K.pb, each a serialized TensorProto. A case passes if the imported model, run by the
// reference interpreter in float32, gives the expected outputs.
#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace anchorhold::testing {

// A number passes if |got - expected| <= absolute + relative * |expected|, or if both are NaN or
// the same infinity. Integers and truth values are compared exactly, and so are shapes and element
// types.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

// The folder's cases: the names of the folders in it that hold a model.onnx, sorted. Empty if there
// is no such folder.
std::vector<std::string> FindCases(const std::string& folder);

// Runs every data set of the case in `folder`. The error says what is different, and in which set.
Status RunCase(const std::string& folder, const Tolerance& tolerance);

}  // namespace anchorhold::testing
