// The life of datasets and jobs, receipts, restarts, and callers on many threads.
#include "trusted/ledger/ledger.h"

#include <atomic>
#include <thread>

#include "shared/base/limits.h"
#include "trusted/ledger/test_support.h"

namespace anchorhold::ledger::test {
namespace {

wire::proto::LedgerEntry EntryOf(const wire::proto::Receipt& receipt) {
  wire::proto::LedgerEntry entry;
  EXPECT_TRUE(entry.ParseFromString(receipt.entry()));
  return entry;
}

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.Open().ok());
    for (const char* name : {"cancer-centre", "screening-clinic"}) {
      ASSERT_TRUE(world.Add({.dataset = name, .grants = {world.Grant(100)}}).ok());
    }
  }

  JobId Reserved(const std::vector<std::string>& datasets, double noise = 8) {
    const auto job = world.ledger->Reserve(world.Job(datasets, Terms(noise, 4)));
    EXPECT_TRUE(job.ok()) << (job.ok() ? "" : job.error().message());
    return job.ok() ? *job : JobId(0);
  }

  World world;
};

TEST_F(LedgerTest, RemembersDatasets) {
  const auto found = world.ledger->FindDataset("screening-clinic");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name, "screening-clinic");
  EXPECT_EQ(found->owner, world.owner.public_key());
  EXPECT_EQ(found->contract.epsilon, Epsilon(3));
  EXPECT_EQ(found->schema.feature_count(), 1u);
  EXPECT_EQ(AsText(found->schema_text), kSchema);
  EXPECT_EQ(found->object_bytes, 4096u);
  EXPECT_EQ(found->added, world.clock.now);
  ASSERT_EQ(world.ledger->Datasets().size(), 2u);
  EXPECT_EQ(world.ledger->Datasets()[0].name, "cancer-centre");
  EXPECT_EQ(world.Spent("cancer-centre"), 0);
  EXPECT_TRUE(world.ledger->CheckNameIsFree("another").ok());
}

TEST_F(LedgerTest, LifeOfAJob) {
  const JobId job = Reserved({"cancer-centre", "screening-clinic"});
  EXPECT_EQ(job.value(), 1u);
  EXPECT_EQ(world.ledger->FindJob(job)->state, JobState::kReserved);
  const double reserved = world.Spent("cancer-centre");
  EXPECT_GT(reserved, 0);

  ASSERT_TRUE(world.ledger->Charge(job).ok());
  EXPECT_TRUE(world.ledger->FindJob(job)->charged);
  EXPECT_EQ(world.Spent("cancer-centre"), reserved);

  const auto released = world.Release(job);
  ASSERT_TRUE(released.ok());
  EXPECT_EQ(released->value(), Repeated(64, 0x77));
  const auto record = world.ledger->FindJob(job);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->state, JobState::kReleased);
  EXPECT_EQ(record->output_object, world.output_object);
  EXPECT_EQ(world.Spent("cancer-centre"), reserved);
  EXPECT_EQ(world.Spent("screening-clinic"), reserved);

  const auto spending = world.ledger->SpendingOf("cancer-centre");
  ASSERT_EQ(spending->items.size(), 1u);
  EXPECT_EQ(spending->items[0].state, JobState::kReleased);
  EXPECT_EQ(spending->items[0].researcher, world.researcher.public_key());
  EXPECT_EQ(world.ledger->JobsOf(world.researcher.public_key()).size(), 1u);
  EXPECT_TRUE(world.ledger->JobsOf(world.stranger.public_key()).empty());
}

TEST_F(LedgerTest, ComposesEventsRatherThanAddingEpsilons) {
  const JobId first = Reserved({"cancer-centre"});
  const double one = world.Spent("cancer-centre");
  Reserved({"cancer-centre"});
  const double two = world.Spent("cancer-centre");
  EXPECT_GT(two, one);
  EXPECT_LT(two, 1.9 * one);
  ASSERT_TRUE(world.ledger->Charge(first).ok());
  EXPECT_DOUBLE_EQ(world.Spent("cancer-centre"), two);
  EXPECT_DOUBLE_EQ(
      two, dp::EpsilonOf(dp::PoissonSampledGaussian{SamplingProbability(1), NoiseMultiplier(8), 8},
                         Delta(1e-4))
               ->value());
}

