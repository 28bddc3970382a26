// A host that fails or loses power at any of its writes, before or after the write took effect: no
// acknowledged entry is lost, no budget is refunded, and the next start is in a state that the
// acknowledged answers allow.
#include <algorithm>
#include <set>

#include "trusted/ledger/test_support.h"

namespace anchorhold::ledger::test {
namespace {

const char* const kNames[] = {"cancer-centre", "screening-clinic"};

// What callers were told.
struct Acknowledged {
  std::set<std::string> datasets;
  std::set<std::uint64_t> charged;
  std::set<std::uint64_t> given_back;
  std::set<std::uint64_t> released;
  std::uint64_t jobs = 0;
  std::vector<wire::proto::SignedTreeHead> heads;
};

// Several jobs in every way they can go. Goes on after failures, as the enclave does.
void LiveOn(World& world, Acknowledged& told) {
  if (!world.Open().ok()) return;
  for (const char* name : kNames) {
    if (world.Add({.dataset = name, .epsilon = 50, .grants = {world.Grant(50)}}).ok()) {
      told.datasets.insert(name);
    }
  }
  for (int i = 0; i < 4; ++i) {
    const auto job = world.ledger->Reserve(world.Job({kNames[i % 2]}, Terms(4 + i, 1)));
    told.heads.push_back(world.ledger->TreeHead());
    if (!job.ok()) continue;
    told.jobs = std::max(told.jobs, job->value());
    if (i == 3) {
      if (world.ledger->End(*job, ErrorCode::kInvalidInput).ok()) {
        told.given_back.insert(job->value());
      }
      continue;
    }
    if (world.ledger->Charge(*job).ok()) told.charged.insert(job->value());
    if (i == 2) continue;  // in the middle of its work when the power goes
    if (world.Release(*job).ok()) told.released.insert(job->value());
  }
  told.heads.push_back(world.ledger->TreeHead());
}

// The composition of the jobs on `dataset` that the ledger calls charged.
double Composed(const World& world, const std::string& dataset) {
  dp::RdpAccountant accountant;
  bool any = false;
  for (const JobRecord& job : world.ledger->JobsOf(world.researcher.public_key())) {
    if (!job.charged || job.request.datasets[0] != dataset) continue;
    any = true;
    EXPECT_TRUE(
        accountant
            .Add(dp::PoissonSampledGaussian{
                SamplingProbability(1), NoiseMultiplier(job.request.terms.noise_multiplier()), 1})
            .ok());
  }
  return any ? accountant.EpsilonAt(Delta(1e-4))->value() : 0;
}

void ExpectHonoured(World& world, const Acknowledged& told) {
  for (const std::string& name : told.datasets) {
    EXPECT_TRUE(world.ledger->FindDataset(name).ok()) << name;
  }
  for (std::uint64_t id = 1; id <= told.jobs; ++id) {
    const auto job = world.ledger->FindJob(JobId(id));
    ASSERT_TRUE(job.ok()) << id;
    EXPECT_TRUE(job->state == JobState::kReleased || job->state == JobState::kEnded) << id;
    if (told.charged.count(id) != 0) {
      EXPECT_TRUE(job->charged) << id;
    }
    if (told.given_back.count(id) != 0) {
      EXPECT_FALSE(job->charged) << id;
    }
    if (told.released.count(id) == 0) continue;
    EXPECT_EQ(job->state, JobState::kReleased) << id;
    EXPECT_TRUE(world.ledger->ReceiptOf(JobId(id)).ok()) << id;
  }
  for (const char* name : kNames) {
    if (!world.ledger->FindDataset(name).ok()) continue;
    EXPECT_NEAR(world.Spent(name), Composed(world, name), 1e-9) << name;
  }
  // Whoever kept a tree head sees that the log only grew.
  const auto now = receipt::VerifyTreeHead(world.ledger->TreeHead());
  ASSERT_TRUE(now.ok());
  for (const auto& head : told.heads) {
    const auto then = receipt::VerifyTreeHead(head);
    ASSERT_TRUE(then.ok());
    const auto path = world.ledger->ConsistencyPath(then->size);
    ASSERT_TRUE(path.ok());
    EXPECT_TRUE(
        receipt::VerifyConsistency(then->size, then->root, now->size, now->root, *path).ok());
  }
}

std::uint64_t WritesOfACleanRun() {
  World world;
  Acknowledged told;
  LiveOn(world, told);
  EXPECT_EQ(told.released.size(), 2u);
  EXPECT_EQ(told.charged.size(), 3u);
  EXPECT_EQ(told.given_back.size(), 1u);
  return world.disk.writes;
}

TEST(Crash, AtEveryWriteInEveryWay) {
  const std::uint64_t writes = WritesOfACleanRun();
  ASSERT_GT(writes, 25u);
  for (const Fault fault :
       {Fault::kFailsBefore, Fault::kFailsAfter, Fault::kPowerOffBefore, Fault::kPowerOffAfter}) {
    for (std::uint64_t at = 0; at < writes; ++at) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at write " +
                   std::to_string(at));
      World world;
      world.disk.fault_at = at;
      world.disk.fault = fault;
      Acknowledged told;
      LiveOn(world, told);
      world.disk.fault_at.reset();
      world.disk.off = false;
      const Status opened = world.Open();
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      ExpectHonoured(world, told);
      const std::string state = Describe(*world.ledger);
      ASSERT_TRUE(world.Open().ok());
      EXPECT_EQ(Describe(*world.ledger), state);
    }
  }
}

