// What tests of operators say most: a model is refused with these words, or gives these numbers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "trusted/graph/interpreter.h"
#include "trusted/graph/model.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::graph::testing {

inline void ExpectRefused(const OnnxBuilder& builder, ErrorCode code,
                          const std::vector<std::string>& words) {
  const Result<Model> model = ImportOnnx(builder.Write());
  ASSERT_FALSE(model.ok()) << "accepted";
  EXPECT_EQ(ErrorCodeName(model.error().code()), ErrorCodeName(code)) << model.error().message();
  for (const std::string& word : words) {
    EXPECT_NE(model.error().message().find(word), std::string::npos)
        << "'" << word << "' is not in: " << model.error().message();
  }
}

// The outputs, in double, where the only input's numbers are `x`: of one example, unless the
// options say otherwise. Empty after a failure.
inline std::vector<Tensor<double>> Compute(const OnnxBuilder& builder, const std::vector<double>& x,
                                           const ImportOptions& options = {}) {
  const Result<Model> model = ImportOnnx(builder.Write(), options);
  EXPECT_TRUE(model.ok()) << model.error().message();
  if (!model.ok()) return {};
  Bindings<double> bindings;
  bindings.parameters = ParameterValues<double>(*model);
  bindings.inputs.push_back({ElementType::kFloat32, {}, x, {}});
  auto outputs = Interpret<double>(model->graph(), bindings, model->graph().outputs());
  EXPECT_TRUE(outputs.ok()) << outputs.error().message();
  return outputs.ok() ? *outputs : std::vector<Tensor<double>>{};
}

}  // namespace anchorhold::graph::testing