TEST_F(LedgerTest, GivesAReservationBackButNeverACharge) {
  const JobId given_back = Reserved({"cancer-centre"});
  ASSERT_TRUE(world.ledger->End(given_back, ErrorCode::kInvalidInput).ok());
  EXPECT_EQ(world.Spent("cancer-centre"), 0);
  EXPECT_TRUE(world.ledger->SpendingOf("cancer-centre")->items.empty());

  const JobId wasted = Reserved({"cancer-centre"});
  const double spent = world.Spent("cancer-centre");
  ASSERT_TRUE(world.ledger->Charge(wasted).ok());
  ASSERT_TRUE(world.ledger->End(wasted, ErrorCode::kUnavailable).ok());
  EXPECT_EQ(world.Spent("cancer-centre"), spent);
  EXPECT_EQ(world.ledger->FindJob(wasted)->state, JobState::kEnded);
  EXPECT_EQ(world.ledger->SpendingOf("cancer-centre")->items[0].state, JobState::kCharged);
}

TEST_F(LedgerTest, ReleasesOnlyAfterACharge) {
  const JobId job = Reserved({"cancer-centre"});
  EXPECT_REFUSED(world.Release(job), ErrorCode::kInternal);
  EXPECT_REFUSED(world.Release(JobId(9)), ErrorCode::kNotFound);
  EXPECT_EQ(world.ledger->FindJob(job)->state, JobState::kReserved);
  ASSERT_TRUE(world.ledger->Charge(job).ok());
  EXPECT_REFUSED(world.ledger->Charge(job), ErrorCode::kInternal);
  ASSERT_TRUE(world.Release(job).ok());
  EXPECT_REFUSED(world.Release(job), ErrorCode::kInternal);
  EXPECT_REFUSED(world.ledger->End(job, ErrorCode::kUnavailable), ErrorCode::kInternal);
  const JobId ended = Reserved({"cancer-centre"});
  ASSERT_TRUE(world.ledger->End(ended, ErrorCode::kUnavailable).ok());
  EXPECT_REFUSED(world.ledger->Charge(ended), ErrorCode::kInternal);
  EXPECT_REFUSED(world.Release(ended), ErrorCode::kInternal);
}

TEST_F(LedgerTest, ReleasesOnlyTheFileThatTheEntryNames) {
  const JobId job = Reserved({"cancer-centre"});
  ASSERT_TRUE(world.ledger->Charge(job).ok());
  dp::Unreleased<Bytes> output(Repeated(64, 0x77));
  EXPECT_REFUSED(world.ledger->Release(job, std::move(output), crypto::Sha256(AsBytes("other")),
                                       world.output_object),
                 ErrorCode::kInternal);
  EXPECT_EQ(world.ledger->FindJob(job)->state, JobState::kCharged);
}

TEST_F(LedgerTest, SealsAnUnreleasedFileForTheVaultOnly) {
  const auto key = crypto::HpkePrivateKey::Generate();
  const dp::Unreleased<Bytes> output(Repeated(64, 0x77));
  const auto sealed = Ledger::SealFor(key.public_key(), output);
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(*wire::OpenObject(key, wire::Content::kWeights, sealed->id, sealed->bytes),
            Repeated(64, 0x77));
  EXPECT_EQ(Ledger::HashOf(output), crypto::Sha256(Repeated(64, 0x77)));
}

TEST_F(LedgerTest, ReceiptProvesTheRelease) {
  const JobId job = Reserved({"cancer-centre", "screening-clinic"});
  ASSERT_TRUE(world.ledger->Charge(job).ok());
  EXPECT_REFUSED(world.ledger->ReceiptOf(job), ErrorCode::kNotFound);
  ASSERT_TRUE(world.Release(job).ok());
  Reserved({"cancer-centre"});  // the tree grows on
  ASSERT_TRUE(world.Open().ok());

  const auto receipt = world.ledger->ReceiptOf(job);
  ASSERT_TRUE(receipt.ok());
  const auto head = receipt::VerifyTreeHead(receipt->tree_head());
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->ledger_key, world.signing_key.public_key());
  EXPECT_EQ(head->size, world.disk.log.size());
  EXPECT_EQ(head->root, world.disk.anchor->root);
  std::vector<crypto::Sha256Digest> path;
  for (const std::string& node : receipt->inclusion_path()) {
    path.push_back(*crypto::Sha256Digest::From(AsBytes(node)));
  }
  const auto entry = EntryOf(*receipt);
  EXPECT_TRUE(receipt::VerifyInclusion(receipt::LeafHash(AsBytes(receipt->entry())), entry.index(),
                                       head->size, path, head->root)
                  .ok());
  const auto& released = entry.job_released();
  EXPECT_EQ(released.job(), 1u);
  EXPECT_EQ(released.platform(), "insecure-simulated");
  EXPECT_EQ(released.measurement(), AsText(world.measurement));
  EXPECT_EQ(released.terms().steps(), 4u);
  EXPECT_EQ(released.output_sha256(), AsText(crypto::Sha256(Repeated(64, 0x77)).span()));
  ASSERT_EQ(released.charges_size(), 2);
  const auto& charge = released.charges(1);
  EXPECT_EQ(charge.name(), "screening-clinic");
  EXPECT_EQ(charge.owner(), AsText(crypto::FingerprintOf(world.owner.public_key()).span()));
  EXPECT_EQ(charge.epsilon_budget(), 3);
  EXPECT_EQ(charge.epsilon_spent(), world.Spent("screening-clinic"));
  EXPECT_EQ(charge.delta(), 1e-4);
}

