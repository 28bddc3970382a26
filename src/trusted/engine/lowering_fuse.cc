#include <algorithm>
#include <cmath>
#include <limits>

#include "trusted/engine/fused_primitives.h"
#include "trusted/engine/lowerer.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::engine {

namespace primitives = graph::primitives;
using graph::ElementCount;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

namespace {

// A chain's members and outside inputs; what a program of them needs stays within
// simd::kPointRegistersMax.
constexpr std::size_t kChainMembersMax = 12;
constexpr std::size_t kChainInputsMax = 8;

Shape WithoutOnes(const Shape& shape) {
  Shape out;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(out),
               [](std::int64_t size) { return size != 1; });
  return out;
}

std::optional<Interval> BoundsOf(const Node& node, const graph::Primitive& relu,
                                 const graph::Primitive& clip) {
  const double alpha = node.attributes.alpha;
  if (node.primitive == &relu && alpha == 0) {
    return Interval{0, std::numeric_limits<float>::infinity()};
  }
  if (node.primitive != &clip) return std::nullopt;
  return Interval{static_cast<float>(alpha), static_cast<float>(node.attributes.beta)};
}

}  // namespace

std::optional<Interval> ClippedTo(const Node& node) {
  return BoundsOf(node, primitives::kLeakyRelu, primitives::kClip);
}

std::optional<Interval> KinkedAt(const Node& node) {
  return BoundsOf(node, primitives::kLeakyReluGrad, primitives::kClipGrad);
}

bool SameRows(const Node& a, const Node& b) {
  return a.attributes.dims == b.attributes.dims && a.attributes.mode == b.attributes.mode &&
         a.attributes.alpha == b.attributes.alpha;
}

void Lowerer::FindUsers() {
  users_.assign(graph_.values().size(), {});
  work_of_.assign(graph_.values().size(), -1);
  for (std::size_t w = 0; w < work_.size(); ++w) {
    work_of_[Index(work_[w].node->output)] = static_cast<int>(w);
    if (work_[w].absorbed) continue;
    const auto add = [&](ValueId id) {
      std::vector<std::size_t>& users = users_[Index(Root(id))];
      if (users.empty() || users.back() != w) users.push_back(w);
    };
    for (const ValueId id : work_[w].inputs) add(id);
  }
}

bool Lowerer::OnlyUserIs(ValueId id, std::size_t& user) const {
  const std::vector<std::size_t>& users = users_[Index(Root(id))];
  if (kept_[Index(Root(id))] || users.size() != 1) return false;
  user = users[0];
  return true;
}

void Lowerer::TakeBiasesAlong() {
  if (!fast()) return;
  for (Work& work : work_) {
    if (work.absorbed) continue;
    const graph::Primitive* primitive = work.node->primitive;
    if (primitive == &primitives::kMatMul || primitive == &primitives::kConv) TakeBiasAlong(work);
    if (primitive == &kNormaliseAffine && IsDense(work.inputs[0])) TakeActivationAlong(work);
  }
}

void Lowerer::TakeBiasAlong(Work& work) {
  if (!ByExample(work.node->output)) return;
  const bool convolution = work.node->primitive == &primitives::kConv;
  if (!(convolution ? ConvolutionStep(work) : ProductStep(work))) return;
  const Shape& y = Type(work.node->output).shape;
  std::size_t user = 0;
  if (!OnlyUserIs(work.output, user)) return;
  if (work_[user].node->primitive == &primitives::kAdd) {
    const Work& add = work_[user];
    const bool first = Root(add.inputs[0]) == Root(work.output);
    const ValueId bias = add.inputs[first ? 1 : 0];
    const auto size = static_cast<std::size_t>(convolution ? y[1] : y.back());
    // Aligned at the last axis: [n] for a product, [channels, 1, ..] for a convolution.
    Shape aligned = Type(bias).shape;
    while (!aligned.empty() && aligned[0] == 1) aligned.erase(aligned.begin());
    Shape wanted = {static_cast<std::int64_t>(size)};
    if (convolution) wanted.resize(y.size() - 1, 1);
    if (!ByExample(bias) && aligned == wanted && Type(bias).is_real() &&
        Size(add.node->output) == Size(work.output) && Type(add.inputs[first ? 0 : 1]).shape == y) {
      work.bias = bias;
      work.output = add.node->output;
      work_[user].absorbed = true;
    }
  }
  TakeActivationAlong(work);
}

