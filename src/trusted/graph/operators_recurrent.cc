// LSTM, GRU, RNN: unrolled over the time axis, whose length is known. With x_t, h_t rows of one
// example, W [G H, I] and R [G H, H] the weights of the G gates one above another:
//   RNN   h = f(W x + R h + b)
//   GRU   z, r = f(W x + R h + b), n = g(W x + R (r h) + b), or, with linear_before_reset,
//         g(W x + r (R h + b)); h' = n + z (h - n)
//   LSTM  i, o, f = f(W x + R h + p c + b), with c' for c in o; n = g(W x + R h + b);
//         c' = f c + i n, h' = o tanh(c')
// All steps' W x + b are one product, taken before the first step. They are then split by halves,
// so that the gradient, which pads each part back to the whole, costs S log S and not S^2. Beyond
// an example's own length (sequence_lens) its state stays as it is and its output is 0, which
// serves both directions: a reverse pass meets the padding first.
#include <string_view>

#include "shared/base/limits.h"
#include "trusted/graph/emitter.h"
#include "trusted/graph/names.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/primitives.h"
#include "trusted/graph/recurrent_activations.h"
#include "trusted/kernels/binary.h"

namespace anchorhold::graph {
namespace {

// About what a step needs, its gradient included. A sequence that would go beyond
// limits::kGraphStepsMax is refused before it is unrolled.
constexpr std::int64_t kStepPrimitives = 64;

struct State {
  ValueId h = kNoValue;
  ValueId c = kNoValue;  // LSTM
};

// One direction's weights, without their axis of directions.
struct Direction {
  bool reverse = false;
  ValueId w = kNoValue;
  ValueId r = kNoValue;
  ValueId r_last = kNoValue;     // GRU: the rows of R for n; r has the others
  ValueId bias = kNoValue;       // [1, G H], added to all steps at once
  ValueId step_bias = kNoValue;  // GRU: added to R h
  ValueId peepholes[3] = {kNoValue, kNoValue, kNoValue};  // LSTM: of i, o, f; [1, H]
  std::vector<Activation> activations;
};

class Recurrence;
using StepRule = State (*)(Recurrence& rnn, const Direction& direction, ValueId x,
                           const State& before);

// What tells the three operators apart.
struct CellKind {
  int gates;
  std::vector<std::string_view> activations;
  bool has_cell;  // c beside h
  StepRule step;
};

class Recurrence {
 public:
  Recurrence(NodeContext& node, CellKind kind) : emit(node), node_(node), kind_(std::move(kind)) {}

  Status Run();

  // For the step rules.
  ValueId Gate(ValueId gates, std::int64_t i) { return emit.Slice(gates, 2, i * hidden_, hidden_); }
  ValueId Activate(const Activation& activation, ValueId x) {
    return EmitActivation(emit, activation, Clipped(x));
  }
  bool input_forget() const { return input_forget_; }
  ElementType element() const { return x_type_.element; }

  Emitter emit;

 private:
  Status ReadInput();
  Status ReadAttributes();
  Status ReadStates();
  Status ReadMasks();
  Result<ValueId> ReadWeight(std::size_t i, const Shape& shape, const char* name);
  Result<ValueId> ReadState(std::size_t i, const char* name);
  Result<Direction> ReadDirection(std::size_t d);
  Status CheckLength() const;
  void RunDirection(std::size_t d, const Direction& direction);
  void Split(ValueId part, std::vector<ValueId>& steps);
  ValueId Clipped(ValueId x);
  ValueId Masked(std::size_t t, ValueId now, ValueId otherwise);
  void SetOutputs();