TEST_F(LedgerTest, TreeHeadsAreConsistent) {
  const auto before = receipt::VerifyTreeHead(world.ledger->TreeHead());
  ASSERT_TRUE(before.ok());
  Reserved({"cancer-centre"});
  Reserved({"cancer-centre"});
  const auto after = receipt::VerifyTreeHead(world.ledger->TreeHead());
  const auto path = world.ledger->ConsistencyPath(before->size);
  ASSERT_TRUE(after.ok() && path.ok());
  EXPECT_EQ(after->size, before->size + 2);
  EXPECT_TRUE(
      receipt::VerifyConsistency(before->size, before->root, after->size, after->root, *path).ok());
  EXPECT_REFUSED(world.ledger->ConsistencyPath(0), ErrorCode::kInvalidInput);
  EXPECT_REFUSED(world.ledger->ConsistencyPath(after->size + 1), ErrorCode::kInvalidInput);
}

TEST_F(LedgerTest, RestartSettlesOpenJobs) {
  const JobId reserved = Reserved({"cancer-centre"});
  const JobId charged = Reserved({"screening-clinic"});
  ASSERT_TRUE(world.ledger->Charge(charged).ok());
  const double spent = world.Spent("screening-clinic");

  ASSERT_TRUE(world.Open().ok());
  EXPECT_EQ(world.ledger->FindJob(reserved)->state, JobState::kEnded);
  EXPECT_EQ(world.Spent("cancer-centre"), 0);
  EXPECT_EQ(world.ledger->FindJob(charged)->state, JobState::kEnded);
  EXPECT_TRUE(world.ledger->FindJob(charged)->charged);
  EXPECT_EQ(world.Spent("screening-clinic"), spent);

  // A second restart finds nothing to settle, and numbers go on where they were.
  const std::string state = Describe(*world.ledger);
  const std::size_t entries = world.disk.log.size();
  ASSERT_TRUE(world.Open().ok());
  EXPECT_EQ(Describe(*world.ledger), state);
  EXPECT_EQ(world.disk.log.size(), entries);
  EXPECT_EQ(Reserved({"cancer-centre"}).value(), 3u);
}

TEST_F(LedgerTest, TimeDoesNotGoBackward) {
  const UnixSeconds start = world.clock.now;
  world.clock.now = UnixSeconds(start.value() - 1'000'000);
  Reserved({"cancer-centre"});
  EXPECT_EQ(receipt::VerifyTreeHead(world.ledger->TreeHead())->time, start);
  ASSERT_TRUE(world.Open().ok());
  world.clock.now = UnixSeconds(start.value() + 60);
  Reserved({"cancer-centre"});
  EXPECT_EQ(receipt::VerifyTreeHead(world.ledger->TreeHead())->time, world.clock.now);
}

TEST_F(LedgerTest, ConcurrentJobsNeverReserveTheSameBudget) {
  // How many such jobs fit, one after the other.
  const auto terms = Terms(4, 1);
  dp::RdpAccountant accountant;
  int fit = -1;
  do {
    ++fit;
    ASSERT_TRUE(
        accountant.Add(dp::PoissonSampledGaussian{SamplingProbability(1), NoiseMultiplier(4), 1})
            .ok());
  } while (accountant.EpsilonAt(Delta(1e-4))->value() <= 3);
  ASSERT_GT(fit, 1);
  ASSERT_LT(fit, 40);

  std::atomic<int> reserved = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const auto job = world.ledger->Reserve(world.Job({"cancer-centre"}, terms));
        if (job.ok()) {
          ++reserved;
          if (t % 2 == 0) {
            EXPECT_TRUE(world.ledger->Charge(*job).ok());
          }
        } else {
          EXPECT_EQ(job.error().code(), ErrorCode::kBudgetExceeded);
        }
        static_cast<void>(world.ledger->TreeHead());
        EXPECT_LE(world.Spent("cancer-centre"), 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(reserved, fit);
  EXPECT_LE(world.Spent("cancer-centre"), 3);
  EXPECT_TRUE(world.Open().ok());
}

}  // namespace
}  // namespace anchorhold::ledger::test
