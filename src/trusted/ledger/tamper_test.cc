// A host that edits, drops, swaps and replays records. Nothing it does may be mistaken for the log.
#include "shared/receipt/merkle.h"
#include "trusted/ledger/record.h"
#include "trusted/ledger/test_support.h"

namespace anchorhold::ledger::test {
namespace {

using wire::proto::LedgerEntry;

// A ledger with one entry of every kind.
class TamperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Fill(world);
    honest = world.disk;
  }

  static void Fill(World& world) {
    AH_CHECK(world.Open().ok());
    AH_CHECK(world.Add({.grants = {world.Grant(100)}}).ok());
    const auto job = world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1)));
    AH_CHECK(job.ok() && world.ledger->Charge(*job).ok() && world.Release(*job).ok());
    const auto given_back = world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1)));
    AH_CHECK(given_back.ok() && world.ledger->End(*given_back, ErrorCode::kUnavailable).ok());
    AH_CHECK(!world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(0.5, 9))).ok());
    AH_CHECK(world.disk.log.size() == 8);
  }

  void ExpectRefused(ErrorCode code) {
    const Disk before = world.disk;
    EXPECT_REFUSED(world.Open(), code);
    EXPECT_EQ(world.disk.log, before.log);  // an attempt changes nothing
    EXPECT_EQ(world.disk.anchor.has_value(), before.anchor.has_value());
  }

  // Adds an entry as only a holder of the log key could.
  void Forge(LedgerEntry entry) {
    receipt::MerkleTree tree;
    std::uint64_t index = 0;
    for (const Bytes& record : world.disk.log) {
      const auto bytes = OpenRecord(world.log_key, {.index = index++, .root = tree.Root()}, record);
      AH_CHECK(bytes.ok());
      tree.Append(receipt::LeafHash(*bytes));
    }
    const std::string bytes = entry.SerializeAsString();
    world.disk.log.push_back(
        *SealRecord(world.log_key, {.index = index, .root = tree.Root()}, AsBytes(bytes)));
  }
  LedgerEntry Next() const {
    LedgerEntry entry;
    entry.set_index(world.disk.log.size());
    entry.set_unix_seconds(world.clock.now.value());
    return entry;
  }

  World world;
  Disk honest;
};

TEST_F(TamperTest, EveryFlippedByte) {
  for (std::size_t i = 0; i < honest.log.size(); ++i) {
    for (std::size_t at = 0; at < honest.log[i].size(); ++at) {
      world.disk = honest;
      world.disk.log[i][at] ^= static_cast<std::byte>(1 << (at % 8));
      const Status opened = world.Open();
      ASSERT_FALSE(opened.ok()) << i << " " << at;
      ASSERT_EQ(opened.error().code(), ErrorCode::kIntegrity) << i << " " << at;
    }
  }
}

TEST_F(TamperTest, TruncatedRecords) {
  for (std::size_t i = 0; i < honest.log.size(); ++i) {
    for (std::size_t size : {std::size_t{0}, std::size_t{20}, honest.log[i].size() - 1}) {
      world.disk = honest;
      world.disk.log[i].resize(size);
      ExpectRefused(ErrorCode::kIntegrity);
    }
  }
}

TEST_F(TamperTest, DroppedRecords) {
  for (std::size_t count = 0; count < honest.log.size(); ++count) {
    world.disk = honest;
    world.disk.log.resize(count);  // an older state of the log
    ExpectRefused(ErrorCode::kRollback);
  }
  for (std::size_t i = 0; i + 1 < honest.log.size(); ++i) {
    world.disk = honest;
    world.disk.log.erase(world.disk.log.begin() + static_cast<std::ptrdiff_t>(i));
    ExpectRefused(ErrorCode::kIntegrity);
  }
}

TEST_F(TamperTest, SwappedAndRepeatedRecords) {
  for (std::size_t i = 0; i + 1 < honest.log.size(); ++i) {
    world.disk = honest;
    std::swap(world.disk.log[i], world.disk.log[i + 1]);
    ExpectRefused(ErrorCode::kIntegrity);
    world.disk = honest;
    world.disk.log[i + 1] = world.disk.log[i];
    ExpectRefused(ErrorCode::kIntegrity);
  }
  world.disk = honest;
  world.disk.log.push_back(honest.log.back());
  ExpectRefused(ErrorCode::kIntegrity);
}

TEST_F(TamperTest, RecordsOfAnotherLedger) {
  World other;  // the same log key, another signing key
  Fill(other);
  for (std::size_t i = 0; i < honest.log.size(); ++i) {
    world.disk = honest;
    world.disk.log[i] = other.disk.log[i];
    ExpectRefused(ErrorCode::kIntegrity);
  }
  world.disk = other.disk;  // all of it, with its anchor
  ExpectRefused(ErrorCode::kIntegrity);
}

