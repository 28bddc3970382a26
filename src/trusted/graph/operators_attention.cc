// Attention: y = softmax(s q k^T + mask) v, for each example and head.
// q [B, H, S, d], k [B, K, L, d], v [B, K, L, e], or with the heads folded into the features,
// [B, S, H d]. past_key and past_value [B, K, P, .] come before k and v along L. Where H is a
// multiple of K, H / K heads in a row share one of k and v: q is seen as [B, K, H / K, S, d].
// What a query may not attend to gets -inf: keys that the truth values of attn_mask exclude or that
// lie beyond its last one; with is_causal, keys after the query's own place, counted from the end
// of the past or, with nonpad_kv_seqlen, from the end of the keys that are in use; padding beyond
// nonpad_kv_seqlen. The scores are capped (softcap c: c tanh(x / c)) before the mask is added,
// since a capped -inf would not exclude anything; opset 23 left the order open. A query that may
// attend to nothing yields NaN.
//
// RotaryEmbedding: each pair (a, b) of features of a head turns by an angle that the position
// gives:
//   a' = a cos - b sin, b' = a sin + b cos
// with cos and sin from caches [B, S, r / 2], or [N, r / 2] read at position_ids [B, S]. The pairs
// are (i, i + r / 2), or neighbours where `interleaved` is set. Features from r on stay.
#include <cmath>
#include <limits>

#include "trusted/graph/emitter.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

constexpr int kAtMost = static_cast<int>(kernels::CompareOp::kLessOrEqual);
constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// The examples must be on axis 0: elsewhere they are what attention mixes.
Status CheckExampleAxis(const ValueType& type, const char* name) {
  if (!type.has_examples() || type.example_axis == 0) return Ok();
  const std::string what = std::string(name) + " of " + FormatType(type);
  if (type.rank() == 4 && type.example_axis == 1) {
    return Unsupported(what + " has the examples on the axis of heads; put them on axis 0");
  }
  return PrivacyRefused(what +
                        " has the examples where positions or features should be, so an "
                        "example would attend to others; put the examples on axis 0");
}

// [B, S, H d] as [B, H, S, d]; four axes stay.
Result<ValueId> SplitHeads(NodeContext& node, ValueId x, std::int64_t heads, const char* name) {
  const ValueType type = node.Type(x);
  AH_RETURN_IF_ERROR(CheckExampleAxis(type, name));
  if (type.rank() == 4) return x;
  if (type.rank() != 3) {
    return InvalidInput(std::string(name) + " of " + FormatType(type) +
                        " has neither three nor four axes");
  }
  if (heads < 1 || type.shape[2] % heads != 0) {
    return InvalidInput("the features of " + std::string(name) + ", " + FormatType(type) +
                        ", do not split into " + std::to_string(heads) + " heads");
  }
  Emitter emit(node);
  const ValueId split = emit.Reshape(
      x, {type.shape[0], type.shape[1], heads, type.shape[2] / heads}, type.example_axis);
  const ValueId out = emit.Transpose(split, {0, 2, 1, 3});
  AH_RETURN_IF_ERROR(emit.status());
  return out;
}

ValueId JoinHeads(Emitter& emit, ValueId x) {
  const ValueId y = emit.Transpose(x, {0, 2, 1, 3});
  const ValueType type = emit.type(y);
  if (!emit.status().ok()) return kNoValue;
  return emit.Reshape(y, {type.shape[0], type.shape[1], type.shape[2] * type.shape[3]},
                      type.example_axis);
}

class AttentionRule {
 public:
  explicit AttentionRule(NodeContext& node) : node_(node), emit_(node) {}
  Status Run();

 private:
  Status ReadAttributes();
  Status ReadOperands();
  Status CheckShapes() const;
  Result<ValueId> WithPast(ValueId x, std::size_t past, const char* name);
  Status AddMask();
  Status AddCausal();
  Status AddPadding();
  // The scores where `allowed` [.., S, L], truth values that broadcast, and -inf elsewhere.
  ValueId Excluding(ValueId allowed);
  Result<ValueId> Offsets(ElementType element, std::int64_t of_key, std::int64_t of_query,
                          std::int64_t more);
  Result<ValueId> Product(ValueId a, ValueId b, bool transpose_b);
  std::int64_t size(ValueId id, std::size_t axis) const { return node_.Type(id).shape[axis]; }
  // Names the scores of this stage as output 3, if they are asked for.
  void Offer(std::int64_t mode) {
    if (mode_ == mode && node_.WantsOutput(3)) node_.SetOutput(3, scores_);
  }

