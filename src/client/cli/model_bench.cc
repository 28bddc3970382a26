// model bench and model plan: how fast a model runs on this machine, and what the engine will do
// with it.
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/core/bench_measure.h"
#include "client/core/files.h"
#include "client/core/messages.h"
#include "client/core/number.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

using engine::Mode;

constexpr std::size_t kBatchMax = 1 << 20;
constexpr std::size_t kThreadsMax = 1024;
constexpr double kSecondsMax = 3600;

constexpr std::pair<const char*, Mode> kModes[] = {
    {"infer", Mode::kInference}, {"train", Mode::kTraining}, {"dp-train", Mode::kPrivateTraining}};

struct StepOptions {
  std::string model;
  std::string mode;
  std::string batch;
  std::string threads;
  LossFlags loss;
  DimOptions dims;
  std::string seconds;  // of bench

  void AddTo(CLI::App* command);
  Result<BenchOptions> Read() const;
};

void StepOptions::AddTo(CLI::App* command) {
  const auto add = [command](const char* name, std::string& value, const char* type,
                             const char* help) {
    return command->add_option(name, value, help)->type_name(type);
  };
  Required(command, "model", model, "FILE", "The model, ONNX.");
  Required(command, "--mode", mode, "MODE",
           "infer, train (the mean gradient and an SGD step) or dp-train (the same with each row's "
           "gradient clipped, and noise).");
  add("--batch", batch, "N", "Rows of a step. Default: 64.");
  add("--threads", threads, "N", "Threads. Default: one for each processor.");
  loss.AddTo(command);
  command->get_option("--loss")->required(false);
  dims.AddTo(command);
}

Result<std::size_t> ReadCount(const char* name, const std::string& text, std::size_t otherwise,
                              std::size_t most) {
  if (text.empty()) return otherwise;
  AH_ASSIGN_OR_RETURN(const std::uint64_t count, ParsePositiveCount(name, text));
  if (count > most) {
    return LimitExceeded(std::string(name) + ": at most " + std::to_string(most) + " is accepted");
  }
  return static_cast<std::size_t>(count);
}

Result<BenchOptions> StepOptions::Read() const {
  BenchOptions options;
  const auto* const found = std::find_if(std::begin(kModes), std::end(kModes),
                                         [this](const auto& known) { return mode == known.first; });
  if (found == std::end(kModes)) return InvalidInput("--mode: must be infer, train or dp-train");
  options.step.mode = found->second;
  if (options.step.mode != Mode::kInference) {
    if (loss.loss.empty()) return InvalidInput("--loss: is needed for --mode " + mode);
    AH_ASSIGN_OR_RETURN(options.step.loss, loss.Read());
  }
  const std::size_t processors = std::max(std::thread::hardware_concurrency(), 1U);
  AH_ASSIGN_OR_RETURN(options.batch, ReadCount("--batch", batch, 64, kBatchMax));
  AH_ASSIGN_OR_RETURN(options.step.threads,
                      ReadCount("--threads", threads, processors, kThreadsMax));
  if (!seconds.empty()) {
    AH_ASSIGN_OR_RETURN(options.seconds, ParsePositive("--seconds", seconds));
    if (options.seconds > kSecondsMax) return LimitExceeded("--seconds: at most an hour");
  }
  return options;
}

struct Imported {
  graph::Model model;
  double milliseconds = 0;
};

Result<Imported> Import(const StepOptions& options) {
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  const auto start = std::chrono::steady_clock::now();
  Result<graph::Model> model = graph::ImportOnnx(onnx, import);
  if (!model.ok()) return model.error().At(options.model);
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  return Imported{*std::move(model), taken.count()};
}

std::string MebibytesText(std::size_t bytes) {
  return ShortNumber(static_cast<double>(bytes) / (1 << 20)) + " MiB";
}

Json BenchJson(const StepOptions& given, const BenchOptions& options, const Imported& imported,
               const BenchResult& result) {
  return {{"examples_per_second", result.examples_per_second},
          {"step_ms", result.step_ms},
          {"gflops", result.gflops},
          {"fma_peak_share", result.gflops / result.peak_gflops},
          {"peak_bytes", result.peak_bytes},
          {"fma_peak_gflops", result.peak_gflops},
          {"mode", given.mode},
          {"batch", options.batch},
          {"threads", result.plan.threads},
          {"group", result.plan.group},
          {"target", simd::TargetName(result.plan.target)},
          {"steps", result.steps},
          {"import_ms", imported.milliseconds},
          {"plan_ms", result.plan_ms}};
}

std::string BenchText(const StepOptions& given, const BenchOptions& options,
                      const Imported& imported, const BenchResult& result) {
  const auto text = [](std::size_t count) { return std::to_string(count); };
  const engine::PlanReport& plan = result.plan;
  return FactLines(
      {{"step", given.mode + ", batch " + text(options.batch) + ", " + text(plan.threads) +
                    " threads, groups of " + text(plan.group) + ", " +
                    simd::TargetName(plan.target)},
       {"speed", ShortNumber(result.examples_per_second) + " examples/s; " +
                     ShortNumber(result.step_ms) + " ms a step, median of " + text(result.steps)},
       {"arithmetic", ShortNumber(result.gflops) + " GFLOP/s, " +
                          FixedNumber(100 * result.gflops / result.peak_gflops, 1) +
                          " % of the FMA peak of " + ShortNumber(result.peak_gflops)},
       {"memory", MebibytesText(result.peak_bytes) + " at most"},
       {"start", ShortNumber(imported.milliseconds) + " ms to import, " +
                     ShortNumber(result.plan_ms) + " ms to plan"}});
}

