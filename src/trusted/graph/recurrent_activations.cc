// Relu, Tanh, Sigmoid as everywhere;
//   Affine       alpha x + beta              LeakyRelu    x for x > 0, else alpha x
//   ScaledTanh   alpha tanh(beta x)          HardSigmoid  min(max(alpha x + beta, 0), 1)
//   Elu          x for x > 0, else alpha (e^x - 1)
//   Softsign     x / (1 + |x|)               Softplus     ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)
// with |x| = max(x, 0) + max(-x, 0).
#include "trusted/graph/recurrent_activations.h"

#include "trusted/graph/names.h"
#include "trusted/graph/primitives.h"

namespace anchorhold::graph {

struct ActivationKind {
  std::string_view name;
  bool takes_alpha;
  bool takes_beta;
  double alpha;  // defaults
  double beta;
  ValueId (*emit)(Emitter& emit, ValueId x, const Activation& activation);
};

namespace {

ValueId Relu(Emitter& emit, ValueId x) { return emit.Emit(primitives::kLeakyRelu, {x}); }

ValueId Negative(Emitter& emit, ValueId x) { return emit.Emit(primitives::kNeg, {x}); }

ValueId Magnitude(Emitter& emit, ValueId x) {
  return emit.Add(Relu(emit, x), Relu(emit, Negative(emit, x)));
}

ValueId PlusOne(Emitter& emit, ValueId x) {
  return emit.Add(x, emit.Number(1, 1, emit.type(x).element));
}

ValueId EmitRelu(Emitter& emit, ValueId x, const Activation&) { return Relu(emit, x); }

ValueId EmitTanh(Emitter& emit, ValueId x, const Activation&) {
  return emit.Emit(primitives::kTanh, {x});
}

ValueId EmitSigmoid(Emitter& emit, ValueId x, const Activation&) {
  return emit.Emit(primitives::kSigmoid, {x});
}

ValueId EmitAffine(Emitter& emit, ValueId x, const Activation& a) {
  const ValueId beta = emit.Number(1, static_cast<float>(a.beta), emit.type(x).element);
  return emit.Add(emit.Scale(x, a.alpha), beta);
}

ValueId EmitLeakyRelu(Emitter& emit, ValueId x, const Activation& a) {
  return emit.Emit(primitives::kLeakyRelu, {x}, {.alpha = a.alpha});
}

ValueId EmitScaledTanh(Emitter& emit, ValueId x, const Activation& a) {
  return emit.Scale(emit.Emit(primitives::kTanh, {emit.Scale(x, a.beta)}), a.alpha);
}

ValueId EmitHardSigmoid(Emitter& emit, ValueId x, const Activation& a) {
  return emit.Emit(primitives::kClip, {EmitAffine(emit, x, a)}, {.alpha = 0, .beta = 1});
}

// max(x, 0) + alpha (e^min(x, 0) - 1)
ValueId EmitElu(Emitter& emit, ValueId x, const Activation& a) {
  const ValueId below = Negative(emit, Relu(emit, Negative(emit, x)));
  const ValueId one = emit.Number(1, 1, emit.type(x).element);
  const ValueId exponential = emit.Sub(emit.Emit(primitives::kExp, {below}), one);
  return emit.Add(Relu(emit, x), emit.Scale(exponential, a.alpha));
}

ValueId EmitSoftsign(Emitter& emit, ValueId x, const Activation&) {
  return emit.Emit(primitives::kDiv, {x, PlusOne(emit, Magnitude(emit, x))});
}

ValueId EmitSoftplus(Emitter& emit, ValueId x, const Activation&) {
  const ValueId decay = emit.Emit(primitives::kExp, {Negative(emit, Magnitude(emit, x))});
  return emit.Add(Relu(emit, x), emit.Emit(primitives::kLog, {PlusOne(emit, decay)}));
}

constexpr ActivationKind kActivations[] = {
    {"Relu", false, false, 0, 0, &EmitRelu},
    {"Tanh", false, false, 0, 0, &EmitTanh},
    {"Sigmoid", false, false, 0, 0, &EmitSigmoid},
    {"Affine", true, true, 1, 0, &EmitAffine},
    {"LeakyRelu", true, false, 0.01, 0, &EmitLeakyRelu},
    {"ScaledTanh", true, true, 1, 1, &EmitScaledTanh},
    {"HardSigmoid", true, true, 0.2, 0.5, &EmitHardSigmoid},
    {"Elu", true, false, 1, 0, &EmitElu},
    {"Softsign", false, false, 0, 0, &EmitSoftsign},
    {"Softplus", false, false, 0, 0, &EmitSoftplus},
};

const ActivationKind* Find(std::string_view name) {
  for (const ActivationKind& kind : kActivations) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace

Result<std::vector<Activation>> ReadActivations(NodeContext& node,
                                                const std::vector<std::string_view>& defaults,
                                                std::size_t directions) {
  AH_ASSIGN_OR_RETURN(std::vector<std::string> names, node.Texts("activations"));
  AH_ASSIGN_OR_RETURN(const std::vector<float> alphas, node.Floats32("activation_alpha"));
  AH_ASSIGN_OR_RETURN(const std::vector<float> betas, node.Floats32("activation_beta"));
  if (names.empty()) {
    for (std::size_t d = 0; d < directions; ++d) {
      names.insert(names.end(), defaults.begin(), defaults.end());
    }
  }
  if (names.size() != defaults.size() * directions) {
    return InvalidInput("names " + std::to_string(names.size()) + " activations instead of " +
                        std::to_string(defaults.size() * directions));
  }
  std::vector<Activation> activations;
  std::size_t alpha = 0;
  std::size_t beta = 0;
  for (const std::string& name : names) {
    const ActivationKind* kind = Find(name);
    if (kind == nullptr) {
      return Unsupported("the activation " + Quoted(name) +
                         " is not supported here; use Tanh, "
                         "Sigmoid, Relu or another of the operator's");
    }
    Activation activation{kind, kind->alpha, kind->beta};
    if (kind->takes_alpha && alpha < alphas.size()) {
      activation.alpha = static_cast<double>(alphas[alpha++]);
    }
    if (kind->takes_beta && beta < betas.size()) {
      activation.beta = static_cast<double>(betas[beta++]);
    }
    activations.push_back(activation);
  }
  return activations;
}

ValueId EmitActivation(Emitter& emit, const Activation& activation, ValueId x) {
  return activation.kind->emit(emit, x, activation);
}

}  // namespace anchorhold::graph