  NodeContext& node_;
  Emitter emit_;
  bool three_axes_ = false;
  bool causal_ = false;
  double scale_ = 0;
  double softcap_ = 0;
  std::int64_t mode_ = 0;
  std::int64_t q_heads_ = 0;
  std::int64_t kv_heads_ = 0;
  std::int64_t past_ = 0;    // keys from past_key
  ValueId used_ = kNoValue;  // [B, 1, 1, 1]: how many keys are no padding
  ValueId q_ = kNoValue;
  ValueId k_ = kNoValue;
  ValueId v_ = kNoValue;
  ValueId scores_ = kNoValue;  // [B, H, S, L]
};

Status AttentionRule::ReadAttributes() {
  AH_ASSIGN_OR_RETURN(const std::int64_t causal, node_.Int("is_causal", 0));
  causal_ = causal != 0;
  AH_ASSIGN_OR_RETURN(const float scale, node_.Float("scale", 0));
  scale_ = static_cast<double>(scale);
  AH_ASSIGN_OR_RETURN(const float softcap, node_.Float("softcap", 0));
  if (!(softcap >= 0)) return InvalidInput("softcap is negative");
  softcap_ = static_cast<double>(softcap);
  AH_ASSIGN_OR_RETURN(mode_, node_.Int("qk_matmul_output_mode", 0));
  if (node_.WantsOutput(3) && mode_ != 0 && mode_ != 3) {
    return Unsupported("qk_matmul_output_mode " + std::to_string(mode_) +
                       " means different scores in different versions of ONNX; use 0 or 3");
  }
  AH_ASSIGN_OR_RETURN(q_heads_, node_.Int("q_num_heads", 0));
  AH_ASSIGN_OR_RETURN(kv_heads_, node_.Int("kv_num_heads", 0));
  node_.IgnoreAttribute("softmax_precision");  // float32 at least, here always
  return Ok();
}

Result<ValueId> AttentionRule::WithPast(ValueId x, std::size_t past, const char* name) {
  if (!node_.Has(past)) return x;
  AH_ASSIGN_OR_RETURN(const ValueId before, node_.Tensor(past));
  AH_RETURN_IF_ERROR(CheckExampleAxis(node_.Type(before), name));
  if (node_.Type(before).rank() != 4) return InvalidInput(std::string(name) + " has not four axes");
  past_ = size(before, 2);
  return node_.Emit(primitives::kConcat, {before, x}, {.axis = 2});
}

Status AttentionRule::ReadOperands() {
  AH_ASSIGN_OR_RETURN(q_, node_.Tensor(0));
  AH_ASSIGN_OR_RETURN(k_, node_.Tensor(1));
  AH_ASSIGN_OR_RETURN(v_, node_.Tensor(2));
  three_axes_ = node_.Type(q_).rank() == 3;
  AH_ASSIGN_OR_RETURN(q_, SplitHeads(node_, q_, q_heads_, "Q"));
  AH_ASSIGN_OR_RETURN(k_, SplitHeads(node_, k_, kv_heads_, "K"));
  AH_ASSIGN_OR_RETURN(v_, SplitHeads(node_, v_, kv_heads_, "V"));
  if (node_.Has(4) != node_.Has(5)) return InvalidInput("past_key and past_value go together");
  AH_ASSIGN_OR_RETURN(k_, WithPast(k_, 4, "past_key"));
  AH_ASSIGN_OR_RETURN(v_, WithPast(v_, 5, "past_value"));
  if (node_.WantsOutput(1)) node_.SetOutput(1, k_);
  if (node_.WantsOutput(2)) node_.SetOutput(2, v_);
  return CheckShapes();
}