void Lowerer::TakeActivationAlong(Work& work) {
  std::size_t user = 0;
  if (!OnlyUserIs(work.output, user)) return;
  const Node& node = *work_[user].node;
  const std::optional<Interval> bounds = ClippedTo(node);
  work.silu = work.node->primitive == &kNormaliseAffine && node.primitive == &kSilu;
  if (!bounds && !work.silu) return;
  work.clip = bounds.has_value();
  if (bounds) work.bounds = *bounds;
  work.output = node.output;
  work_[user].absorbed = true;
}

// The derivative of a Relu, Clip or Silu behind a normalisation is taken where the normalisation's
// own gradient reads it, if nothing else does.
void Lowerer::TakeKinksAlong() {
  if (!fast()) return;
  for (Work& kink : work_) {
    const std::optional<Interval> bounds = KinkedAt(*kink.node);
    if (!bounds && kink.node->primitive != &kSiluGrad) continue;
    if (kink.absorbed || !IsDense(kink.inputs[0]) || !IsDense(kink.inputs[1])) continue;
    const NormaliseGrads grads = FindReaders(kink);
    if (grads.dx == nullptr) continue;
    const ValueId shift = ShiftBefore(kink, *grads.dx);
    if (shift == kNoValue) continue;
    const std::pair<Work*, std::size_t> inputs[] = {
        {grads.dx, 2}, {grads.dscale, 1}, {grads.dshift, 0}};
    for (const auto& [work, at] : inputs) {
      if (work == nullptr) continue;
      work->inputs[at] = kink.inputs[1];
      work->shift = shift;
      work->bent = kink.inputs[0];
      work->clip = bounds.has_value();
      if (bounds) work->bounds = *bounds;
    }
    kink.absorbed = true;
  }
}

// A shift's gradient does not depend on the normalised value: of several that read g, which may be
// for the same gradient, any will do.
Lowerer::NormaliseGrads Lowerer::FindNormaliseGrads(const Work& like, ValueId g) {
  const bool of_shift = like.node->primitive == &kNormaliseShiftGrad;
  ValueId x = of_shift ? kNoValue : Root(like.inputs[0]);
  const auto find = [&](const graph::Primitive* kind, std::size_t at) -> Work* {
    if (like.node->primitive == kind)
      return &work_[static_cast<std::size_t>(work_of_[Index(like.node->output)])];
    for (const std::size_t user : users_[Index(Root(g))]) {
      Work& work = work_[user];
      if (work.node->primitive == kind && !work.absorbed && work.bent == like.bent &&
          SameRows(*work.node, *like.node) && Root(work.inputs[at]) == Root(g) &&
          (kind == &kNormaliseShiftGrad || x == kNoValue || Root(work.inputs[0]) == x)) {
        return &work;
      }
    }
    return nullptr;
  };
  NormaliseGrads found;
  found.dx = find(&kNormaliseAffineGrad, 2);
  if (found.dx == nullptr) return {};
  x = Root(found.dx->inputs[0]);
  found.dscale = find(&kNormaliseScaleGrad, 1);
  found.dshift = find(&kNormaliseShiftGrad, 0);
  return found;
}

// The gradients of a normalisation that alone read what the kink makes of a gradient.
Lowerer::NormaliseGrads Lowerer::FindReaders(const Work& kink) {
  const ValueId g = Root(kink.node->output);
  const std::vector<std::size_t>& users = users_[Index(g)];
  if (users.empty() || kept_[Index(g)] || Size(kink.inputs[0]) != Size(g)) return {};
  const NormaliseGrads grads = FindNormaliseGrads(work_[users[0]], g);
  if (grads.dx == nullptr) return {};
  const ValueId x = Root(grads.dx->inputs[0]);
  // One step makes all of the gradients for a normalisation of x.
  bool together = std::any_of(work_.begin(), work_.end(), [&](const Work& work) {
    return work.node->primitive == &kNormaliseAffine && !work.absorbed &&
           SameRows(*work.node, *grads.dx->node) && Root(work.inputs[0]) == x && IsDense(x);
  });
  std::size_t readers = 0;
  for (const Work* work : {grads.dx, grads.dscale, grads.dshift}) {
    if (work == nullptr) continue;
    ++readers;
    together = together && std::count_if(work->inputs.begin(), work->inputs.end(),
                                         [&](ValueId id) { return Root(id) == g; }) == 1;
  }
  return together && readers == users.size() ? grads : NormaliseGrads{};
}

// The shift of the normalisation whose gradient dx is, if what the activation has read is its
// result.
ValueId Lowerer::ShiftBefore(const Work& kink, const Work& dx) const {
  const int maker = work_of_[Index(Root(kink.node->inputs[0]))];
  if (maker < 0) return kNoValue;
  const Work& forward = work_[static_cast<std::size_t>(maker)];
  if (forward.node->primitive != &kNormaliseAffine || !SameRows(*forward.node, *dx.node) ||
      Root(forward.inputs[0]) != Root(dx.inputs[0]) ||
      Root(forward.inputs[1]) != Root(dx.inputs[1])) {
    return kNoValue;
  }
  return forward.inputs[2];
}

