#include "client/core/witness.h"

#include <gtest/gtest.h>

#include "client/core/files.h"
#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

// A ledger, honest or rolled back, as its tree head replies show it.
class Ledger {
 public:
  explicit Ledger(const crypto::Ed25519PrivateKey& key) : key_(key.Clone()) {}
  void Append(const std::string& entry) { tree_.Append(receipt::LeafHash(AsBytes(entry))); }

  wire::proto::TreeHeadReply Reply(std::uint64_t old_size) const {
    const receipt::TreeHeadClaims claims{.ledger_key = key_.public_key(),
                                         .size = tree_.size(),
                                         .root = tree_.Root(),
                                         .time = UnixSeconds(1'800'000'000)};
    wire::proto::TreeHeadReply reply;
    reply.set_tree_head(receipt::SignTreeHead(claims, key_).SerializeAsString());
    if (old_size > 0 && old_size <= tree_.size()) {
      for (const auto& hash : tree_.ConsistencyPath(old_size, tree_.size())) {
        reply.add_consistency_path(CopyText(hash.span()));
      }
    }
    return reply;
  }

 private:
  crypto::Ed25519PrivateKey key_;
  receipt::MerkleTree tree_;
};

class WitnessTest : public testing::Test {
 protected:
  Result<receipt::TreeHeadClaims> Visit(const Ledger& ledger) {
    AH_ASSIGN_OR_RETURN(const auto remembered, witness_.Load());
    return witness_.Accept(remembered, ledger.Reply(remembered ? remembered->size : 0));
  }

  TestFolder folder_;
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
  Witness witness_{folder_ / "witness", key_.public_key()};
};

TEST_F(WitnessTest, FollowsALedgerThatGrows) {
  Ledger ledger(key_);
  EXPECT_FALSE(witness_.Load()->has_value());
  for (int i = 0; i < 20; ++i) {
    ledger.Append("entry " + std::to_string(i));
    const auto head = Visit(ledger);
    ASSERT_TRUE(head.ok()) << head.error().message();
    EXPECT_EQ(head->size, static_cast<std::uint64_t>(i + 1));
    ASSERT_TRUE(Visit(ledger).ok());  // the same again
  }
  EXPECT_EQ((*witness_.Load())->size, 20u);
}

TEST_F(WitnessTest, RefusesAShorterLedger) {
  Ledger before(key_);
  Ledger after(key_);
  for (int i = 0; i < 5; ++i) after.Append(std::to_string(i));
  for (int i = 0; i < 4; ++i) before.Append(std::to_string(i));
  ASSERT_TRUE(Visit(after).ok());
  const auto head = Visit(before);
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code(), ErrorCode::kRollback);
  EXPECT_NE(head.error().message().find("the enclave's ledger has been rolled back"),
            std::string::npos);
  EXPECT_EQ((*witness_.Load())->size, 5u);
}

TEST_F(WitnessTest, RefusesAnotherHistoryOfAnySize) {
  Ledger honest(key_);
  Ledger forked(key_);
  for (int i = 0; i < 5; ++i) honest.Append(std::to_string(i));
  for (int i = 0; i < 5; ++i) forked.Append("other " + std::to_string(i));
  ASSERT_TRUE(Visit(honest).ok());
  EXPECT_EQ(Visit(forked).error().code(), ErrorCode::kRollback);
  forked.Append("more");
  EXPECT_EQ(Visit(forked).error().code(), ErrorCode::kRollback);
}

TEST_F(WitnessTest, RefusesAProofThatIsMissingOrMalformed) {
  Ledger ledger(key_);
  for (int i = 0; i < 3; ++i) ledger.Append(std::to_string(i));
  ASSERT_TRUE(Visit(ledger).ok());
  for (int i = 3; i < 6; ++i) ledger.Append(std::to_string(i));
  const auto remembered = *witness_.Load();
  auto reply = ledger.Reply(3);
  reply.clear_consistency_path();
  EXPECT_EQ(witness_.Accept(remembered, reply).error().code(), ErrorCode::kRollback);
  reply.add_consistency_path("short");
  EXPECT_EQ(witness_.Accept(remembered, reply).error().code(), ErrorCode::kIntegrity);
}

TEST_F(WitnessTest, RefusesAnotherSigner) {
  Ledger ledger(crypto::Ed25519PrivateKey::Generate());
  ledger.Append("a");
  EXPECT_EQ(Visit(ledger).error().code(), ErrorCode::kIntegrity);
  wire::proto::TreeHeadReply garbage;
  garbage.set_tree_head("garbage");
  EXPECT_EQ(witness_.Accept(std::nullopt, garbage).error().code(), ErrorCode::kIntegrity);
  EXPECT_FALSE(witness_.Load()->has_value());
}

TEST_F(WitnessTest, ADamagedFileIsAnErrorAndNotAFirstMeeting) {
  Ledger ledger(key_);
  ledger.Append("a");
  ASSERT_TRUE(Visit(ledger).ok());
  const Bytes file = *ReadWholeFile(witness_.path(), 2000);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{1};
    ASSERT_TRUE(WriteWholeFile(witness_.path(), damaged, IfExists::kReplace).ok());
    EXPECT_FALSE(witness_.Load().ok()) << i;
    ASSERT_TRUE(WriteWholeFile(witness_.path(), ByteSpan(file).first(i), IfExists::kReplace).ok());
    EXPECT_FALSE(witness_.Load().ok()) << i;
  }
}

TEST_F(WitnessTest, KeepsALaterHeadThatAnotherCommandRemembered) {
  Ledger ledger(key_);
  ledger.Append("a");
  const auto old_reply = ledger.Reply(0);
  ledger.Append("b");
  ASSERT_TRUE(Visit(ledger).ok());
  ASSERT_TRUE(witness_.Accept(std::nullopt, old_reply).ok());
  EXPECT_EQ((*witness_.Load())->size, 2u);
}

}  // namespace
}  // namespace anchorhold::client