Status AttentionRule::CheckShapes() const {
  const bool fits = size(q_, 3) == size(k_, 3) && size(k_, 2) == size(v_, 2) &&
                    size(k_, 1) == size(v_, 1) && size(q_, 1) % size(k_, 1) == 0 &&
                    size(q_, 0) == size(k_, 0) && size(k_, 0) == size(v_, 0);
  if (fits) return Ok();
  return InvalidInput("Q of " + FormatType(node_.Type(q_)) + ", K of " +
                      FormatType(node_.Type(k_)) + " and V of " + FormatType(node_.Type(v_)) +
                      " (batch, heads, positions, features) do not fit together");
}

// a b, or a b^T, with the heads of a in groups that share one of b.
Result<ValueId> AttentionRule::Product(ValueId a, ValueId b, bool transpose_b) {
  AH_RETURN_IF_ERROR(emit_.status());
  const ValueType type = node_.Type(a);
  const std::int64_t groups = size(b, 1);
  if (type.shape[1] == groups) return emit_.MatMul(a, b, transpose_b);
  const ValueType other = node_.Type(b);
  const ValueId grouped = emit_.Reshape(
      a, {type.shape[0], groups, type.shape[1] / groups, type.shape[2], type.shape[3]},
      type.example_axis);
  const ValueId shared = emit_.Reshape(
      b, {other.shape[0], groups, 1, other.shape[2], other.shape[3]}, other.example_axis);
  const ValueId product = emit_.MatMul(grouped, shared, transpose_b);
  AH_RETURN_IF_ERROR(emit_.status());
  const ValueType out = node_.Type(product);
  return emit_.Reshape(product, {out.shape[0], type.shape[1], out.shape[3], out.shape[4]},
                       out.example_axis);
}

Status AttentionRule::AddMask() {
  AH_ASSIGN_OR_RETURN(ValueId mask, node_.ConstantTensor(3));
  const ValueType type = node_.Type(mask);
  const std::int64_t keys = size(scores_, 3);
  if (type.rank() < 2 || type.shape.back() > keys) {
    return InvalidInput("attn_mask of " + FormatType(type) + " does not fit scores of " +
                        FormatType(node_.Type(scores_)));
  }
  if (type.shape.back() < keys && type.shape.back() != 1) {
    Attributes pads;
    pads.dims.assign(2 * type.shape.size(), 0);
    pads.dims.back() = keys - type.shape.back();
    pads.alpha = type.is_real() ? static_cast<double>(kExcluded) : 0;
    AH_ASSIGN_OR_RETURN(mask, node_.Emit(primitives::kPad, {mask}, std::move(pads)));
  }
  const Shape before = node_.Type(scores_).shape;
  scores_ = type.is_real() ? emit_.Add(scores_, mask) : Excluding(mask);
  AH_RETURN_IF_ERROR(emit_.status());
  if (node_.Type(scores_).shape == before) return Ok();
  return InvalidInput("attn_mask of " + FormatType(type) + " does not fit scores of " +
                      FormatShape(before));
}

ValueId AttentionRule::Excluding(ValueId allowed) {
  const ValueId excluded = emit_.Number(1, kExcluded, emit_.type(scores_).element);
  return emit_.Emit(primitives::kWhere, {allowed, scores_, excluded});
}

// The integers [S, L]: of_key * key + of_query * query + more, for each query and key.
Result<ValueId> AttentionRule::Offsets(ElementType element, std::int64_t of_key,
                                       std::int64_t of_query, std::int64_t more) {
  const std::int64_t queries = size(scores_, 2);
  const std::int64_t keys = size(scores_, 3);
  const auto count = static_cast<std::size_t>(queries * keys);
  AH_RETURN_IF_ERROR(node_.builder().CheckComputed(count));
  std::vector<std::int64_t> numbers;
  numbers.reserve(count);
  for (std::int64_t query = 0; query < queries; ++query) {
    for (std::int64_t key = 0; key < keys; ++key) {
      numbers.push_back(of_key * key + of_query * query + more);
    }
  }
  return node_.builder().AddIntegers({queries, keys}, std::move(numbers), element);
}