// A product that only a sum reads is made where it is summed.
void Lowerer::TakeFactorsAlong() {
  if (!fast()) return;
  for (Work& sum : work_) {
    if (sum.absorbed || sum.node->primitive != &primitives::kSumOver || !SumStep(*sum.node)) {
      continue;
    }
    const int maker = work_of_[Index(Root(sum.inputs[0]))];
    std::size_t user = 0;
    if (maker < 0 || !OnlyUserIs(sum.inputs[0], user)) continue;
    Work& product = work_[static_cast<std::size_t>(maker)];
    const bool whole = std::all_of(
        product.inputs.begin(), product.inputs.end(),
        [&](ValueId factor) { return IsDense(factor) && Size(factor) == Size(sum.inputs[0]); });
    if (product.absorbed || product.node->primitive != &primitives::kMul || !whole) continue;
    sum.inputs = product.inputs;
    product.absorbed = true;
  }
}

// Rows of a table that only a sum of them reads (a bag of words) are never written.
void Lowerer::TakeRowsAlong() {
  if (!fast()) return;
  for (Work& sum : work_) {
    if (sum.absorbed || sum.inputs.size() != 1) continue;
    const std::optional<Step> step = SumStep(*sum.node);
    const int maker = step ? work_of_[Index(Root(sum.inputs[0]))] : -1;
    std::size_t user = 0;
    if (maker < 0 || !OnlyUserIs(sum.inputs[0], user)) continue;
    Work& rows = work_[static_cast<std::size_t>(maker)];
    const std::optional<Step> take = rows.absorbed ? std::nullopt : TakeStep(rows);
    const bool of_table =
        take && take->kind == StepKind::kTake && take->outer == 1 && !ByExample(rows.inputs[0]);
    if (!of_table || take->inner != step->inner || take->sizes[0] != step->outer * step->n)
      continue;
    sum.inputs = rows.inputs;
    sum.of_rows = true;
    rows.absorbed = true;
  }
}

bool Lowerer::Joins(std::size_t w, int chain) const {
  const std::vector<std::size_t>& members = chains_[static_cast<std::size_t>(chain)];
  if (members.size() >= kChainMembersMax) return false;
  const Work& work = work_[w];
  const Shape own = WithoutOnes(Type(work.node->output).shape);
  const Shape whole = WithoutOnes(Type(work_[members[0]].node->output).shape);
  if (ElementCount(own) != ElementCount(whole)) return false;
  const bool dense = std::all_of(work.inputs.begin(), work.inputs.end(), [&](ValueId id) {
    return ByExample(id) && Size(id) == ElementCount(whole);
  });
  if (own != whole && !dense) return false;
  // Outside inputs of the chain with this member.
  std::vector<ValueId> outside;
  const auto add = [&](const Work& member) {
    for (const ValueId id : member.inputs) {
      const int maker = work_of_[Index(Root(id))];
      const bool inside = maker >= 0 && (static_cast<std::size_t>(maker) == w ||
                                         work_[static_cast<std::size_t>(maker)].chain == chain);
      if (!inside && std::find(outside.begin(), outside.end(), Root(id)) == outside.end()) {
        outside.push_back(Root(id));
      }
    }
  };
  for (const std::size_t member : members) add(work_[member]);
  add(work);
  return outside.size() <= kChainInputsMax;
}

// From the last node to the first: a node's users all have their chains when its turn comes.
void Lowerer::GrowChains() {
  if (!fast()) return;
  for (std::size_t w = work_.size(); w-- > 0;) {
    Work& work = work_[w];
    if (work.absorbed || !PointOf(*work.node) || !IsDense(work.node->output)) continue;
    const std::vector<std::size_t>& users = users_[Index(Root(work.node->output))];
    int chain = -1;
    bool same = !users.empty() && !kept_[Index(Root(work.node->output))];
    for (const std::size_t user : users) {
      if (chain == -1) chain = work_[user].chain;
      same = same && chain >= 0 && work_[user].chain == chain;
    }
    if (same && Joins(w, chain)) {
      work.chain = chain;
      work.absorbed = true;  // the chain's last node does it
    } else if (work.node->primitive == &primitives::kBroadcastTo) {
      continue;  // a layout's step
    } else {
      work.chain = static_cast<int>(chains_.size());
      chains_.emplace_back();
    }
    chains_[static_cast<std::size_t>(work.chain)].push_back(w);
  }
}

}  // namespace anchorhold::engine
