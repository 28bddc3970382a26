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

// Where a convolution or pooling reads: one entry a spatial axis in each list. Output position o
// reads input positions o * stride + k * dilation - pad_begin for k in [0, kernel).
struct Window {
  Shape kernel{};
  Shape strides{};
  Shape dilations{};
  Shape pads_begin{};
  Shape pads_end{};
  std::int64_t groups = 1;
  bool count_pads = false;  // AveragePool: divide by the kernel's size, padding included
};

// What a primitive needs besides its inputs; each uses the fields that its comment names.
struct Attributes {
  int axis = 0;
  Shape dims{};     // a target shape, a permutation, axes, or a slice's {start, size}
  Window window{};  // of convolutions and poolings
  int example_axis = kNoExampleAxis;  // Reshape: where the target has the example axis
  double alpha = 0;                   // a factor, a slope, or a lower bound
  double beta = 0;                    // an upper bound
  bool transpose_a = false;
  bool transpose_b = false;
  int mode = 0;                                 // one of a few variants, named by the primitive
  ElementType element = ElementType::kFloat32;  // Cast: to what
};

// One application of a primitive to one example. Real values are arrays of T: float, or double for
// the reference and for finite differences, which need the digits. Integers are arrays of int64.
// The output overlaps no input.
template <typename T>
struct Call {
  std::span<const void* const> inputs;
  void* output = nullptr;
  std::span<const ValueType> input_types;
  const ValueType& output_type;
  const Attributes& attributes;

  const T* real(std::size_t i) const { return static_cast<const T*>(inputs[i]); }
  const std::int64_t* integers(std::size_t i) const {
    return static_cast<const std::int64_t*>(inputs[i]);
  }
  T* real_output() const { return static_cast<T*>(output); }
  std::int64_t* integer_output() const { return static_cast<std::int64_t*>(output); }

  // Input i and the output as arrays of Element, T or int64: for kernels that serve both.
  template <typename Element>
  const Element* in(std::size_t i) const {
    return static_cast<const Element*>(inputs[i]);
  }
  template <typename Element>
  Element* out() const {
    return static_cast<Element*>(output);
  }
};

enum class Accepts : unsigned char {
  kReals,  // every input is real; the output is of the first one's type
  kAny,    // the type rule looks at the element types itself
};

struct Primitive {
  const char* name;
  // The output's type, or why there is none: kPrivacyRefused if examples would mix, kInvalidInput
  // for shapes that do not fit.
  Result<ValueType> (*infer)(std::span<const ValueType> inputs, const Attributes& attributes);
  void (*forward)(const Call<float>& call);
  void (*forward_double)(const Call<double>& call);
  // Adds the output's gradient, times the derivative, to the inputs' gradients. NoGradient where
  // the output is integer or constant almost everywhere; null for primitives that occur only in
  // gradients: second derivatives are not taken.
  void (*gradient)(GradientScope& scope);
  Accepts accepts = Accepts::kReals;
  // Whether the type rule says itself how the examples lie along the output's example axis
  // (ValueType::outer). All others work on each place along it by itself, and keep it.
  bool places_examples = false;

  template <typename T>
  void Run(const Call<T>& call) const;
};

// The derivative is zero: nothing is contributed.
inline void NoGradient(GradientScope&) {}

template <>
inline void Primitive::Run(const Call<float>& call) const {
  forward(call);
}
template <>
inline void Primitive::Run(const Call<double>& call) const {
  forward_double(call);
}

// The kernel of a primitive that serves real and integer values: one of two, by the last input's
// type (the first is a condition in Where).
template <typename T, void (*reals)(const Call<T>&), void (*integers)(const Call<T>&)>
void ByElement(const Call<T>& call) {
  (call.input_types.back().is_real() ? reals : integers)(call);
}

}  // namespace anchorhold::graph
