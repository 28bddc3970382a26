#include "trusted/engine/simplify.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/truth_primitives.h"
#include "trusted/engine/truths.h"
#include "trusted/graph/graph.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::engine {
namespace {

namespace primitives = graph::primitives;
using graph::ElementCount;
using graph::GraphBuilder;
using graph::Node;
using graph::Primitive;
using graph::Shape;
using graph::Source;
using graph::ValueId;
using graph::ValueType;

// The axes of `part`, aligned at the last axis with `whole`, along which it is not repeated: the
// sizes before, of and after that one run of axes. Nothing if they are no run, or not whole.
struct AxisRun {
  std::size_t size = 1;
  std::size_t after = 1;
};
std::optional<AxisRun> RunOf(const Shape& part, const Shape& whole) {
  if (part.size() > whole.size()) return std::nullopt;
  AxisRun run;
  bool inside = false;
  bool before = false;
  for (std::size_t k = 0; k < whole.size(); ++k) {
    const std::int64_t size = whole[whole.size() - 1 - k];
    const std::int64_t own = k < part.size() ? part[part.size() - 1 - k] : 1;
    if (own == 1 && size == 1) continue;
    if (own == 1) {
      if (inside) before = true;
      if (!inside) run.after *= static_cast<std::size_t>(size);
      continue;
    }
    if (own != size || before) return std::nullopt;
    inside = true;
    run.size *= static_cast<std::size_t>(size);
  }
  return run;
}

class Simplifier {
 public:
  explicit Simplifier(const graph::Graph& old)
      : old_(old), truths_(old), ids_(old.values().size()) {}

  Result<std::shared_ptr<const graph::Graph>> Run() {
    for (std::size_t id = 0; id < ids_.size(); ++id) {
      AH_RETURN_IF_ERROR(Take(static_cast<ValueId>(id)));
    }
    std::vector<ValueId> outputs;
    for (const ValueId id : old_.outputs()) outputs.push_back(New(id));
    return std::move(builder_).Finish(std::move(outputs));
  }

 private:
  ValueId New(ValueId old) const { return ids_[static_cast<std::size_t>(old)]; }
  const Node* Producer(ValueId id) const { return builder_.graph().producer(id); }
  const Node* ProducerOf(ValueId id, const Primitive& primitive) const {
    const Node* node = Producer(id);
    return node != nullptr && node->primitive == &primitive ? node : nullptr;
  }

  Status Take(ValueId id);
  Status TakeNode(ValueId id);
  Result<ValueId> Rewrite(const Node& node, const std::vector<ValueId>& inputs);
  Result<std::optional<ValueId>> Chosen(const Node& node, const std::vector<ValueId>& inputs);
  Result<ValueId> WithNumber(const Node& node, const std::vector<ValueId>& inputs);
  std::optional<ValueId> Gelu(ValueId half);
  std::optional<ValueId> Silu(const std::vector<ValueId>& factors) const;
  Result<std::optional<ValueId>> Affine(const std::vector<ValueId>& inputs);
  Result<std::optional<ValueId>> Slice(const Node& node, const std::vector<ValueId>& inputs);
  std::optional<ValueId> UnderErf(ValueId one_plus_erf) const;
  bool IsZeros(ValueId id) const;
  bool IsProductOfZeros(ValueId id) const;
  // The number that every element of a constant is; nothing for other values.
  std::optional<double> Number(ValueId id) const;