// A query attends to key j if j <= its place among the keys.
Status AttentionRule::AddCausal() {
  if (!causal_) return Ok();
  const bool from_used = used_ != kNoValue && !node_.Has(4);
  // j - query <= before it, that is j - query + queries <= keys in use
  const ElementType element = from_used ? node_.Type(used_).element : ElementType::kInt64;
  AH_ASSIGN_OR_RETURN(const ValueId distance,
                      Offsets(element, 1, -1, from_used ? size(scores_, 2) : -past_));
  const ValueId bound = from_used ? used_ : emit_.Number(2, 0, element);
  scores_ = Excluding(emit_.Emit(primitives::kCompare, {distance, bound}, {.mode = kAtMost}));
  return emit_.status();
}

Status AttentionRule::AddPadding() {
  if (!node_.Has(6)) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId used, node_.Tensor(6));
  const ValueType type = node_.Type(used);
  if (type.rank() != 1 || type.is_real()) {
    return InvalidInput("nonpad_kv_seqlen of " + FormatType(type) + " is no list of integers");
  }
  used_ = emit_.Reshape(used, {type.shape[0], 1, 1, 1}, type.example_axis);
  AH_ASSIGN_OR_RETURN(const ValueId key, Offsets(type.element, 1, 0, 1));
  scores_ = Excluding(emit_.Emit(primitives::kCompare, {key, used_}, {.mode = kAtMost}));
  return emit_.status();
}

Status AttentionRule::Run() {
  AH_RETURN_IF_ERROR(ReadAttributes());
  AH_RETURN_IF_ERROR(ReadOperands());
  if (scale_ == 0) scale_ = 1 / std::sqrt(static_cast<double>(size(q_, 3)));
  AH_ASSIGN_OR_RETURN(scores_, Product(emit_.Scale(q_, scale_), k_, true));
  AH_RETURN_IF_ERROR(emit_.status());
  Offer(0);
  if (softcap_ != 0) {
    scores_ = emit_.Emit(primitives::kTanh, {emit_.Scale(scores_, 1 / softcap_)});
    scores_ = emit_.Scale(scores_, softcap_);
    AH_RETURN_IF_ERROR(emit_.status());
  }
  if (node_.Has(3)) AH_RETURN_IF_ERROR(AddMask());
  AH_RETURN_IF_ERROR(AddPadding());
  AH_RETURN_IF_ERROR(AddCausal());
  scores_ = emit_.Emit(primitives::kSoftmax, {scores_}, {.axis = 3});
  AH_RETURN_IF_ERROR(emit_.status());
  Offer(3);
  AH_ASSIGN_OR_RETURN(ValueId y, Product(scores_, v_, false));
  if (three_axes_) y = JoinHeads(emit_, y);
  AH_RETURN_IF_ERROR(emit_.status());
  node_.SetOutput(0, y);
  return Ok();
}

Status Attention(NodeContext& node) { return AttentionRule(node).Run(); }

// cos or sin as [B, S, r / 2].
Result<ValueId> ReadCache(NodeContext& node, std::size_t i, const char* name) {
  AH_ASSIGN_OR_RETURN(const ValueId cache, node.ConstantTensor(i));
  const ValueType type = node.Type(cache);
  if (type.rank() != (node.Has(3) ? 2 : 3)) {
    return InvalidInput(std::string(name) + " of " + FormatType(type) + " has not " +
                        (node.Has(3) ? "two" : "three") + " axes");
  }
  AH_RETURN_IF_ERROR(CheckExampleAxis(type, name));
  if (!node.Has(3)) return cache;
  AH_ASSIGN_OR_RETURN(const ValueId positions, node.Tensor(3));
  const ValueType ids = node.Type(positions);
  if (ids.rank() != 2)
    return InvalidInput("position_ids of " + FormatType(ids) + " has not two axes");
  AH_RETURN_IF_ERROR(CheckExampleAxis(ids, "position_ids"));
  return node.Emit(primitives::kGather, {cache, positions}, {.axis = 0});
}