TEST_F(TamperTest, TheWrongKey) {
  world.log_key = crypto::SecretBytes::CopyOf(Repeated(32, 0x4c));
  ExpectRefused(ErrorCode::kIntegrity);
}

TEST_F(TamperTest, ALostOrForeignAnchor) {
  world.disk.anchor.reset();
  ExpectRefused(ErrorCode::kRollback);
  world.disk = honest;
  world.disk.anchor->size += 1;
  ExpectRefused(ErrorCode::kRollback);
  world.disk = honest;
  world.disk.anchor->root.value[5] ^= std::byte{1};
  ExpectRefused(ErrorCode::kRollback);
}

TEST_F(TamperTest, AnotherEndOfTheLog) {
  // Two continuations of one log: the anchor remembers the first, the host shows the second.
  Disk fork = honest;
  ASSERT_FALSE(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(0.5, 9))).ok());
  const auto anchor = world.disk.anchor;
  world.disk = fork;
  ASSERT_TRUE(world.Open().ok());
  ASSERT_TRUE(world.Add({.dataset = "other"}).ok());
  ASSERT_EQ(world.disk.log.size(), anchor->size);
  world.disk.anchor = anchor;
  ExpectRefused(ErrorCode::kRollback);
}

TEST_F(TamperTest, ALogAheadOfItsAnchorIsACrashAndCounts) {
  const std::string state = Describe(*world.ledger);
  world.disk.anchor = Anchor::Point{.size = 0, .root = crypto::Sha256({})};
  ASSERT_TRUE(world.Open().ok());
  EXPECT_EQ(Describe(*world.ledger), state);
  EXPECT_EQ(world.disk.anchor->size, honest.anchor->size);
  EXPECT_EQ(world.disk.anchor->root, honest.anchor->root);
}

TEST_F(TamperTest, ForgedEntriesThatDoNotFollow) {
  const std::vector<void (*)(LedgerEntry&)> forgeries = {
      [](LedgerEntry& e) { e.set_index(e.index() + 1); },
      [](LedgerEntry& e) { e.set_unix_seconds(e.unix_seconds() - 1); },
      [](LedgerEntry& e) { e.clear_kind(); },
      [](LedgerEntry& e) { e.mutable_opened()->set_ledger_key(std::string(32, 'k')); },
      [](LedgerEntry& e) { e.mutable_dataset_added()->set_name("other"); },
      [](LedgerEntry& e) { e.mutable_job_charged()->set_job(1); },   // released already
      [](LedgerEntry& e) { e.mutable_job_charged()->set_job(9); },   // not there
      [](LedgerEntry& e) { e.mutable_job_released()->set_job(2); },  // never charged
      [](LedgerEntry& e) { e.mutable_job_ended()->set_job(1); },
      [](LedgerEntry& e) { e.mutable_job_reserved()->set_job(2); },  // used already
      [](LedgerEntry& e) { e.mutable_job_reserved()->set_job(3); },  // without anything else
      [](LedgerEntry& e) { e.mutable_refused()->set_key("short"); },
  };
  for (std::size_t i = 0; i < forgeries.size(); ++i) {
    world.disk = honest;
    LedgerEntry entry = Next();
    entry.mutable_refused()->set_key(std::string(32, 'k'));
    forgeries[i](entry);
    Forge(entry);
    const Status opened = world.Open();
    ASSERT_FALSE(opened.ok()) << i;
    EXPECT_EQ(opened.error().code(), ErrorCode::kIntegrity) << i << opened.error().message();
  }
  world.disk = honest;
  LedgerEntry entry = Next();
  entry.mutable_refused()->set_key(std::string(32, 'k'));
  Forge(entry);
  EXPECT_TRUE(world.Open().ok());
}

TEST_F(TamperTest, AChargedJobCannotEndUncharged) {
  const auto job = world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1)));
  ASSERT_TRUE(job.ok() && world.ledger->Charge(*job).ok());
  LedgerEntry entry = Next();
  entry.mutable_job_ended()->set_job(job->value());
  entry.mutable_job_ended()->set_charged(false);
  Forge(entry);
  ExpectRefused(ErrorCode::kIntegrity);
}

TEST_F(TamperTest, BytesThatAreNoEntry) {
  receipt::MerkleTree tree;
  const auto record =
      SealRecord(world.log_key, {.index = 0, .root = tree.Root()}, AsBytes("\xff\xff no message"));
  world.disk.log = {*record};
  world.disk.anchor = Anchor::Point{.size = 0, .root = tree.Root()};
  ExpectRefused(ErrorCode::kIntegrity);
}

}  // namespace
}  // namespace anchorhold::ledger::test