  const graph::Graph& old_;
  Truths truths_;
  GraphBuilder builder_;
  std::vector<ValueId> ids_;  // by the old graph's
};

Status Simplifier::Take(ValueId id) {
  const graph::Value& value = old_.value(id);
  ValueId& out = ids_[static_cast<std::size_t>(id)];
  switch (value.source) {
    case Source::kInput:
      out = builder_.AddInput(value.type, value.index);
      break;
    case Source::kParameter:
      out = builder_.AddParameter(value.type.shape, value.index, value.type.element);
      break;
    case Source::kConstant:
      out =
          builder_.AddConstant(value.type.shape, old_.constants()[value.index], value.type.element);
      break;
    case Source::kSeed:
      return InternalError("a graph to be simplified holds no gradients");
    case Source::kNode:
      return TakeNode(id);
  }
  return truths_.Take(builder_, id, out, {});
}

Status Simplifier::TakeNode(ValueId id) {
  const Node& node = *old_.producer(id);
  std::vector<ValueId> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(New(input));
  AH_ASSIGN_OR_RETURN(const ValueId out, Rewrite(node, inputs));
  ids_[static_cast<std::size_t>(id)] = out;
  return truths_.Take(builder_, id, out, inputs);
}

std::optional<double> Simplifier::Number(ValueId id) const {
  const graph::ConstantData* data = builder_.constant(id);
  if (data == nullptr || data->reals == nullptr) return std::nullopt;
  const std::vector<float>& numbers = *data->reals;
  const bool same = std::all_of(numbers.begin(), numbers.end(),
                                [&](float number) { return number == numbers[0]; });
  if (!same || !std::isfinite(numbers[0])) return std::nullopt;
  return numbers[0];
}

// Zeros of the model's, or these in another shape.
bool Simplifier::IsZeros(ValueId id) const {
  constexpr int kMoves = 8;
  for (int move = 0; move < kMoves; ++move) {
    if (Number(id) == 0.0) return true;
    const Node* node = Producer(id);
    if (node == nullptr) return false;
    const Primitive* primitive = node->primitive;
    if (primitive != &primitives::kBroadcastTo && primitive != &primitives::kSlice &&
        primitive != &primitives::kReshape && primitive != &primitives::kTranspose) {
      return false;
    }
    id = node->inputs[0];
  }
  return false;
}

bool Simplifier::IsProductOfZeros(ValueId id) const {
  const Node* product = ProducerOf(id, primitives::kMatMul);
  return product != nullptr && (IsZeros(product->inputs[0]) || IsZeros(product->inputs[1]));
}

Result<ValueId> Simplifier::Rewrite(const Node& node, const std::vector<ValueId>& inputs) {
  const Primitive* primitive = node.primitive;
  if (primitive == &primitives::kAdd) {
    AH_ASSIGN_OR_RETURN(const std::optional<ValueId> affine, Affine(inputs));
    if (affine) return *affine;
    for (std::size_t k = 0; k < 2; ++k) {
      const bool whole = builder_.type(inputs[1 - k]) == old_.type(node.output);
      if (whole && IsProductOfZeros(inputs[k])) return inputs[1 - k];
    }
  }
  if (primitive == &primitives::kMul) {
    if (const std::optional<ValueId> x = Silu(inputs)) return builder_.Emit(kSilu, {*x});
  }
  if (primitive == &primitives::kWhere || primitive == &primitives::kCast) {
    AH_ASSIGN_OR_RETURN(const std::optional<ValueId> chosen, Chosen(node, inputs));
    if (chosen) return *chosen;
  }
  if (primitive == &primitives::kMinOver) {
    AH_ASSIGN_OR_RETURN(const ValueId opposite, builder_.Emit(primitives::kNeg, inputs));
    AH_ASSIGN_OR_RETURN(const ValueId largest,
                        builder_.Emit(primitives::kMaxOver, {opposite}, node.attributes));
    return builder_.Emit(primitives::kNeg, {largest});
  }
  if (primitive == &primitives::kGather) {
    AH_ASSIGN_OR_RETURN(const std::optional<ValueId> slice, Slice(node, inputs));
    if (slice) return *slice;
  }
  if (primitive == &primitives::kAdd || primitive == &primitives::kSub ||
      primitive == &primitives::kMul || primitive == &primitives::kDiv) {
    return WithNumber(node, inputs);
  }
  if (primitive == &primitives::kPow && builder_.type(inputs[0]) == old_.type(node.output)) {
    const std::optional<double> exponent = Number(inputs[1]);
    const ValueId x = inputs[0];
    if (exponent && (*exponent == 2 || *exponent == 3)) {
      AH_ASSIGN_OR_RETURN(const ValueId square, builder_.Emit(primitives::kMul, {x, x}));
      return *exponent == 2 ? Result<ValueId>(square)
                            : builder_.Emit(primitives::kMul, {square, x});
    }
  }
  return builder_.Emit(*primitive, inputs, node.attributes);
}

// What a Where or a Cast is, if its truth value is a number.
Result<std::optional<ValueId>> Simplifier::Chosen(const Node& node,
                                                  const std::vector<ValueId>& inputs) {
  const auto none = std::optional<ValueId>();
  const ValueId truth = truths_.Number(node.inputs[0]);
  if (truth == graph::kNoValue) return none;
  ValueId out = truth;
  if (node.primitive == &primitives::kWhere) {
    if (!old_.type(node.output).is_real()) return none;
    AH_ASSIGN_OR_RETURN(out, builder_.Emit(kChoose, {truth, inputs[1], inputs[2]}));
  }
  return builder_.type(out) == old_.type(node.output) ? std::optional<ValueId>(out) : none;
}

Result<ValueId> Simplifier::WithNumber(const Node& node, const std::vector<ValueId>& inputs) {
  const Primitive* primitive = node.primitive;
  const bool either = primitive == &primitives::kAdd || primitive == &primitives::kMul;
  ValueId x = inputs[0];
  std::optional<double> number = Number(inputs[1]);
  if (!number && either) {
    x = inputs[1];
    number = Number(inputs[0]);
  }
  const bool divides = primitive == &primitives::kDiv;
  const bool usable = number && builder_.type(x) == old_.type(node.output) &&
                      (!divides || std::isfinite(1 / *number));
  if (!usable) return builder_.Emit(*primitive, inputs, node.attributes);
  graph::Attributes scale;
  scale.alpha = 1;
  if (primitive == &primitives::kAdd) scale.beta = *number;
  if (primitive == &primitives::kSub) scale.beta = -*number;
  if (primitive == &primitives::kMul) scale.alpha = *number;
  if (divides) scale.alpha = 1 / *number;
  if (scale.alpha == 1 && scale.beta == 0) return x;
  if (scale.alpha == 0.5 && scale.beta == 0) {
    if (const std::optional<ValueId> under = Gelu(x)) {
      return builder_.Emit(primitives::kGelu, {*under});
    }
  }
  return builder_.Emit(primitives::kScale, {x}, scale);
}

// x, where the value is 1 + erf(x / sqrt 2).
std::optional<ValueId> Simplifier::UnderErf(ValueId one_plus_erf) const {
  const Node* plus = ProducerOf(one_plus_erf, primitives::kScale);
  if (plus == nullptr || plus->attributes.alpha != 1 || plus->attributes.beta != 1) return {};
  const Node* erf = ProducerOf(plus->inputs[0], primitives::kErf);
  if (erf == nullptr) return {};
  const Node* scaled = ProducerOf(erf->inputs[0], primitives::kScale);
  constexpr double kRootHalf = 0.70710678118654752;
  if (scaled == nullptr || scaled->attributes.beta != 0) return {};
  if (std::abs(scaled->attributes.alpha - kRootHalf) > 1e-6) return {};
  return scaled->inputs[0];
}

// x, where the value is x (1 + erf(x / sqrt 2)).
std::optional<ValueId> Simplifier::Gelu(ValueId product) {
  const Node* mul = ProducerOf(product, primitives::kMul);
  if (mul == nullptr) return {};
  for (std::size_t k = 0; k < 2; ++k) {
    const std::optional<ValueId> x = UnderErf(mul->inputs[k]);
    if (x && *x == mul->inputs[1 - k]) return x;
  }
  return {};
}

// x, where the factors are x and sigmoid(x).
std::optional<ValueId> Simplifier::Silu(const std::vector<ValueId>& factors) const {
  for (std::size_t k = 0; k < 2; ++k) {
    const Node* sigmoid = ProducerOf(factors[k], primitives::kSigmoid);
    if (sigmoid != nullptr && sigmoid->inputs[0] == factors[1 - k]) return factors[1 - k];
  }
  return {};
}

// What is gathered at a constant place of an example's axis. (Of a table, whose gradient is few of
// its rows, it stays what it is.)
Result<std::optional<ValueId>> Simplifier::Slice(const Node& node,
                                                 const std::vector<ValueId>& inputs) {
  const auto none = std::optional<ValueId>();
  const graph::ConstantData* data = builder_.constant(inputs[1]);
  const ValueType& x = builder_.type(inputs[0]);
  if (data == nullptr || data->integers == nullptr || data->integers->size() != 1 ||
      !x.has_examples() || x.example_axis == node.attributes.axis) {
    return none;
  }
  const std::int64_t size = x.shape[static_cast<std::size_t>(node.attributes.axis)];
  const std::int64_t given = data->integers->front();
  const std::int64_t place = given < 0 ? given + size : given;
  if (place < 0 || place >= size) return none;
  AH_ASSIGN_OR_RETURN(const ValueId slice,
                      builder_.Emit(primitives::kSlice, {inputs[0]},
                                    {.axis = node.attributes.axis, .dims = {place, 1}}));
  const ValueType& type = old_.type(node.output);
  if (builder_.type(slice) == type) return std::optional<ValueId>(slice);
  graph::Attributes to;
  to.dims = type.shape;
  to.example_axis = type.example_axis;
  AH_ASSIGN_OR_RETURN(const ValueId out,
                      builder_.Emit(primitives::kReshape, {slice}, std::move(to)));
  return std::optional<ValueId>(out);
}

// The value that a sum of these two is, if it is a normalisation with scale and shift.
Result<std::optional<ValueId>> Simplifier::Affine(const std::vector<ValueId>& inputs) {
  const auto none = std::optional<ValueId>();
  for (std::size_t k = 0; k < 2; ++k) {
    const Node* mul = ProducerOf(inputs[k], primitives::kMul);
    const ValueId shift = inputs[1 - k];
    if (mul == nullptr || builder_.type(shift).has_examples()) continue;
    for (std::size_t j = 0; j < 2; ++j) {
      const ValueId normalised = mul->inputs[j];
      const ValueId scale = mul->inputs[1 - j];
      const ValueType type = builder_.type(normalised);
      if (builder_.type(scale).has_examples() || type != builder_.type(inputs[k])) continue;
      const Node* node = Producer(normalised);
      if (node != nullptr && node->primitive == &primitives::kReshape) {
        node = Producer(node->inputs[0]);
      }
      if (node == nullptr || node->primitive != &primitives::kNormalise) continue;
      const std::optional<AxisRun> by = RunOf(builder_.type(scale).shape, type.shape);
      const std::optional<AxisRun> added = RunOf(builder_.type(shift).shape, type.shape);
      if (!by || !added || by->size != added->size || by->after != added->after) continue;
      const Shape& rows = builder_.type(node->output).shape;
      const std::size_t n =
          ElementCount(std::span(rows).subspan(static_cast<std::size_t>(node->attributes.axis)));
      const std::size_t channels = n / by->after;
      if (channels * by->after != n || channels == 0 || by->size % channels != 0) continue;
      graph::Attributes attributes = node->attributes;
      attributes.dims = {static_cast<std::int64_t>(by->size / channels),
                         static_cast<std::int64_t>(channels), static_cast<std::int64_t>(by->after)};
      ValueId x = node->inputs[0];
      const Node* unfolded = ProducerOf(x, primitives::kReshape);
      if (unfolded != nullptr && builder_.type(unfolded->inputs[0]) == type) {
        x = unfolded->inputs[0];
      }
      AH_ASSIGN_OR_RETURN(ValueId y,
                          builder_.Emit(kNormaliseAffine, {x, scale, shift}, attributes));
      if (builder_.type(y) == type) return std::optional<ValueId>(y);
      graph::Attributes back;
      back.dims = type.shape;
      back.example_axis = type.example_axis;
      AH_ASSIGN_OR_RETURN(y, builder_.Emit(primitives::kReshape, {y}, std::move(back)));
      return std::optional<ValueId>(y);
    }
  }
  return none;
}

}  // namespace

Result<graph::Model> Simplify(const graph::Model& model) {
  AH_ASSIGN_OR_RETURN(std::shared_ptr<const graph::Graph> graph, Simplifier(model.graph()).Run());
  return model.With(std::move(graph), model.parameters());
}

}  // namespace anchorhold::engine