TEST(Crash, DuringTheRestartAfterACrash) {
  // Open itself writes: it settles the jobs that were left open.
  const auto crashed = [](World& world) {
    ASSERT_TRUE(world.Open().ok());
    ASSERT_TRUE(world.Add({.epsilon = 50, .grants = {world.Grant(50)}}).ok());
    for (int i = 0; i < 3; ++i) {
      const auto job = world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(4 + i, 1)));
      ASSERT_TRUE(job.ok());
      if (i != 1) {
        ASSERT_TRUE(world.ledger->Charge(*job).ok());
      }
    }
  };
  for (const Fault fault : {Fault::kPowerOffBefore, Fault::kPowerOffAfter}) {
    for (std::uint64_t at = 0; at < 6; ++at) {
      World world;
      crashed(world);
      const double spent_at_least = Composed(world, "cancer-centre");
      world.disk.fault_at = world.disk.writes + at;
      world.disk.fault = fault;
      EXPECT_REFUSED(world.Open(), ErrorCode::kUnavailable);
      world.disk.off = false;
      ASSERT_TRUE(world.Open().ok());
      EXPECT_DOUBLE_EQ(world.Spent("cancer-centre"), spent_at_least);
      EXPECT_EQ(world.ledger->FindJob(JobId(2))->state, JobState::kEnded);
      EXPECT_FALSE(world.ledger->FindJob(JobId(2))->charged);
    }
  }
}

class FailureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.Open().ok());
    ASSERT_TRUE(world.Add({.grants = {world.Grant(100)}}).ok());
    job = *world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1)));
  }
  void FailNext(Fault fault, std::uint64_t ahead = 0) {
    world.disk.fault_at = world.disk.writes + ahead;
    world.disk.fault = fault;
  }

  World world;
  JobId job;
};

TEST_F(FailureTest, AFullDiskChangesNothingAndPasses) {
  const std::string state = Describe(*world.ledger);
  FailNext(Fault::kFailsBefore);
  EXPECT_REFUSED(world.ledger->Charge(job), ErrorCode::kUnavailable);
  EXPECT_EQ(Describe(*world.ledger), state);
  EXPECT_TRUE(world.ledger->Charge(job).ok());
  FailNext(Fault::kFailsBefore);
  EXPECT_REFUSED(world.Release(job), ErrorCode::kUnavailable);  // and the value is gone
  EXPECT_EQ(world.ledger->FindJob(job)->state, JobState::kCharged);
  EXPECT_TRUE(world.ledger->End(job, ErrorCode::kUnavailable).ok());
  EXPECT_TRUE(world.Open().ok());
}

// The append (or the anchor after it) took effect although it failed; or the host cannot say.
class DoubtTest : public FailureTest, public ::testing::WithParamInterface<int> {};

TEST_P(DoubtTest, ClosesTheLedgerUntilItRestarts) {
  const std::string state = Describe(*world.ledger);
  if (GetParam() == 0) FailNext(Fault::kFailsAfter);
  if (GetParam() == 1) FailNext(Fault::kFailsBefore, 1);
  if (GetParam() == 2) FailNext(Fault::kFailsAfter, 1);
  if (GetParam() == 3) FailNext(Fault::kFailsBefore);
  world.disk.reads_fail = GetParam() == 3;
  EXPECT_REFUSED(world.Add({.dataset = "new"}), ErrorCode::kUnavailable);
  world.disk.reads_fail = false;
  EXPECT_EQ(Describe(*world.ledger), state);
  const std::size_t records = world.disk.log.size();
  EXPECT_REFUSED(world.ledger->Charge(job), ErrorCode::kUnavailable);
  EXPECT_REFUSED(world.Add({.dataset = "another"}), ErrorCode::kUnavailable);
  EXPECT_EQ(world.disk.log.size(), records);
  // Questions are still answered; the restart finds out what is on disk.
  EXPECT_TRUE(receipt::VerifyTreeHead(world.ledger->TreeHead()).ok());
  ASSERT_TRUE(world.Open().ok());
  EXPECT_EQ(world.ledger->FindDataset("new").ok(), GetParam() != 3);
  EXPECT_TRUE(world.Add({.dataset = "another"}).ok());
}

INSTANTIATE_TEST_SUITE_P(Ways, DoubtTest, ::testing::Range(0, 4));

TEST_F(FailureTest, ARefusalStandsEvenIfItCannotBeWrittenDown) {
  FailNext(Fault::kFailsBefore);
  EXPECT_REFUSED(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(0.5, 9))),
                 ErrorCode::kBudgetExceeded);
}

}  // namespace
}  // namespace anchorhold::ledger::test
