// Optimiser steps as operators (domain ai.onnx.preview.training, version 1): the conformance cases
// of that domain, and graphs that carry their own update, run locally. Training here never uses
// them: the enclave's optimizers are train/optimizer.h. Inputs are the rate R, the number T of
// updates so far, then for n tensors X1..Xn, G1..Gn and each state; outputs are the new X and
// states, likewise. With G' = G + norm_coefficient X:
//
//   Adagrad   r = R / (1 + T decay_factor);  H' = H + G'^2;  X' = X - r G' / (sqrt(H') + epsilon)
//   Adam      V' = alpha V + (1 - alpha) G';  H' = beta H + (1 - beta) G'^2
//             r = R sqrt(1 - beta^T) / (1 - alpha^T) for T > 0, else R
//             X' = (1 - norm_coefficient_post) (X - r V' / (sqrt(H') + epsilon))
//   Momentum  b = beta for T > 0, else 1;  V' = alpha V + b G'
//             X' = X - R V' (standard), X - R (G' + alpha V') (nesterov)
#include <cmath>

#include "trusted/graph/emitter.h"
#include "trusted/graph/node_context.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {
namespace {

constexpr int kInputsMax = 2 + 4 * 256;

// R as a value of the graph and T as a number; `tensors` is n.
struct Step {
  ValueId rate = kNoValue;
  double updates = 0;
  std::size_t tensors = 0;
  double norm_coefficient = 0;
};

// `states` is the number of state tensors that belong to each X.
Result<Step> ReadStep(NodeContext& node, std::size_t states) {
  Step step;
  const std::size_t groups = 2 + states;
  if ((node.input_count() - 2) % groups != 0) {
    return InvalidInput("the numbers of tensors, gradients and states differ");
  }
  step.tensors = (node.input_count() - 2) / groups;
  AH_ASSIGN_OR_RETURN(step.rate, node.Tensor(0));
  AH_ASSIGN_OR_RETURN(const std::int64_t updates, node.ConstantInteger(1));
  if (updates < 0) return InvalidInput("the number of updates is negative");
  step.updates = static_cast<double>(updates);
  AH_ASSIGN_OR_RETURN(const float norm, node.Float("norm_coefficient", 0));
  step.norm_coefficient = static_cast<double>(norm);
  return step;
}

// G' of tensor i.
ValueId Gradient(NodeContext& node, Emitter& emit, const Step& step, ValueId x, std::size_t i) {
  const ValueId g = emit.Take(node.Tensor(2 + step.tensors + i));
  if (step.norm_coefficient == 0) return g;
  return emit.Add(g, emit.Scale(x, step.norm_coefficient));
}

// sqrt(h) + epsilon
ValueId Denominator(Emitter& emit, ValueId h, float epsilon) {
  const ValueId root = emit.Emit(primitives::kSqrt, {h});
  return emit.Add(root, emit.Number(0, epsilon, emit.type(h).element));
}

ValueId Quotient(Emitter& emit, ValueId a, ValueId b) {
  return emit.Emit(primitives::kDiv, {a, b});
}

void SetOutputs(NodeContext& node, const Emitter& emit, std::size_t i,
                std::initializer_list<ValueId> group, std::size_t tensors) {
  std::size_t at = i;
  for (const ValueId value : group) {
    if (emit.status().ok()) node.SetOutput(at, value);
    at += tensors;
  }
}

Status Adagrad(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Step step, ReadStep(node, 1));
  AH_ASSIGN_OR_RETURN(const float decay, node.Float("decay_factor", 0));
  AH_ASSIGN_OR_RETURN(const float epsilon, node.Float("epsilon", 1e-6F));
  Emitter emit(node);
  const double slow = 1 + step.updates * static_cast<double>(decay);
  const ValueId rate = emit.Scale(step.rate, 1 / slow);
  for (std::size_t i = 0; i < step.tensors; ++i) {
    const ValueId x = emit.Take(node.Tensor(2 + i));
    const ValueId g = Gradient(node, emit, step, x, i);
    const ValueId h = emit.Add(emit.Take(node.Tensor(2 + 2 * step.tensors + i)), emit.Mul(g, g));
    const ValueId move = Quotient(emit, emit.Mul(rate, g), Denominator(emit, h, epsilon));
    SetOutputs(node, emit, i, {emit.Sub(x, move), h}, step.tensors);
  }
  return emit.status();
}

Status Adam(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Step step, ReadStep(node, 2));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 0.9F));
  AH_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 0.999F));
  AH_ASSIGN_OR_RETURN(const float epsilon, node.Float("epsilon", 1e-6F));
  AH_ASSIGN_OR_RETURN(const float post, node.Float("norm_coefficient_post", 0));
  const auto a = static_cast<double>(alpha);
  const auto b = static_cast<double>(beta);
  const double correction =
      step.updates > 0 ? std::sqrt(1 - std::pow(b, step.updates)) / (1 - std::pow(a, step.updates))
                       : 1;
  Emitter emit(node);
  const ValueId rate = emit.Scale(step.rate, correction);
  const auto state = [&](std::size_t group, std::size_t i) {
    return emit.Take(node.Tensor(2 + group * step.tensors + i));
  };
  for (std::size_t i = 0; i < step.tensors; ++i) {
    const ValueId x = emit.Take(node.Tensor(2 + i));
    const ValueId g = Gradient(node, emit, step, x, i);
    const ValueId v = emit.Add(emit.Scale(state(2, i), a), emit.Scale(g, 1 - a));
    const ValueId h = emit.Add(emit.Scale(state(3, i), b), emit.Scale(emit.Mul(g, g), 1 - b));
    const ValueId move = Quotient(emit, emit.Mul(rate, v), Denominator(emit, h, epsilon));
    const ValueId moved = emit.Scale(emit.Sub(x, move), 1 - static_cast<double>(post));
    SetOutputs(node, emit, i, {moved, v, h}, step.tensors);
  }
  return emit.status();
}

Status Momentum(NodeContext& node) {
  AH_ASSIGN_OR_RETURN(const Step step, ReadStep(node, 1));
  AH_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 0.9F));
  AH_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 1));
  AH_ASSIGN_OR_RETURN(const std::string mode, node.Text("mode", "standard"));
  if (mode != "standard" && mode != "nesterov") {
    return InvalidInput("mode is neither standard nor nesterov");
  }
  Emitter emit(node);
  const double share = step.updates > 0 ? static_cast<double>(beta) : 1;
  for (std::size_t i = 0; i < step.tensors; ++i) {
    const ValueId x = emit.Take(node.Tensor(2 + i));
    const ValueId g = Gradient(node, emit, step, x, i);
    const ValueId kept = emit.Take(node.Tensor(2 + 2 * step.tensors + i));
    const ValueId v = emit.Add(emit.Scale(kept, static_cast<double>(alpha)), emit.Scale(g, share));
    const ValueId ahead =
        mode == "nesterov" ? emit.Add(g, emit.Scale(v, static_cast<double>(alpha))) : v;
    SetOutputs(node, emit, i, {emit.Sub(x, emit.Mul(step.rate, ahead)), v}, step.tensors);
  }
  return emit.status();
}

constexpr OperatorDefinition kOperators[] = {
    {"Adagrad", 1, 1, 5, kInputsMax, &Adagrad},
    {"Adam", 1, 1, 6, kInputsMax, &Adam},
    {"Momentum", 1, 1, 5, kInputsMax, &Momentum},
};

}  // namespace

std::span<const OperatorDefinition> OptimizerOperators() { return kOperators; }

}  // namespace anchorhold::graph
