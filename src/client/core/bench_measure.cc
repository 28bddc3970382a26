#include "client/core/bench_measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "client/core/bench_inputs.h"
#include "client/core/bench_work.h"
#include "shared/base/check.h"
#include "trusted/simd/peak.h"

namespace anchorhold::client {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 1;
constexpr double kWarmUpShare = 0.1;  // of the time of measuring; a step at least
constexpr int kPeakWindows = 5;
constexpr double kPeakWindowSeconds = 0.03;
constexpr std::size_t kPeakRounds = 20000;  // between two looks at the clock

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Seconds of each step, of one step at least.
std::vector<double> TimeSteps(BenchRun& run, double seconds) {
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point before = Clock::now();
    run.Step();
    times.push_back(SecondsSince(before));
  } while (SecondsSince(start) < seconds);
  return times;
}

// Linux keeps the highest resident size of a process; from here on, anew. Where it cannot be reset,
// it stays that of the whole process.
void ForgetPeakBytes() {
  std::FILE* const file = std::fopen("/proc/self/clear_refs", "w");
  if (file == nullptr) return;
  std::fputs("5", file);
  std::fclose(file);
}

// 0 where the system does not say.
std::size_t PeakBytes() {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  std::size_t kibibytes = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %zu kB", &kibibytes) == 1) break;
  }
  std::fclose(file);
  return kibibytes * 1024;
}

// One thread's operations a second.
double PeakOfThread(const simd::PeakKernels& peak) {
  const Clock::time_point start = Clock::now();
  double rounds = 0;
  float result = 0;
  double seconds = 0;
  do {
    result += peak.run(kPeakRounds, 1);
    rounds += static_cast<double>(kPeakRounds);
    seconds = SecondsSince(start);
  } while (seconds < kPeakWindowSeconds);
  AH_CHECK(result > 0);
  return rounds * static_cast<double>(peak.operations) / seconds;
}

}  // namespace

double MeasurePeakGflops(simd::Target target, std::size_t threads) {
  const simd::PeakKernels* const peak = simd::PeakKernelsFor(target);
  AH_CHECK(peak != nullptr && threads >= 1);
  double best = 0;
  for (int window = 0; window < kPeakWindows; ++window) {
    std::vector<double> rates(threads);
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < threads; ++i) {
      others.emplace_back([&rates, peak, i] { rates[i] = PeakOfThread(*peak); });
    }
    rates[0] = PeakOfThread(*peak);
    for (std::thread& other : others) other.join();
    double sum = 0;
    for (const double rate : rates) sum += rate;
    best = std::max(best, sum);
  }
  return best / 1e9;
}

Result<BenchResult> BenchModel(const graph::Model& model, const BenchOptions& options) {
  const BenchStep& step = options.step;
  const bool trains = step.mode != engine::Mode::kInference;
  train::ExampleSet examples = RandomFeatures(model, trains ? 0 : options.batch, kSeed);
  double multiply_adds = ForwardMultiplyAdds(model);
  if (trains) {
    AH_ASSIGN_OR_RETURN(examples, RandomExamples(model, step.loss, options.batch, kSeed));
    AH_ASSIGN_OR_RETURN(multiply_adds, TrainingMultiplyAdds(model, step.loss));
  }
  BenchResult result;
  const Clock::time_point start = Clock::now();
  AH_ASSIGN_OR_RETURN(BenchRun run, BenchRun::Create(model, step, examples));
  result.plan_ms = SecondsSince(start) * 1e3;
  result.plan = run.report();
  ForgetPeakBytes();
  TimeSteps(run, options.seconds * kWarmUpShare);
  result.peak_gflops = MeasurePeakGflops(simd::BestTarget(), step.threads);
  const std::vector<double> times = TimeSteps(run, options.seconds);
  result.peak_gflops =
      std::max(result.peak_gflops, MeasurePeakGflops(simd::BestTarget(), step.threads));
  result.peak_bytes = PeakBytes();
  const double median = Median(times);
  result.steps = times.size();
  result.step_ms = median * 1e3;
  result.examples_per_second = static_cast<double>(options.batch) / median;
  result.gflops = 2 * multiply_adds * result.examples_per_second / 1e9;
  return result;
}

}  // namespace anchorhold::client
