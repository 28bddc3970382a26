// The accountant against values that others computed: testdata/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "trusted/dp/calibrate.h"
#include "trusted/dp/rdp.h"

namespace anchorhold::dp {
namespace {

struct Reference {
  std::string name;
  std::string accountant;
  std::vector<PoissonSampledGaussian> phases;
  double delta = 0;
  double epsilon = 0;
  double tolerance = 0;
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

// The columns before `source` hold no quoted commas.
std::vector<Reference> ReadReferences() {
  std::ifstream file(ANCHORHOLD_SOURCE_DIR "/src/trusted/dp/testdata/epsilon-reference.csv");
  std::vector<Reference> references;
  std::string line;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = Split(line, ',');
    if (line[0] == '#' || cells[0] == "case") continue;
    Reference reference{cells[0],         cells[1],         {},
                        Number(cells[6]), Number(cells[7]), Number(cells[8])};
    const std::vector<std::string> q = Split(cells[3], '|');
    const std::vector<std::string> sigma = Split(cells[4], '|');
    const std::vector<std::string> steps = Split(cells[5], '|');
    for (std::size_t i = 0; i < q.size(); ++i) {
      reference.phases.push_back({SamplingProbability(Number(q[i])),
                                  NoiseMultiplier(Number(sigma[i])),
                                  std::strtoull(steps[i].c_str(), nullptr, 10)});
    }
    references.push_back(std::move(reference));
  }
  return references;
}

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

double OurEpsilon(const Reference& reference) {
  RdpAccountant accountant;
  for (const auto& phase : reference.phases) EXPECT_TRUE(accountant.Add(phase).ok());
  const Result<Epsilon> epsilon = accountant.EpsilonAt(Delta(reference.delta));
  EXPECT_TRUE(epsilon.ok());
  return epsilon->value();
}

TEST(RdpReference, TheFileIsComplete) {
  const std::vector<Reference> references = ReadReferences();
  const auto count = [&](const char* prefix) {
    return std::count_if(references.begin(), references.end(),
                         [&](const Reference& r) { return StartsWith(r.name, prefix); });
  };
  EXPECT_EQ(references.size(), 82U);
  EXPECT_GE(count("ref_"), 24);
  EXPECT_GE(count("calib_"), 9);
}

TEST(RdpReference, EpsilonIsNeverBelowTheExactValue) {
  for (const Reference& reference : ReadReferences()) {
    if (!StartsWith(reference.name, "ref_") && !StartsWith(reference.name, "pld_")) continue;
    const double ours = OurEpsilon(reference);
    EXPECT_GE(ours, reference.epsilon - reference.tolerance) << reference.name;
    EXPECT_EQ(ours == 0, reference.epsilon == 0) << reference.name;
    EXPECT_EQ(std::isinf(ours), std::isinf(reference.epsilon)) << reference.name;
    if (!(reference.epsilon > 0 && reference.epsilon < 1e300)) continue;
    std::printf("%-24s exact %-12.7g ours %-12.7g (%+.1f %%)\n", reference.name.c_str(),
                reference.epsilon, ours, 100 * (ours / reference.epsilon - 1));
  }
}

TEST(RdpReference, EpsilonIsNeverAboveOtherRdpAccountants) {
  int compared = 0;
  for (const Reference& reference : ReadReferences()) {
    if (!StartsWith(reference.accountant, "RDP:opacus_orders") &&
        !StartsWith(reference.accountant, "RDP:dp_accounting_orders")) {
      continue;
    }
    ++compared;
    const double ours = OurEpsilon(reference);
    const double slack = std::max(1e-6 * reference.epsilon, reference.tolerance);
    EXPECT_LE(ours, reference.epsilon + slack) << reference.name;
    std::printf("%-34s theirs %-12.7g ours %-12.7g (%+.4f %%)\n", reference.name.c_str(),
                reference.epsilon, ours, 100 * (ours / reference.epsilon - 1));
  }
  EXPECT_GE(compared, 24);
}

TEST(RdpReference, CurvesAgree) {
  int compared = 0;
  for (const Reference& reference : ReadReferences()) {
    if (!StartsWith(reference.accountant, "RDP_CURVE(alpha=")) continue;
    ++compared;
    const double order =
        Number(reference.accountant.substr(std::string("RDP_CURVE(alpha=").size()));
    const PoissonSampledGaussian& phase = reference.phases.at(0);
    const double ours =
        SampledGaussianRdp(phase.sampling_probability, phase.noise_multiplier, order) *
        static_cast<double>(phase.steps);
    EXPECT_NEAR(ours, reference.epsilon, reference.tolerance) << reference.name;
  }
  EXPECT_GE(compared, 18);
}

TEST(RdpReference, CalibrationIsNeverBelowTheExactNoise) {
  for (const Reference& reference : ReadReferences()) {
    if (!StartsWith(reference.name, "calib_")) continue;
    const PoissonSampledGaussian& phase = reference.phases.at(0);
    const Result<NoiseMultiplier> noise =
        CalibrateNoise({.sampling_probability = phase.sampling_probability,
                        .steps = phase.steps,
                        .epsilon = Epsilon(reference.epsilon),
                        .delta = Delta(reference.delta)});
    ASSERT_TRUE(noise.ok()) << reference.name;
    const double exact = phase.noise_multiplier.value();
    std::printf("%-28s exact %-12.7g ours %-12.7g (%+.2f %%)\n", reference.name.c_str(), exact,
                noise->value(), 100 * (noise->value() / exact - 1));
    if (StartsWith(reference.accountant, "RDP:opacus")) {
      // Its bisection stops up to 0.01 of epsilon early, on the safe side.
      EXPECT_NEAR(noise->value(), exact, 0.002) << reference.name;
    } else {
      EXPECT_GE(noise->value(), exact - reference.tolerance) << reference.name;
    }
  }
}

}  // namespace
}  // namespace anchorhold::dp
