// Primitives: the few operations that graphs are made of. ONNX operators are rewritten into them
// (operators.h), so that the type rules, kernels and derivatives to be trusted are these alone.
//
// Adding a primitive is adding one entry: its type rule, its kernel and its gradient rule, in one
// file of the family's (primitives_*.cc).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/base/result.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::graph {

class GradientScope;  // autodiff.h

// What a primitive needs besides its inputs; each uses the fields that its comment names.
struct Attributes {
  int axis = 0;
  Shape dims{};  // a target shape, a permutation, axes, or a slice's {start, size}
  int example_axis = kNoExampleAxis;  // Reshape: where the target has the example axis
  double alpha = 0;                   // a factor, a slope, or a lower bound
  double beta = 0;                    // an upper bound
  bool transpose_a = false;
  bool transpose_b = false;
};

// One application of a primitive to one example. T is float; double serves the tests, where finite
// differences need the digits. The output overlaps no input.
template <typename T>
struct Call {
  std::span<const T* const> inputs;
  T* output = nullptr;
  std::span<const ValueType> input_types;
  const ValueType& output_type;
  const Attributes& attributes;
};

struct Primitive {
  const char* name;
  // The output's type, or why there is none: kPrivacyRefused if examples would mix, kInvalidInput
  // for shapes that do not fit.
  Result<ValueType> (*infer)(std::span<const ValueType> inputs, const Attributes& attributes);
  void (*forward)(const Call<float>& call);
  void (*forward_double)(const Call<double>& call);
  // Adds the output's gradient, times the derivative, to the inputs' gradients. Null for primitives
  // that occur only in gradients: second derivatives are not taken.
  void (*gradient)(GradientScope& scope);

  template <typename T>
  void Run(const Call<T>& call) const;
};

template <>
inline void Primitive::Run(const Call<float>& call) const {
  forward(call);
}
template <>
inline void Primitive::Run(const Call<double>& call) const {
  forward_double(call);
}

}  // namespace anchorhold::graph
