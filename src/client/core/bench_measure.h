// Timing a model on this machine, beside the machine's own arithmetic peak.
#pragma once

#include "client/core/model_bench.h"

namespace anchorhold::client {

struct BenchOptions {
  BenchStep step;
  std::size_t batch = 1;
  double seconds = 3;  // of measuring, after the warm-up
};

struct BenchResult {
  std::size_t steps = 0;           // measured
  double step_ms = 0;              // their median
  double examples_per_second = 0;  // of a median step
  double gflops = 0;           // 10^9 a second; bench_work.h's multiply-adds, two operations each
  double peak_gflops = 0;      // what the threads reach in registers alone, before and after
  std::size_t peak_bytes = 0;  // resident memory of the process at its highest while stepping
  double plan_ms = 0;          // from the imported model to the first step's beginning
  engine::PlanReport plan;
};

// Errors: those of RandomExamples and BenchRun::Create.
Result<BenchResult> BenchModel(const graph::Model& model, const BenchOptions& options);

// 10^9 operations a second that so many threads reach together with simd/peak.h's loop: the best of
// several windows of some milliseconds.
double MeasurePeakGflops(simd::Target target, std::size_t threads);

}  // namespace anchorhold::client