// Turns x [B, S, H, r] by cos and sin [B, S, 1, r / 2].
ValueId Turn(Emitter& emit, ValueId x, ValueId cos, ValueId sin, bool interleaved) {
  const ValueType type = emit.type(x);
  if (!emit.status().ok()) return kNoValue;
  const std::int64_t half = type.shape[3] / 2;
  Shape flat = type.shape;
  flat[3] = half;
  const auto part = [&](std::int64_t k) {
    if (!interleaved) return emit.Slice(x, 3, k * half, half);
    Shape split = flat;
    split.push_back(2);
    const ValueId pairs = emit.Reshape(x, std::move(split), type.example_axis);
    return emit.Reshape(emit.Slice(pairs, 4, k, 1), flat, type.example_axis);
  };
  const ValueId a = part(0);
  const ValueId b = part(1);
  ValueId turned_a = emit.Sub(emit.Mul(a, cos), emit.Mul(b, sin));
  ValueId turned_b = emit.Add(emit.Mul(a, sin), emit.Mul(b, cos));
  if (!interleaved) return emit.Concat({turned_a, turned_b}, 3);
  flat.push_back(1);
  turned_a = emit.Reshape(turned_a, flat, type.example_axis);
  turned_b = emit.Reshape(turned_b, flat, type.example_axis);
  return emit.Reshape(emit.Concat({turned_a, turned_b}, 4), type.shape, type.example_axis);
}

Status RotaryEmbedding(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const std::int64_t interleaved, node.Int("interleaved", 0));
  AH_ASSIGN_OR_RETURN(const std::int64_t heads, node.Int("num_heads", 0));
  AH_ASSIGN_OR_RETURN(std::int64_t rotated, node.Int("rotary_embedding_dim", 0));
  AH_ASSIGN_OR_RETURN(const ValueId input, node.Tensor(0));
  const bool three_axes = node.Type(input).rank() == 3;
  AH_ASSIGN_OR_RETURN(ValueId x, SplitHeads(node, input, heads, "the input"));
  Emitter emit(node);
  x = emit.Transpose(x, {0, 2, 1, 3});
  AH_RETURN_IF_ERROR(emit.status());
  const ValueType type = node.Type(x);  // [B, S, H, d]
  if (rotated == 0) rotated = type.shape[3];
  if (rotated < 2 || rotated % 2 != 0 || rotated > type.shape[3]) {
    return InvalidInput("cannot rotate " + std::to_string(rotated) + " of " +
                        std::to_string(type.shape[3]) + " features in pairs");
  }
  ValueId angles[2] = {kNoValue, kNoValue};
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    AH_ASSIGN_OR_RETURN(const ValueId cache,
                        ReadCache(node, i + 1, i == 0 ? "cos_cache" : "sin_cache"));
    const ValueType of = node.Type(cache);
    if (of.shape[2] != rotated / 2 || of.shape[1] != type.shape[1]) {
      return InvalidInput("a cache of " + FormatType(of) + " does not give the angles of " +
                          FormatType(type));
    }
    angles[i] = emit.Reshape(cache, {of.shape[0], of.shape[1], 1, of.shape[2]}, of.example_axis);
  }
  std::vector<ValueId> parts = {
      Turn(emit, emit.Slice(x, 3, 0, rotated), angles[0], angles[1], interleaved != 0)};
  if (rotated < type.shape[3]) {
    parts.push_back(emit.Slice(x, 3, rotated, type.shape[3] - rotated));
  }
  ValueId y = emit.Concat(std::move(parts), 3);
  y = emit.Transpose(y, {0, 2, 1, 3});
  if (three_axes) y = JoinHeads(emit, y);
  AH_RETURN_IF_ERROR(emit.status());
  node.SetOutput(y);
  return Ok();
}

constexpr OperatorDefinition kOperators[] = {
    {"Attention", 23, 23, 3, 6, &Attention},
    {"Attention", 24, kOpsetMax, 3, 7, &Attention},
    {"RotaryEmbedding", 23, kOpsetMax, 3, 4, &RotaryEmbedding},
};

}  // namespace

std::span<const OperatorDefinition> AttentionOperators() { return kOperators; }

}  // namespace anchorhold::graph
