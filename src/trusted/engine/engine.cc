#include "trusted/engine/engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "shared/base/check.h"
#include "trusted/engine/gradient_sums.h"
#include "trusted/engine/group_size.h"
#include "trusted/engine/memory.h"
#include "trusted/kernels/float_mode.h"

namespace anchorhold::engine {

class Engine::State {
 public:
  State(LoweredProgram program, const Kernels& kernels, ThreadPool& pool, std::size_t parameters);

  void Prologue(std::span<const float> parameters);
  // Examples [first, first + count) of the batch through forward, in thread k's memory.
  void Forward(std::size_t k, const Batch& batch, std::size_t first, std::size_t count);
  void Backward(std::size_t k, const Batch& batch, std::size_t first, const StepResults& results);
  void Predict(std::span<const float> parameters, const Batch& batch, std::span<float> results);
  void Sum(std::span<const float> parameters, const Batch& batch, const Clipping* clipping,
           const SumTarget& target, const StepResults& results);

  LoweredProgram program;
  PlanReport report;

 private:
  void LoadInputs(const Frame& frame, const Batch& batch, std::size_t first);
  void RunSteps(const std::vector<Step>& steps, const Frame& frame);

  Kernels kernels_;
  StepTables tables_;
  ThreadPool& pool_;
  std::size_t parameters_ = 0;
  AlignedBytes shared_;
  struct Thread {
    AlignedBytes arena;
    AlignedBytes scratch;
    Frame frame;
  };
  std::vector<Thread> threads_;
  GradientSums sums_;
};

Engine::State::State(LoweredProgram lowered, const Kernels& kernels, ThreadPool& pool,
                     std::size_t parameters)
    : program(std::move(lowered)),
      kernels_(kernels),
      tables_(program.Tables()),
      pool_(pool),
      parameters_(parameters),
      shared_(program.shared_bytes),
      sums_(program, kernels, pool.threads()) {
  std::size_t scratch = sums_.scratch();
  for (const std::vector<Step>* steps : {&program.prologue, &program.forward, &program.backward}) {
    scratch = std::max(scratch, ScratchOfAll(*steps, tables_, kernels_, program.group));
  }
  threads_.resize(pool.threads());
  for (Thread& thread : threads_) {
    thread.arena = AlignedBytes(program.arena_bytes);
    thread.scratch = AlignedBytes(scratch * sizeof(float));
    Frame& frame = thread.frame;
    const auto at = [&](Space space) -> std::byte*& {
      return frame.base[static_cast<std::size_t>(space)];
    };
    at(Space::kArena) = thread.arena.data();
    at(Space::kShared) = shared_.data();
    at(Space::kReals) = reinterpret_cast<std::byte*>(program.reals.data());
    at(Space::kIntegers) = reinterpret_cast<std::byte*>(program.integers.data());
    frame.scratch = reinterpret_cast<float*>(thread.scratch.data());
  }
  report.scratch_bytes = scratch * sizeof(float);
}

void Engine::State::RunSteps(const std::vector<Step>& steps, const Frame& frame) {
  for (const Step& step : steps) RunStep(step, tables_, kernels_, frame);
}

void Engine::State::Prologue(std::span<const float> parameters) {
  AH_CHECK(parameters.size() == parameters_);
  for (Thread& thread : threads_) {
    // Read only: the space is never an output's.
    thread.frame.base[static_cast<std::size_t>(Space::kParameters)] =
        reinterpret_cast<std::byte*>(const_cast<float*>(parameters.data()));
  }
  for (Thread& thread : threads_) thread.frame.examples = 1;
  for (std::size_t i = 0; i < program.first_pack; ++i) {
    RunStep(program.prologue[i], tables_, kernels_, threads_[0].frame);
  }
  if (program.first_pack == program.prologue.size()) return;
  std::atomic<std::size_t> next = program.first_pack;
  pool_.Run([&](std::size_t k) {
    for (std::size_t i = next++; i < program.prologue.size(); i = next++) {
      RunStep(program.prologue[i], tables_, kernels_, threads_[k].frame);
    }
  });
}

void Engine::State::LoadInputs(const Frame& frame, const Batch& batch, std::size_t first) {
  for (std::size_t e = 0; e < frame.examples; ++e) {
    std::span<const float> row = batch.Features(first + e);
    for (const LoweredProgram::Input& input : program.inputs) {
      const std::size_t size = input.operand.size;
      AH_CHECK(row.size() >= size);
      if (input.used) LoadInput(input.operand, input.real, row.data(), frame, e);
      row = row.subspan(size);
    }
  }
}

void Engine::State::Forward(std::size_t k, const Batch& batch, std::size_t first,
                            std::size_t count) {
  Frame& frame = threads_[k].frame;
  frame.examples = count;
  LoadInputs(frame, batch, first);
  RunSteps(program.forward, frame);
}

void Engine::State::Backward(std::size_t k, const Batch& batch, std::size_t first,
                             const StepResults& results) {
  const Frame& frame = threads_[k].frame;
  for (std::size_t e = 0; e < frame.examples; ++e) {
    const std::span<const float> result{Reals(program.result, frame, e), program.result.size};
    const std::span<float> seed{Reals(program.seed, frame, e), program.seed.size};
    const float loss = batch.LossAndSeed(first + e, result, seed);
    if (!results.losses.empty()) results.losses[first + e] = loss;
  }
  RunSteps(program.backward, frame);
}

namespace {

struct Share {
  std::size_t first = 0;
  std::size_t count = 0;
};
Share ShareOf(std::size_t round, std::size_t k, const Rounds& rounds, std::size_t threads,
              std::size_t size) {
  const std::size_t first = std::min(size, (round * threads + k) * rounds.each);
  return {first, std::min(size - first, rounds.each)};
}

}  // namespace

void Engine::State::Predict(std::span<const float> parameters, const Batch& batch,
                            std::span<float> results) {
  const kernels::FlushSubnormals flush_prologue;
  const std::size_t width = program.result.size;
  AH_CHECK(results.size() == batch.size() * width);
  Prologue(parameters);
  const Rounds rounds = CutBatch(batch.size(), pool_.threads(), program.group);
  pool_.Run([&](std::size_t k) {
    const kernels::FlushSubnormals flush;
    for (std::size_t round = 0; round < rounds.rounds; ++round) {
      const Share share = ShareOf(round, k, rounds, pool_.threads(), batch.size());
      if (share.count == 0) continue;
      Forward(k, batch, share.first, share.count);
      for (std::size_t e = 0; e < share.count; ++e) {
        const float* result = Reals(program.result, threads_[k].frame, e);
        std::copy_n(result, width, results.data() + (share.first + e) * width);
      }
    }
  });
}

void Engine::State::Sum(std::span<const float> parameters, const Batch& batch,
                        const Clipping* clipping, const SumTarget& target,
                        const StepResults& results) {
  const kernels::FlushSubnormals flush_prologue;
  Prologue(parameters);
  const std::size_t threads = pool_.threads();
  // On a grid, a round's contributions have to fit the 32 bits (group_sums.h).
  const std::size_t capacity = target.grid == nullptr ? batch.size() : target.capacity;
  const std::size_t workers = std::max<std::size_t>(std::min(threads, capacity), 1);
  const std::size_t most = std::max<std::size_t>(capacity / workers, 1);
  const Rounds rounds = CutBatch(batch.size(), workers, std::min(program.group, most));
  AH_CHECK(target.grid == nullptr || target.total != nullptr || batch.size() <= target.capacity);
  for (Thread& thread : threads_) thread.frame.examples = 0;
  sums_.Begin(clipping, target);
  for (std::size_t round = 0; round < rounds.rounds; ++round) {
    pool_.Run([&](std::size_t k) {
      const kernels::FlushSubnormals flush;
      Share share = ShareOf(round, k, rounds, workers, batch.size());
      if (k >= workers) share.count = 0;
      threads_[k].frame.examples = share.count;
      if (share.count > 0) {
        Forward(k, batch, share.first, share.count);
        Backward(k, batch, share.first, results);
      }
      sums_.Measure(k, threads_[k].frame, batch, share.first, results.squared_norms);
    });
    sums_.BeginRound();
    pool_.Run([&](std::size_t k) {
      const kernels::FlushSubnormals flush;
      sums_.Add(k, threads_[k].frame.scratch);
    });
    sums_.Check(threads_[0].frame.scratch);
  }
  if (rounds.rounds == 0) {
    sums_.BeginRound();
    pool_.Run([&](std::size_t k) { sums_.Add(k, threads_[k].frame.scratch); });
  }
  pool_.Run([&](std::size_t k) { sums_.Finish(k); });
}

namespace {

LoweringOptions LoweringOf(const graph::Model& model, const EngineOptions& options) {
  LoweringOptions lowering;
  lowering.mode = options.mode;
  lowering.kernels = KernelsFor(options.target);
  lowering.input_count = model.inputs().size();
  lowering.norms = options.norms;
  return lowering;
}

}  // namespace

// A group is one example where that is all that fits, so one example tells.
Status Engine::Check(const graph::Model& model, std::shared_ptr<const graph::Graph> graph,
                     const Goal& goal, const EngineOptions& options) {
  const auto program = Lower(std::move(graph), goal, LoweringOf(model, options));
  return program.ok() ? Ok() : Status(program.error());
}

Result<Engine> Engine::Create(const graph::Model& model, std::shared_ptr<const graph::Graph> graph,
                              const Goal& goal, const EngineOptions& options, ThreadPool& pool) {
  LoweringOptions lowering = LoweringOf(model, options);
  AH_ASSIGN_OR_RETURN(LoweredProgram program, Lower(graph, goal, lowering));
  const std::size_t most =
      options.batch == 0 ? kGroupMax : (options.batch + pool.threads() - 1) / pool.threads();
  const std::size_t group =
      options.group != 0 ? options.group
                         : ChooseGroup(program, lowering.kernels, std::max<std::size_t>(most, 1));
  if (group != 1) {
    lowering.group = group;
    AH_ASSIGN_OR_RETURN(program, Lower(graph, goal, lowering));
  }
  // Milliseconds, in every build: a step that read what another has overwritten could read another
  // example's numbers.
  AH_RETURN_IF_ERROR(CheckProgram(program));
  auto state =
      std::make_unique<State>(std::move(program), lowering.kernels, pool, model.parameter_count());
  PlanReport& report = state->report;
  const LoweredProgram& planned = state->program;
  report.mode = options.mode;
  report.target = options.target;
  report.threads = pool.threads();
  report.group = planned.group;
  report.steps_forward = planned.forward.size();
  report.steps_backward = planned.backward.size();
  report.steps_naive = planned.naive_steps;
  report.steps_minimal = planned.minimal_steps;
  report.arena_bytes = planned.arena_bytes;
  report.shared_bytes = planned.shared_bytes + planned.reals.size() * sizeof(float) +
                        planned.integers.size() * sizeof(std::int64_t);
  report.multiply_adds = planned.multiply_adds;
  report.peak_bytes =
      report.shared_bytes + report.threads * (report.arena_bytes + report.scratch_bytes) +
      model.parameter_count() * sizeof(float) * (options.mode == Mode::kInference ? 1 : 2);
  report.parameters = planned.parameters;
  for (std::size_t p = 0; p < report.parameters.size(); ++p) {
    report.parameters[p].name = model.parameters()[p].name;
  }
  return Engine(std::move(state));
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

const PlanReport& Engine::report() const { return state_->report; }
const LoweredProgram& Engine::program() const { return state_->program; }

void Engine::Predict(std::span<const float> parameters, const Batch& batch,
                     std::span<float> results) {
  state_->Predict(parameters, batch, results);
}

void Engine::SumGradients(std::span<const float> parameters, const Batch& batch,
                          const SumTarget& target, const StepResults& results) {
  state_->Sum(parameters, batch, nullptr, target, results);
}

void Engine::SumClipped(std::span<const float> parameters, const Batch& batch,
                        const Clipping& clipping, const SumTarget& target,
                        const StepResults& results) {
  AH_CHECK(state_->report.mode == Mode::kPrivateTraining);
  state_->Sum(parameters, batch, &clipping, target, results);
}

}  // namespace anchorhold::engine
