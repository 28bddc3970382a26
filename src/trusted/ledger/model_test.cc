// Random lives against a model that keeps plain lists and recomputes everything from them.
#include <algorithm>
#include <cmath>
#include <random>

#include "trusted/ledger/test_support.h"

namespace anchorhold::ledger::test {
namespace {

struct ModelJob {
  int researcher = 0;
  std::vector<std::size_t> datasets;
  double noise = 0;
  std::uint64_t steps = 0;
  JobState state = JobState::kReserved;
  bool charged = false;
  bool Counts() const { return charged || state == JobState::kReserved; }
};

struct ModelDataset {
  std::string name;
  double epsilon = 0;
  std::vector<double> grants;  // of each researcher; 0 for none
};

struct Model {
  std::vector<ModelDataset> datasets;
  std::vector<ModelJob> jobs;

  double Spent(std::size_t dataset, int researcher, const ModelJob* extra) const {
    dp::RdpAccountant accountant;
    bool any = false;
    const auto add = [&](const ModelJob& job) {
      if (std::find(job.datasets.begin(), job.datasets.end(), dataset) == job.datasets.end())
        return;
      if (researcher >= 0 && job.researcher != researcher) return;
      any = true;
      AH_CHECK(accountant
                   .Add(dp::PoissonSampledGaussian{SamplingProbability(1),
                                                   NoiseMultiplier(job.noise), job.steps})
                   .ok());
    };
    for (const ModelJob& job : jobs) {
      if (job.Counts()) add(job);
    }
    if (extra != nullptr) add(*extra);
    return any ? accountant.EpsilonAt(Delta(1e-4))->value() : 0;
  }

  // Whether the job may be reserved. Sums in another order differ in the last digits, so a job that
  // comes that close to a limit is left undecided.
  std::optional<bool> Allows(const ModelJob& job) const {
    bool allowed = true;
    for (const std::size_t i : job.datasets) {
      const double grant = datasets[i].grants[static_cast<std::size_t>(job.researcher)];
      if (grant == 0) return false;
      for (const auto& [spent, limit] : {std::pair(Spent(i, -1, &job), datasets[i].epsilon),
                                         std::pair(Spent(i, job.researcher, &job), grant)}) {
        if (std::abs(spent - limit) < 1e-9) return std::nullopt;
        allowed = allowed && spent <= limit;
      }
    }
    return allowed;
  }
};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    AH_CHECK(world_.Open().ok());
    for (int i = 0; i < 3; ++i) researchers_.push_back(crypto::Ed25519PrivateKey::Generate());
  }

  void Step() {
    const std::uint64_t choice = Below(20);
    if (choice == 0 && model_.datasets.size() < 4) {
      AddDataset();
    } else if (choice == 1) {
      Restart();
    } else if (choice < 10) {
      Reserve();
    } else {
      Move();
    }
    Compare();
  }

 private:
  std::uint64_t Below(std::uint64_t n) { return random_() % n; }

  void AddDataset() {
    ModelDataset dataset;
    dataset.name = "data-" + std::to_string(model_.datasets.size());
    dataset.epsilon = 1 + static_cast<double>(Below(40)) / 10;
    ContractSpec spec{.dataset = dataset.name, .epsilon = dataset.epsilon};
    for (const auto& researcher : researchers_) {
      dataset.grants.push_back(static_cast<double>(Below(4)));
      if (dataset.grants.back() == 0) continue;
      spec.grants.push_back(
          {crypto::FingerprintOf(researcher.public_key()), dataset.grants.back()});
    }
    ASSERT_TRUE(world_.Add(spec).ok());
    model_.datasets.push_back(dataset);
  }

  void Restart() {
    ASSERT_TRUE(world_.Open().ok());
    for (ModelJob& job : model_.jobs) {
      if (job.state != JobState::kReleased) job.state = JobState::kEnded;
    }
  }

  void Reserve() {
    if (model_.datasets.empty()) return;
    ModelJob job;
    job.researcher = static_cast<int>(Below(researchers_.size()));
    for (std::size_t i = 0; i < model_.datasets.size(); ++i) {
      if (Below(2) == 0) job.datasets.push_back(i);
    }
    if (job.datasets.empty()) job.datasets.push_back(0);
    job.noise = 4 + static_cast<double>(Below(8));
    job.steps = 1 + Below(4);
    std::vector<std::string> names;
    for (const std::size_t i : job.datasets) names.push_back(model_.datasets[i].name);
    JobRequest request = world_.Job(names, Terms(job.noise, job.steps));
    request.researcher = researchers_[static_cast<std::size_t>(job.researcher)].public_key();
    const auto allowed = model_.Allows(job);
    const auto reserved = world_.ledger->Reserve(request);
    if (allowed.has_value()) {
      ASSERT_EQ(reserved.ok(), *allowed);
    }
    if (!reserved.ok()) return;
    model_.jobs.push_back(job);
    ASSERT_EQ(reserved->value(), model_.jobs.size());
  }

  // A random transition of a random job, sensible or not.
  void Move() {
    if (model_.jobs.empty()) return;
    const std::size_t at = Below(model_.jobs.size());
    ModelJob& job = model_.jobs[at];
    const JobId id(at + 1);
    const bool open = job.state == JobState::kReserved || job.state == JobState::kCharged;
    switch (Below(3)) {
      case 0:
        ASSERT_EQ(world_.ledger->Charge(id).ok(), job.state == JobState::kReserved);
        if (job.state != JobState::kReserved) return;
        job.state = JobState::kCharged;
        job.charged = true;
        return;
      case 1:
        ASSERT_EQ(world_.Release(id).ok(), job.state == JobState::kCharged);
        if (job.state == JobState::kCharged) job.state = JobState::kReleased;
        return;
      default:
        ASSERT_EQ(world_.ledger->End(id, ErrorCode::kUnavailable).ok(), open);
        if (open) job.state = JobState::kEnded;
    }
  }

  void Compare() {
    for (std::size_t i = 0; i < model_.datasets.size(); ++i) {
      const auto spending = world_.ledger->SpendingOf(model_.datasets[i].name);
      ASSERT_TRUE(spending.ok());
      ASSERT_NEAR(spending->epsilon.value(), model_.Spent(i, -1, nullptr), 1e-9);
      ASSERT_LE(spending->epsilon.value(), model_.datasets[i].epsilon);
    }
    for (std::size_t at = 0; at < model_.jobs.size(); ++at) {
      const auto job = world_.ledger->FindJob(JobId(at + 1));
      ASSERT_TRUE(job.ok());
      ASSERT_EQ(job->state, model_.jobs[at].state);
      ASSERT_EQ(job->charged, model_.jobs[at].charged);
    }
  }

  std::mt19937_64 random_;
  World world_;
  std::vector<crypto::Ed25519PrivateKey> researchers_;
  Model model_;
};

TEST(Model, RandomLivesAgree) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    for (int step = 0; step < 120; ++step) {
      life.Step();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace anchorhold::ledger::test