Status RunBench(const App& app, const StepOptions& given) {
  AH_ASSIGN_OR_RETURN(const BenchOptions options, given.Read());
  AH_ASSIGN_OR_RETURN(const Imported imported, Import(given));
  AH_ASSIGN_OR_RETURN(const BenchResult result, BenchModel(imported.model, options));
  if (app.json()) app.PrintJson(BenchJson(given, options, imported, result));
  app.Print(BenchText(given, options, imported, result));
  return Ok();
}

const char* NameOf(Mode mode) {
  return std::find_if(std::begin(kModes), std::end(kModes),
                      [mode](const auto& known) { return known.second == mode; })
      ->first;
}

// One of the two costs, or null where the parameter has no such norm.
Json CostJson(double cost) { return cost > 0 ? Json(cost) : Json(nullptr); }

Json PlanJson(const BenchOptions& options, const engine::PlanReport& plan) {
  Json parameters = Json::array();
  for (const engine::ParameterPlan& parameter : plan.parameters) {
    parameters.push_back({{"name", parameter.name},
                          {"kind", parameter.kind},
                          {"method", engine::MethodName(parameter.method)},
                          {"positions", parameter.positions},
                          {"rows", parameter.rows},
                          {"columns", parameter.columns},
                          {"numbers", parameter.numbers},
                          {"ghost_cost", CostJson(parameter.ghost_cost)},
                          {"instantiate_cost", CostJson(parameter.instantiate_cost)}});
  }
  return {{"mode", NameOf(plan.mode)},
          {"batch", options.batch},
          {"threads", plan.threads},
          {"group", plan.group},
          {"target", simd::TargetName(plan.target)},
          {"steps_forward", plan.steps_forward},
          {"steps_backward", plan.steps_backward},
          {"steps_naive", plan.steps_naive},
          {"steps_minimal", plan.steps_minimal},
          {"arena_bytes", plan.arena_bytes},
          {"scratch_bytes", plan.scratch_bytes},
          {"shared_bytes", plan.shared_bytes},
          {"peak_bytes", plan.peak_bytes},
          {"multiply_adds", plan.multiply_adds},
          {"parameters", parameters}};
}

std::string CostText(double cost) { return cost > 0 ? ShortNumber(cost) : "-"; }

std::string PlanText(const BenchOptions& options, const engine::PlanReport& plan) {
  const auto text = [](std::size_t count) { return std::to_string(count); };
  std::string out = FactLines(
      {{"step", std::string(NameOf(plan.mode)) + ", batch " + text(options.batch) + ", " +
                    text(plan.threads) + " threads, groups of " + text(plan.group) + ", " +
                    simd::TargetName(plan.target)},
       {"program", text(plan.steps_forward) + " steps forward, " + text(plan.steps_backward) +
                       " backward; " + text(plan.steps_naive) + " by the reference kernels, " +
                       text(plan.steps_minimal) + " by minimal filtering"},
       {"arithmetic", ShortNumber(plan.multiply_adds) + " multiply-adds an example"},
       {"a thread's memory", MebibytesText(plan.arena_bytes) + " of values, " +
                                 MebibytesText(plan.scratch_bytes) + " of scratch"},
       {"shared memory", MebibytesText(plan.shared_bytes)},
       {"peak", MebibytesText(plan.peak_bytes) + ", parameters included, the rows not"}});
  if (plan.parameters.empty()) return out;
  TextTable table({"PARAMETER", "KIND", "T", "P", "D", "METHOD", "GHOST", "INSTANTIATE"});
  for (const engine::ParameterPlan& parameter : plan.parameters) {
    table.AddRow({OneLine(parameter.name), parameter.kind, text(parameter.positions),
                  text(parameter.rows), text(parameter.columns),
                  std::string(engine::MethodName(parameter.method)), CostText(parameter.ghost_cost),
                  CostText(parameter.instantiate_cost)});
  }
  return out + "\n" + table.Text();
}

Status RunPlan(const App& app, const StepOptions& given) {
  AH_ASSIGN_OR_RETURN(const BenchOptions options, given.Read());
  AH_ASSIGN_OR_RETURN(const Imported imported, Import(given));
  AH_ASSIGN_OR_RETURN(const engine::PlanReport plan,
                      PlanModel(imported.model, options.step, options.batch));
  if (app.json()) app.PrintJson(PlanJson(options, plan));
  app.Print(PlanText(options, plan));
  return Ok();
}

}  // namespace

void AddPlanCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<StepOptions>();
  CLI::App* const plan = app.AddCommand(
      model, "plan",
      "Show what the engine will do with a model: groups, memory, and how each parameter's "
      "gradient is taken. T, P, D: positions, rows and columns of the product that it is a sum of; "
      "costs are multiply-adds an example beyond those of the gradient itself.",
      "anchorhold model plan resnet.onnx --mode dp-train --batch 64 --threads 2\n"
      "    --loss cross-entropy",
      [&app, options] { return RunPlan(app, *options); });
  options->AddTo(plan);
  app.AddJsonOption(plan);
}

void AddBenchCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<StepOptions>();
  CLI::App* const bench = app.AddCommand(
      model, "bench",
      "Time a model on made-up rows, on this machine: random numbers, ids that fit the model's "
      "tables, random labels. A step of dp-train clips to norm 1 and adds noise of multiplier 1.",
      "anchorhold model bench resnet.onnx --mode dp-train --batch 64 --threads 2\n"
      "    --loss cross-entropy",
      [&app, options] { return RunBench(app, *options); });
  options->AddTo(bench);
  bench
      ->add_option("--seconds", options->seconds,
                   "How long to measure, after a warm-up; one step at least. Default: 3.")
      ->type_name("S");
  app.AddJsonOption(bench);
}

}  // namespace anchorhold::client
