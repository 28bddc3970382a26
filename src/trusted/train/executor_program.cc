#include "trusted/train/executor_program.h"

#include <algorithm>
#include <utility>

#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "trusted/graph/primitives.h"
#include "trusted/engine/arena.h"

namespace anchorhold::train {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Source;
using graph::ValueId;

// Decides where each value lies. Values are numbered as in the graph; a Reshape's output is its
// input's memory under another shape (its root), unless it is a parameter's gradient.
template <typename T>
class Program<T>::Layout {
 public:
  Layout(const Graph& graph, const ProgramGoal& goal, Program& program)
      : graph_(graph), goal_(goal), program_(program) {}

  Status Make(const std::vector<std::size_t>& offsets);

 private:
  static constexpr std::size_t kForever = static_cast<std::size_t>(-1);

  std::size_t Index(ValueId id) const { return static_cast<std::size_t>(id); }
  std::size_t Size(ValueId id) const { return graph::ElementCount(graph_.type(id).shape); }
  std::size_t Bytes(ValueId id) const {
    return Size(id) * (graph_.type(id).is_real() ? sizeof(T) : sizeof(std::int64_t));
  }
  bool IsAlias(const Node& node) const {
    return node.primitive == &graph::primitives::kReshape &&
           places_[Index(node.output)].region != Region::kGradient;
  }
  ValueId Root(ValueId id) const { return roots_[Index(id)]; }

  void SelectNodes();
  void PlaceGradients(const std::vector<std::size_t>& offsets);
  void PlaceSources(const std::vector<std::size_t>& offsets);
  void PlaceConstant(const graph::Value& value, Place& place);
  void FindLives();
  Status AssignArena();
  void TakeArena(ValueId id, engine::ArenaPlanner& arena);
  void WriteSteps();

