#include "trusted/graph/gradient_sum.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

// A value that is zero outside of [begin, end) of an axis, as a slice's gradient is.
struct Stretch {
  ValueId inner = kNoValue;
  std::size_t axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
std::optional<Stretch> StretchOf(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  if (node == nullptr || node->primitive != &primitives::kPad || node->attributes.alpha != 0) {
    return std::nullopt;
  }
  const Shape& inner = graph.type(node->inputs[0]).shape;
  const Shape& whole = graph.type(id).shape;
  std::optional<Stretch> stretch;
  for (std::size_t k = 0; k < inner.size(); ++k) {
    if (inner[k] == whole[k]) continue;
    if (stretch) return std::nullopt;
    const std::int64_t begin = node->attributes.dims[k];
    stretch = {node->inputs[0], k, begin, begin + inner[k]};
  }
  return stretch;
}

// Neighbouring stretches of an array of shape `whole`, with zeros around them.
Result<ValueId> SideBySide(GraphBuilder& builder, std::span<const Stretch> stretches,
                           const Shape& whole) {
  const std::size_t axis = stretches[0].axis;
  std::vector<ValueId> parts;
  for (const Stretch& stretch : stretches) parts.push_back(stretch.inner);
  ValueId joined = parts[0];
  if (parts.size() > 1) {
    AH_ASSIGN_OR_RETURN(joined, builder.Emit(primitives::kConcat, std::move(parts),
                                             {.axis = static_cast<int>(axis)}));
  }
  if (builder.type(joined).shape == whole) return joined;
  Attributes pads;
  pads.dims.assign(2 * whole.size(), 0);
  pads.dims[axis] = stretches.front().begin;
  pads.dims[whole.size() + axis] = whole[axis] - stretches.back().end;
  return builder.Emit(primitives::kPad, {joined}, std::move(pads));
}

Status AddStretches(GraphBuilder& builder, std::vector<Stretch> stretches, const Shape& whole,
                    std::vector<ValueId>& terms) {
  std::stable_sort(stretches.begin(), stretches.end(), [](const Stretch& a, const Stretch& b) {
    return a.axis != b.axis ? a.axis < b.axis : a.begin < b.begin;
  });
  for (std::size_t first = 0, end = 0; first < stretches.size(); first = end) {
    for (end = first + 1; end < stretches.size(); ++end) {
      const Stretch& before = stretches[end - 1];
      if (stretches[end].axis != before.axis || stretches[end].begin != before.end) break;
    }
    const auto run = std::span(stretches).subspan(first, end - first);
    AH_ASSIGN_OR_RETURN(const ValueId joined, SideBySide(builder, run, whole));
    terms.push_back(joined);
  }
  return Ok();
}

// g^T a of two matrices.
bool IsOuterProduct(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  return node != nullptr && node->primitive == &primitives::kMatMul &&
         node->attributes.transpose_a && !node->attributes.transpose_b &&
         graph.type(node->inputs[0]).rank() == 2 && graph.type(node->inputs[1]).rank() == 2;
}

Status AddProducts(GraphBuilder& builder, const std::vector<ValueId>& products,
                   std::vector<ValueId>& terms) {
  if (products.size() < 2) {
    terms.insert(terms.end(), products.begin(), products.end());
    return Ok();
  }
  std::vector<ValueId> g;
  std::vector<ValueId> a;
  for (const ValueId id : products) {
    const Node& node = *builder.graph().producer(id);
    g.push_back(node.inputs[0]);
    a.push_back(node.inputs[1]);
  }
  AH_ASSIGN_OR_RETURN(const ValueId rows_g,
                      builder.Emit(primitives::kConcat, std::move(g), {.axis = 0}));
  AH_ASSIGN_OR_RETURN(const ValueId rows_a,
                      builder.Emit(primitives::kConcat, std::move(a), {.axis = 0}));
  AH_ASSIGN_OR_RETURN(const ValueId product,
                      builder.Emit(primitives::kMatMul, {rows_g, rows_a}, {.transpose_a = true}));
  terms.push_back(product);
  return Ok();
}

}  // namespace

Result<ValueId> SumOfGradients(GraphBuilder& builder, const std::vector<ValueId>& contributions) {
  if (contributions.size() == 1) return contributions[0];
  std::vector<ValueId> terms;
  std::vector<Stretch> stretches;
  std::vector<ValueId> products;
  for (const ValueId id : contributions) {
    if (const std::optional<Stretch> stretch = StretchOf(builder.graph(), id)) {
      stretches.push_back(*stretch);
    } else {
      (IsOuterProduct(builder.graph(), id) ? products : terms).push_back(id);
    }
  }
  const Shape whole = builder.type(contributions[0]).shape;
  AH_RETURN_IF_ERROR(AddProducts(builder, products, terms));
  AH_RETURN_IF_ERROR(AddStretches(builder, std::move(stretches), whole, terms));
  ValueId sum = terms[0];
  for (std::size_t k = 1; k < terms.size(); ++k) {
    AH_ASSIGN_OR_RETURN(sum, builder.Emit(primitives::kAdd, {sum, terms[k]}));
  }
  return sum;
}

}  // namespace anchorhold::graph