  NodeContext& node_;
  CellKind kind_;
  ValueId x_ = kNoValue;
  ValueType x_type_;
  ValueId w_ = kNoValue;
  ValueId r_ = kNoValue;
  ValueId b_ = kNoValue;
  ValueId p_ = kNoValue;
  ValueId zeros_ = kNoValue;
  State initial_;               // with the axis of directions
  std::vector<ValueId> masks_;  // by step: which examples are that long; empty if all are
  std::vector<Activation> activations_;
  int time_axis_ = 0;
  int batch_axis_ = 1;
  std::int64_t steps_ = 0;
  std::int64_t hidden_ = 0;
  std::int64_t directions_ = 1;
  bool reverse_ = false;  // of the first direction
  bool input_forget_ = false;
  bool linear_before_reset_ = false;
  double clip_ = 0;  // 0: none
  // By direction; the outputs with size 1 at the axis of directions or of time.
  std::vector<ValueId> sequences_;
  std::vector<State> last_;
};

Status Recurrence::ReadAttributes() {
  AH_ASSIGN_OR_RETURN(const std::string direction, node_.Text("direction", "forward"));
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return InvalidInput("the direction " + Quoted(direction) + " is unknown");
  }
  reverse_ = direction == "reverse";
  directions_ = direction == "bidirectional" ? 2 : 1;
  AH_ASSIGN_OR_RETURN(const std::int64_t layout, node_.Int("layout", 0));
  time_axis_ = layout == 0 ? 0 : 1;
  batch_axis_ = 1 - time_axis_;
  AH_ASSIGN_OR_RETURN(const float clip, node_.Float("clip", 0));
  if (!(clip >= 0)) return InvalidInput("clips at a negative number");
  clip_ = static_cast<double>(clip);
  AH_ASSIGN_OR_RETURN(const std::int64_t input_forget, node_.Int("input_forget", 0));
  input_forget_ = input_forget != 0;
  AH_ASSIGN_OR_RETURN(const std::int64_t before, node_.Int("linear_before_reset", 0));
  linear_before_reset_ = before != 0;
  node_.IgnoreAttribute("output_sequence");  // before opset 7: whether Y is wanted
  AH_ASSIGN_OR_RETURN(activations_, ReadActivations(node_, kind_.activations,
                                                    static_cast<std::size_t>(directions_)));
  return Ok();
}

Status Recurrence::ReadInput() {
  AH_ASSIGN_OR_RETURN(x_, node_.Tensor(0));
  x_type_ = node_.Type(x_);
  if (x_type_.rank() != 3) {
    return InvalidInput("X of " + FormatType(x_type_) + " has not three axes");
  }
  if (x_type_.has_examples() && x_type_.example_axis != batch_axis_) {
    return PrivacyRefused((x_type_.example_axis == time_axis_
                               ? "the recurrence runs along the example axis of " +
                                     FormatType(x_type_) +
                                     ", so an example's state would flow into the next one's"
                               : "the examples of " + FormatType(x_type_) +
                                     " are the features of a step, which would mix them") +
                          "; put the examples on axis " + std::to_string(batch_axis_));
  }
  steps_ = x_type_.shape[static_cast<std::size_t>(time_axis_)];
  return CheckLength();
}

Status Recurrence::CheckLength() const {
  constexpr auto kMax = static_cast<std::int64_t>(limits::kGraphStepsMax) / kStepPrimitives;
  if (steps_ * directions_ <= kMax) return Ok();
  return LimitExceeded("a sequence of " + std::to_string(steps_) +
                       " steps is too long to be unrolled; at most " +
                       std::to_string(kMax / directions_) + " are accepted");
}

Result<ValueId> Recurrence::ReadWeight(std::size_t i, const Shape& shape, const char* name) {
  AH_ASSIGN_OR_RETURN(const ValueId id, node_.Tensor(i));
  if (node_.Type(id).shape == shape && !node_.Type(id).has_examples()) return id;
  return InvalidInput(std::string(name) + " of " + FormatType(node_.Type(id)) + " should be " +
                      FormatShape(shape));
}

Result<ValueId> Recurrence::ReadState(std::size_t i, const char* name) {
  if (!node_.Has(i)) return kNoValue;
  AH_ASSIGN_OR_RETURN(const ValueId id, node_.Tensor(i));
  const ValueType type = node_.Type(id);
  Shape shape(3, hidden_);
  shape[static_cast<std::size_t>(time_axis_)] = directions_;
  shape[static_cast<std::size_t>(batch_axis_)] =
      x_type_.shape[static_cast<std::size_t>(batch_axis_)];
  const std::string what = std::string(name) + " of " + FormatType(type);
  if (type.has_examples() && type.example_axis != batch_axis_) {
    return PrivacyRefused(what +
                          " has the examples where the directions or the features should "
                          "be, so they would mix; put them on axis " +
                          std::to_string(batch_axis_));
  }
  if (x_type_.has_examples() && !type.has_examples() && node_.declared_batch() != 1) {
    return PrivacyRefused(what +
                          " does not follow the batch, so an example's result would depend "
                          "on its place there; make it with Expand or ConstantOfShape from the "
                          "batch's size");
  }
  if (type.shape != shape) {
    return InvalidInput(what + " should be " + FormatShape(shape) + " for one example");
  }
  return id;
}

Status Recurrence::ReadStates() {
  AH_ASSIGN_OR_RETURN(
      zeros_,
      node_.builder().AddReals(
          {1, 1, hidden_}, std::vector<float>(static_cast<std::size_t>(hidden_)), x_type_.element));
  AH_ASSIGN_OR_RETURN(initial_.h, ReadState(5, "initial_h"));
  if (kind_.has_cell) {
    AH_ASSIGN_OR_RETURN(initial_.c, ReadState(6, "initial_c"));
  }
  return Ok();
}

Result<Direction> Recurrence::ReadDirection(std::size_t d) {
  const auto at = static_cast<std::int64_t>(d);
  const std::int64_t rows = kind_.gates * hidden_;
  const std::int64_t inputs = x_type_.shape[2];
  const std::size_t count = kind_.activations.size();
  const bool gru_after_reset = kind_.gates == 3 && !linear_before_reset_;
  Direction out;
  out.reverse = reverse_ || d == 1;
  out.activations.assign(activations_.begin() + static_cast<std::ptrdiff_t>(d * count),
                         activations_.begin() + static_cast<std::ptrdiff_t>((d + 1) * count));
  const auto weight = [&](ValueId all, std::int64_t columns) {
    return emit.Reshape(emit.Slice(all, 0, at, 1), {rows, columns}, kNoExampleAxis);
  };
  out.w = weight(w_, inputs);
  out.r = weight(r_, hidden_);
  if (gru_after_reset) {
    out.r_last = emit.Slice(out.r, 0, 2 * hidden_, hidden_);
    out.r = emit.Slice(out.r, 0, 0, 2 * hidden_);
  }
  if (b_ != kNoValue) {
    const ValueId both = emit.Slice(b_, 0, at, 1);
    out.bias = emit.Slice(both, 1, 0, rows);
    const ValueId of_r = emit.Slice(both, 1, rows, rows);
    if (linear_before_reset_ && kind_.gates == 3) {
      out.step_bias = of_r;
    } else {
      out.bias = emit.Add(out.bias, of_r);
    }
  }
  for (std::int64_t k = 0; p_ != kNoValue && k < 3; ++k) {
    out.peepholes[k] = emit.Slice(emit.Slice(p_, 0, at, 1), 1, k * hidden_, hidden_);
  }
  AH_RETURN_IF_ERROR(emit.status());
  return out;
}

ValueId Recurrence::Clipped(ValueId x) {
  if (clip_ == 0) return x;
  return emit.Emit(primitives::kClip, {x}, {.alpha = -clip_, .beta = clip_});
}

Status Recurrence::ReadMasks() {
  if (!node_.Has(4)) return Ok();
  AH_ASSIGN_OR_RETURN(const ValueId given, node_.Tensor(4));
  const ValueType type = node_.Type(given);
  const std::int64_t batch = x_type_.shape[static_cast<std::size_t>(batch_axis_)];
  if (type.shape != Shape{batch} || type.is_real()) {
    return InvalidInput("sequence_lens of " + FormatType(type) +
                        " is no list of one integer for each example");
  }
  Shape shape(3, 1);
  shape[static_cast<std::size_t>(batch_axis_)] = batch;
  const ValueId lengths =
      emit.Reshape(given, std::move(shape), type.has_examples() ? batch_axis_ : kNoExampleAxis);
  constexpr int kLess = static_cast<int>(kernels::CompareOp::kLess);
  for (std::int64_t t = 0; t < steps_ && emit.status().ok(); ++t) {
    const ValueId step = emit.Number(3, static_cast<float>(t), type.element);
    masks_.push_back(emit.Emit(primitives::kCompare, {step, lengths}, {.mode = kLess}));
  }
  return emit.status();
}

// `now` for the examples that have a step t, `otherwise` for the others.
ValueId Recurrence::Masked(std::size_t t, ValueId now, ValueId otherwise) {
  if (masks_.empty()) return now;
  return emit.Emit(primitives::kWhere, {masks_[t], now, otherwise});
}

// Halves until one step is left.
void Recurrence::Split(ValueId part, std::vector<ValueId>& steps) {
  if (!emit.status().ok()) return;
  const std::int64_t size = emit.type(part).shape[static_cast<std::size_t>(time_axis_)];
  if (size == 1) {
    steps.push_back(part);
    return;
  }
  Split(emit.Slice(part, time_axis_, 0, size / 2), steps);
  Split(emit.Slice(part, time_axis_, size / 2, size - size / 2), steps);
}

void Recurrence::RunDirection(std::size_t d, const Direction& direction) {
  ValueId projected = emit.MatMul(x_, direction.w, true);
  if (direction.bias != kNoValue) projected = emit.Add(projected, direction.bias);
  std::vector<ValueId> inputs;
  Split(projected, inputs);
  State state;
  const auto start = [&](ValueId given) {
    return given == kNoValue ? zeros_
                             : emit.Slice(given, time_axis_, static_cast<std::int64_t>(d), 1);
  };
  state.h = start(initial_.h);
  if (kind_.has_cell) state.c = start(initial_.c);
  std::vector<ValueId> outputs(inputs.size(), kNoValue);
  for (std::size_t k = 0; k < inputs.size() && emit.status().ok(); ++k) {
    const std::size_t t = direction.reverse ? inputs.size() - 1 - k : k;
    const State next = kind_.step(*this, direction, inputs[t], state);
    if (node_.WantsOutput(0)) outputs[t] = Masked(t, next.h, zeros_);
    state.h = Masked(t, next.h, state.h);
    if (kind_.has_cell) state.c = Masked(t, next.c, state.c);
  }
  last_.push_back(state);
  if (node_.WantsOutput(0) && emit.status().ok()) {
    sequences_.push_back(emit.Concat(std::move(outputs), time_axis_));
  }
}

// Y [S, D, B, H] or [B, S, D, H]; the last states [D, B, H] or [B, D, H].
void Recurrence::SetOutputs() {
  if (node_.WantsOutput(0)) {
    const int axis = time_axis_ + 1;
    for (ValueId& sequence : sequences_) {
      ValueType type = emit.type(sequence);
      type.shape.insert(type.shape.begin() + axis, 1);
      if (type.example_axis >= axis) ++type.example_axis;
      sequence = emit.Reshape(sequence, type.shape, type.example_axis);
    }
    node_.SetOutput(0, emit.Concat(std::move(sequences_), axis));
  }
  std::vector<ValueId> h;
  std::vector<ValueId> c;
  for (const State& state : last_) {
    h.push_back(state.h);
    c.push_back(state.c);
  }
  if (node_.WantsOutput(1)) node_.SetOutput(1, emit.Concat(h, time_axis_));
  if (kind_.has_cell && node_.WantsOutput(2)) node_.SetOutput(2, emit.Concat(c, time_axis_));
}

Status Recurrence::Run() {
  AH_RETURN_IF_ERROR(ReadAttributes());
  AH_RETURN_IF_ERROR(ReadInput());
  AH_ASSIGN_OR_RETURN(const ValueId r, node_.Tensor(2));
  if (node_.Type(r).rank() != 3) return InvalidInput("R has not three axes");
  hidden_ = node_.Type(r).shape[2];
  AH_ASSIGN_OR_RETURN(const std::int64_t hidden, node_.Int("hidden_size", hidden_));
  if (hidden != hidden_) {
    return InvalidInput("hidden_size is " + std::to_string(hidden) + ", and R is for " +
                        std::to_string(hidden_));
  }
  const std::int64_t rows = kind_.gates * hidden_;
  AH_ASSIGN_OR_RETURN(w_, ReadWeight(1, {directions_, rows, x_type_.shape[2]}, "W"));
  AH_ASSIGN_OR_RETURN(r_, ReadWeight(2, {directions_, rows, hidden_}, "R"));
  if (node_.Has(3)) {
    AH_ASSIGN_OR_RETURN(b_, ReadWeight(3, {directions_, 2 * rows}, "B"));
  }
  if (kind_.has_cell && node_.Has(7)) {
    AH_ASSIGN_OR_RETURN(p_, ReadWeight(7, {directions_, 3 * hidden_}, "P"));
  }
  AH_RETURN_IF_ERROR(ReadStates());
  AH_RETURN_IF_ERROR(ReadMasks());
  for (std::size_t d = 0; d < static_cast<std::size_t>(directions_); ++d) {
    AH_ASSIGN_OR_RETURN(const Direction direction, ReadDirection(d));
    RunDirection(d, direction);
    AH_RETURN_IF_ERROR(emit.status());
  }
  SetOutputs();
  return emit.status();
}

State RnnStep(Recurrence& rnn, const Direction& direction, ValueId x, const State& before) {
  const ValueId sum = rnn.emit.Add(x, rnn.emit.MatMul(before.h, direction.r, true));
  return {rnn.Activate(direction.activations[0], sum), kNoValue};
}

State GruStep(Recurrence& rnn, const Direction& direction, ValueId x, const State& before) {
  Emitter& emit = rnn.emit;
  const auto& activations = direction.activations;
  ValueId recurrent = emit.MatMul(before.h, direction.r, true);
  if (direction.step_bias != kNoValue) recurrent = emit.Add(recurrent, direction.step_bias);
  const auto gate = [&](std::int64_t i) {
    return rnn.Activate(activations[0], emit.Add(rnn.Gate(x, i), rnn.Gate(recurrent, i)));
  };
  const ValueId z = gate(0);
  const ValueId r = gate(1);
  const ValueId reset = direction.r_last == kNoValue
                            ? emit.Mul(r, rnn.Gate(recurrent, 2))
                            : emit.MatMul(emit.Mul(r, before.h), direction.r_last, true);
  const ValueId n = rnn.Activate(activations[1], emit.Add(rnn.Gate(x, 2), reset));
  return {emit.Add(n, emit.Mul(z, emit.Sub(before.h, n))), kNoValue};
}

State LstmStep(Recurrence& rnn, const Direction& direction, ValueId x, const State& before) {
  Emitter& emit = rnn.emit;
  const auto& activations = direction.activations;
  const ValueId gates = emit.Add(x, emit.MatMul(before.h, direction.r, true));
  const auto gate = [&](std::int64_t i, int peephole, ValueId c) {
    ValueId sum = rnn.Gate(gates, i);
    const ValueId p = direction.peepholes[peephole];
    if (p != kNoValue) sum = emit.Add(sum, emit.Mul(p, c));
    return rnn.Activate(activations[0], sum);
  };
  const ValueId i = gate(0, 0, before.c);
  const ValueId f =
      rnn.input_forget() ? emit.Sub(emit.Number(3, 1, rnn.element()), i) : gate(2, 2, before.c);
  const ValueId n = rnn.Activate(activations[1], rnn.Gate(gates, 3));
  const ValueId c = emit.Add(emit.Mul(f, before.c), emit.Mul(i, n));
  const ValueId o = gate(1, 1, c);
  return {emit.Mul(o, rnn.Activate(activations[2], c)), c};
}

Status Rnn(NodeContext& node) { return Recurrence(node, {1, {"Tanh"}, false, &RnnStep}).Run(); }

Status Gru(NodeContext& node) {
  return Recurrence(node, {3, {"Sigmoid", "Tanh"}, false, &GruStep}).Run();
}

Status Lstm(NodeContext& node) {
  return Recurrence(node, {4, {"Sigmoid", "Tanh", "Tanh"}, true, &LstmStep}).Run();
}

constexpr OperatorDefinition kOperators[] = {
    {"RNN", kOpsetMin, kOpsetMax, 3, 6, &Rnn},
    {"GRU", kOpsetMin, kOpsetMax, 3, 6, &Gru},
    {"LSTM", kOpsetMin, kOpsetMax, 3, 8, &Lstm},
};

}  // namespace

std::span<const OperatorDefinition> RecurrentOperators() { return kOperators; }

}  // namespace anchorhold::graph