  const Graph& graph_;
  const ProgramGoal& goal_;
  Program& program_;
  std::vector<const Node*> order_;
  std::vector<Place> places_;
  std::vector<ValueId> roots_;
  std::vector<std::size_t> last_use_;  // the step after which a root's memory is free
};

template <typename T>
void Program<T>::Layout::SelectNodes() {
  std::vector<ValueId> wanted = {goal_.result};
  wanted.insert(wanted.end(), goal_.also.begin(), goal_.also.end());
  const std::vector<bool> forward = graph_.Ancestors(wanted);
  for (const ValueId id : goal_.gradients) {
    if (id != kNoValue) wanted.push_back(id);
  }
  const std::vector<bool> all = graph_.Ancestors(wanted);
  // Backward nodes follow all forward nodes in the graph; what only they need comes after the seed.
  for (const Node& node : graph_.nodes()) {
    if (forward[Index(node.output)]) order_.push_back(&node);
  }
  program_.forward_steps_ = order_.size();
  for (const Node& node : graph_.nodes()) {
    if (all[Index(node.output)] && !forward[Index(node.output)]) order_.push_back(&node);
  }
}

// A gradient that a node computes is written straight to its place in the flat vector.
template <typename T>
void Program<T>::Layout::PlaceGradients(const std::vector<std::size_t>& offsets) {
  for (std::size_t p = 0; p < goal_.gradients.size(); ++p) {
    const ValueId id = goal_.gradients[p];
    const std::size_t size = offsets[p + 1] - offsets[p];
    if (id == kNoValue) {
      program_.zeros_.push_back({offsets[p], size});
      continue;
    }
    AH_CHECK(Size(id) == size);
    Place& place = places_[Index(id)];
    const bool free = graph_.value(id).source == Source::kNode && place.region == Region::kNone;
    if (free) place = {Region::kGradient, offsets[p]};
  }
}

template <typename T>
void Program<T>::Layout::PlaceSources(const std::vector<std::size_t>& offsets) {
  std::vector<bool> used(graph_.values().size(), false);
  used[Index(goal_.result)] = true;
  for (const ValueId id : goal_.also) used[Index(id)] = true;
  for (const Node* node : order_) {
    for (const ValueId id : node->inputs) used[Index(id)] = true;
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    const graph::Value& value = graph_.values()[i];
    if (!used[i]) continue;
    if (value.source == Source::kInput) places_[i] = {Region::kInput, value.index};
    if (value.source == Source::kParameter) {
      places_[i] = {Region::kParameters, offsets[value.index]};
    }
    if (value.source == Source::kConstant) PlaceConstant(value, places_[i]);
  }
}

template <typename T>
void Program<T>::Layout::PlaceConstant(const graph::Value& value, Place& place) {
  const graph::ConstantData& data = graph_.constants()[value.index];
  if (value.type.is_real()) {
    place = {Region::kReals, program_.constants_.size()};
    program_.constants_.insert(program_.constants_.end(), data.reals->begin(), data.reals->end());
  } else {
    std::vector<std::int64_t>& all = program_.integer_constants_;
    place = {Region::kIntegers, all.size()};
    all.insert(all.end(), data.integers->begin(), data.integers->end());
  }
}

template <typename T>
void Program<T>::Layout::FindLives() {
  roots_.resize(graph_.values().size());
  for (std::size_t i = 0; i < roots_.size(); ++i) roots_[i] = static_cast<ValueId>(i);
  for (const Node* node : order_) {
    if (IsAlias(*node)) roots_[Index(node->output)] = Root(node->inputs[0]);
  }
  last_use_.assign(graph_.values().size(), 0);
  for (std::size_t step = 0; step < order_.size(); ++step) {
    last_use_[Index(Root(order_[step]->output))] = step;
    for (const ValueId id : order_[step]->inputs) last_use_[Index(Root(id))] = step;
  }
  last_use_[Index(Root(goal_.result))] = kForever;
  for (const ValueId id : goal_.also) last_use_[Index(Root(id))] = kForever;
  for (const ValueId id : goal_.gradients) {
    if (id != kNoValue) last_use_[Index(Root(id))] = kForever;
  }
}

template <typename T>
void Program<T>::Layout::TakeArena(ValueId id, engine::ArenaPlanner& arena) {
  places_[Index(id)] = {Region::kArena, arena.Take(Bytes(id))};
}

template <typename T>
Status Program<T>::Layout::AssignArena() {
  engine::ArenaPlanner arena;
  if (goal_.seed != kNoValue) {
    // The seed lives throughout: it is small, and written between the steps.
    TakeArena(goal_.seed, arena);
    last_use_[Index(goal_.seed)] = kForever;
  }
  std::vector<std::vector<ValueId>> ends(order_.size());
  for (std::size_t step = 0; step < order_.size(); ++step) {
    const ValueId id = order_[step]->output;
    if (Root(id) == id && places_[Index(id)].region == Region::kNone) {
      TakeArena(id, arena);
      if (arena.size() > limits::kArenaBytesMax) {
        return LimitExceeded("one example needs more than " +
                             std::to_string(limits::kArenaBytesMax / limits::kMiB) +
                             " MiB of memory for intermediate values");
      }
      if (last_use_[Index(id)] != kForever) ends[last_use_[Index(id)]].push_back(id);
    }
    for (const ValueId ended : ends[step]) {
      arena.Release(places_[Index(ended)].offset, Bytes(ended));
    }
  }
  program_.arena_size_ = arena.size();
  return Ok();
}

template <typename T>
void Program<T>::Layout::WriteSteps() {
  for (std::size_t i = 0; i < places_.size(); ++i) places_[i] = places_[Index(roots_[i])];
  std::size_t forward = 0;
  for (std::size_t step = 0; step < order_.size(); ++step) {
    const Node& node = *order_[step];
    if (IsAlias(node)) continue;
    Step out;
    out.node = &node;
    out.output = places_[Index(node.output)];
    for (const ValueId id : node.inputs) {
      out.inputs.push_back(places_[Index(id)]);
      out.types.push_back(graph_.type(id));
    }
    program_.scratch_size_ = std::max(program_.scratch_size_, node.inputs.size());
    program_.steps_.push_back(std::move(out));
    if (step < program_.forward_steps_) ++forward;
  }
  program_.forward_steps_ = forward;
}

template <typename T>
Status Program<T>::Layout::Make(const std::vector<std::size_t>& offsets) {
  places_.resize(graph_.values().size());
  SelectNodes();
  PlaceGradients(offsets);
  PlaceSources(offsets);
  FindLives();
  AH_RETURN_IF_ERROR(AssignArena());
  WriteSteps();
  for (std::size_t p = 0; p < goal_.gradients.size(); ++p) {
    const ValueId id = goal_.gradients[p];
    if (id == kNoValue) continue;
    const Place place = places_[Index(id)];
    if (place.region == Region::kGradient && place.offset == offsets[p]) continue;
    program_.copies_.push_back({place, offsets[p], Size(id)});
  }
  program_.result_ = places_[Index(goal_.result)];
  program_.result_size_ = Size(goal_.result);
  for (const ValueId id : goal_.also) program_.also_.push_back({places_[Index(id)], Size(id)});
  if (goal_.seed != kNoValue) program_.seed_ = places_[Index(goal_.seed)];
  return Ok();
}

template <typename T>
Result<Program<T>> Program<T>::Make(std::shared_ptr<const Graph> graph, const ProgramGoal& goal,
                                    std::vector<std::size_t> offsets) {
  Program program;
  program.graph_ = std::move(graph);
  AH_RETURN_IF_ERROR(Layout(*program.graph_, goal, program).Make(offsets));
  return program;
}

template <typename T>
const void* Program<T>::At(Place place, const Memory& memory) const {
  switch (place.region) {
    case Region::kArena:
      return memory.arena + place.offset;
    case Region::kParameters:
      return memory.parameters + place.offset;
    case Region::kInput:
      return memory.inputs[place.offset];
    case Region::kReals:
      return constants_.data() + place.offset;
    case Region::kIntegers:
      return integer_constants_.data() + place.offset;
    case Region::kGradient:
      return memory.gradient + place.offset;
    case Region::kNone:
      break;
  }
  AH_CHECK(false);
  return nullptr;  // not reached; the thread sanitizer's instrumentation hides that
}

template <typename T>
void* Program<T>::Writable(Place place, const Memory& memory) const {
  AH_CHECK(place.region == Region::kArena || place.region == Region::kGradient);
  if (place.region == Region::kArena) return memory.arena + place.offset;
  return memory.gradient + place.offset;
}

template <typename T>
void Program<T>::Run(std::size_t begin, std::size_t end, const Memory& memory) const {
  for (std::size_t i = begin; i < end; ++i) {
    const Step& step = steps_[i];
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      memory.scratch[k] = At(step.inputs[k], memory);
    }
    const graph::Call<T> call{{memory.scratch, step.inputs.size()},
                              Writable(step.output, memory),
                              step.types,
                              graph_->type(step.node->output),
                              step.node->attributes};
    step.node->primitive->template Run<T>(call);
  }
}

template <typename T>
void Program<T>::Backward(const Memory& memory) const {
  Run(forward_steps_, steps_.size(), memory);
  for (const Copy& copy : copies_) {
    std::copy_n(static_cast<const T*>(At(copy.from, memory)), copy.size, memory.gradient + copy.to);
  }
  for (const auto& [offset, size] : zeros_) {
    std::fill_n(memory.gradient + offset, size, T(0));
  }
}

template <typename T>
std::span<const T> Program<T>::Output(const Memory& memory) const {
  return {static_cast<const T*>(At(result_, memory)), result_size_};
}

template <typename T>
std::span<const T> Program<T>::Also(std::size_t i, const Memory& memory) const {
  return {static_cast<const T*>(At(also_[i].first, memory)), also_[i].second};
}

template <typename T>
std::span<T> Program<T>::Seed(const Memory& memory) const {
  return {static_cast<T*>(Writable(seed_, memory)), result_size_};
}

template class Program<float>;
template class Program<double>;

}  // namespace anchorhold::train
