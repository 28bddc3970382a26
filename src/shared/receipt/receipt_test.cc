#include "shared/receipt/receipt.h"

#include <gtest/gtest.h>

#include "shared/attest/simulated.h"
#include "shared/base/limits.h"

namespace anchorhold::receipt {
namespace {

using wire::proto::LedgerEntry;
using wire::proto::Receipt;

constexpr UnixSeconds kNow{1'900'000'000};

// A ledger of eleven entries whose entry 6 is a release, and the receipt for it.
class ReceiptTest : public testing::Test {
 protected:
  ReceiptTest() : receipt_(MakeReceipt(Release())) {}

  // Every field is set: one that the strict reading did not know would refuse the valid receipt.
  LedgerEntry Release() const {
    LedgerEntry entry;
    entry.set_index(6);
    entry.set_unix_seconds(kNow.value() - 60);
    wire::proto::JobReleased& released = *entry.mutable_job_released();
    released.set_job(3);
    released.set_researcher_key(std::string(32, 'r'));
    released.set_measurement(CopyText(measurement_));
    released.set_platform("insecure-simulated");
    released.set_model_sha256(std::string(32, 'm'));
    wire::proto::TrainingTerms& terms = *released.mutable_terms();
    terms.set_loss("binary_cross_entropy");
    terms.set_optimizer("sgd");
    terms.set_learning_rate(0.5);
    terms.set_momentum(0.9);
    terms.set_max_grad_norm(1.0);
    terms.set_sampling_probability(0.25);
    terms.set_noise_multiplier(4.0);
    terms.set_steps(60);
    terms.set_epsilon(1.0);
    terms.set_delta(1e-4);
    terms.mutable_optimizer_options()->set_weight_decay(0.01);
    terms.mutable_optimizer_options()->set_nesterov(true);
    terms.mutable_schedule()->set_kind("cosine");
    terms.mutable_schedule()->set_warmup(5);
    terms.mutable_loss_options()->add_class_weights(0.5);
    terms.mutable_loss_options()->set_ignore_index(-100);
    terms.add_frozen("body.*");
    terms.set_clipping("automatic");
    for (const char* name : {"cancer-centre", "screening-clinic"}) {
      wire::proto::DatasetCharge& charge = *released.add_charges();
      charge.set_name(name);
      charge.set_owner(std::string(32, 'w'));
      charge.set_object_id(std::string(32, 'i'));
      charge.set_contract_sha256(std::string(32, 'c'));
      charge.set_epsilon_budget(3.0);
      charge.set_epsilon_spent(1.25);
      charge.set_delta(1e-4);
    }
    released.set_output_sha256(std::string(32, 'o'));
    released.set_output_object(std::string(32, 'b'));
    return entry;
  }

  Receipt MakeReceipt(const LedgerEntry& entry) { return MakeReceiptOf(entry.SerializeAsString()); }
  Receipt MakeReceiptOf(const std::string& entry) {
    MerkleTree tree;
    for (int i = 0; i < 11; ++i) {
      tree.Append(i == 6 ? LeafHash(AsBytes(entry)) : LeafHash(AsBytes(std::to_string(i))));
    }
    Receipt receipt;
    receipt.set_entry(entry);
    for (const auto& hash : tree.InclusionPath(6, 11)) {
      receipt.add_inclusion_path(CopyText(hash.span()));
    }
    *receipt.mutable_tree_head() =
        SignTreeHead({ledger_key_.public_key(), 11, tree.Root(), kNow}, ledger_key_);
    const attest::EnclaveKeys keys = Keys();
    receipt.set_enclave_keys(CopyText(attest::SerializeKeys(keys)));
    receipt.set_evidence(CopyText(EvidenceFor(keys)));
    return receipt;
  }

  attest::EnclaveKeys Keys() const {
    return {tls_key_.public_key(), sealing_key_.public_key(), ledger_key_.public_key()};
  }
  Bytes EvidenceFor(const attest::EnclaveKeys& keys) {
    return attest::SerializeEvidence(attester_.Attest(attest::BindKeys(keys)).value());
  }

  Result<VerifiedReceipt> Verify(const Receipt& receipt) const {
    return VerifyReceipt(AsBytes(receipt.SerializeAsString()), policy_, kNow);
  }
  ErrorCode CodeOf(const Receipt& receipt) const {
    const Result<VerifiedReceipt> verified = Verify(receipt);
    EXPECT_FALSE(verified.ok());
    return verified.ok() ? ErrorCode::kInternal : verified.error().code();
  }

  attest::Measurement measurement_ = attest::Measurement(48, std::byte{0x5a});
  attest::SimulatedAttester attester_ =
      attest::SimulatedAttester::Create(measurement_, crypto::SecretBytes(32)).value();
  attest::AppraisalPolicy policy_{{attest::Platform::kInsecureSimulated}, {measurement_}};
  crypto::Ed25519PrivateKey tls_key_ = crypto::Ed25519PrivateKey::Generate();
  crypto::Ed25519PrivateKey ledger_key_ = crypto::Ed25519PrivateKey::Generate();
  crypto::HpkePrivateKey sealing_key_ = crypto::HpkePrivateKey::Generate();
  Receipt receipt_;
};

TEST_F(ReceiptTest, ValidReceiptPasses) {
  const Result<VerifiedReceipt> verified = Verify(receipt_);
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->entry.job_released().charges(0).epsilon_spent(), 1.25);
  EXPECT_EQ(verified->tree_head.size, 11u);
  EXPECT_EQ(verified->tree_head.ledger_key, ledger_key_.public_key());
  EXPECT_EQ(verified->tree_head.time, kNow);
  EXPECT_EQ(verified->attestation.measurement(), measurement_);
  EXPECT_EQ(verified->attestation.appraised_at(), kNow);
}

// Every byte is covered by a signature, a hash or the strict reading, so no change is accepted.
TEST_F(ReceiptTest, RefusesEveryChangedByteAndTruncation) {
  const std::string good = receipt_.SerializeAsString();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      ASSERT_FALSE(VerifyReceipt(AsBytes(bad), policy_, kNow).ok()) << "byte " << i;
    }
    ASSERT_FALSE(VerifyReceipt(AsBytes(good.substr(0, i)), policy_, kNow).ok()) << i;
  }
}

TEST_F(ReceiptTest, RefusesOtherSpellingsOfTheSameReceipt) {
  const std::string good = receipt_.SerializeAsString();
  EXPECT_FALSE(VerifyReceipt(AsBytes(good + '\x78' + '\x01'), policy_, kNow).ok());  // field 15
  EXPECT_FALSE(VerifyReceipt(AsBytes(good + good), policy_, kNow).ok());
  // The first field again, ahead of itself: protobuf takes the last.
  Receipt entry_only;
  entry_only.set_entry("x");
  EXPECT_FALSE(VerifyReceipt(AsBytes(entry_only.SerializeAsString() + good), policy_, kNow).ok());
  // Unknown fields at the end of the entry and of its last part, with everything signed again.
  const std::string unknown = "\x78\x01";
  EXPECT_EQ(CodeOf(MakeReceiptOf(Release().SerializeAsString() + unknown)),
            ErrorCode::kInvalidInput);
  LedgerEntry nested = Release();
  wire::proto::JobReleased inner;
  ASSERT_TRUE(inner.ParseFromString(nested.job_released().SerializeAsString() + unknown));
  *nested.mutable_job_released() = inner;
  EXPECT_EQ(CodeOf(MakeReceipt(nested)), ErrorCode::kInvalidInput);
}

TEST_F(ReceiptTest, RefusesEvidenceThatThePolicyOrTheKeysDoNotMatch) {
  attest::AppraisalPolicy other = policy_;
  other.measurements = {attest::Measurement(48, std::byte{1})};
  const std::string bytes = receipt_.SerializeAsString();
  EXPECT_EQ(VerifyReceipt(AsBytes(bytes), other, kNow).error().code(),
            ErrorCode::kAttestationRefused);
  EXPECT_EQ(VerifyReceipt(AsBytes(bytes), {}, kNow).error().code(), ErrorCode::kAttestationRefused);
  attest::EnclaveKeys keys = Keys();
  keys.tls_key.value[0] ^= std::byte{1};
  receipt_.set_enclave_keys(CopyText(attest::SerializeKeys(keys)));
  EXPECT_EQ(CodeOf(receipt_), ErrorCode::kAttestationRefused);
}

TEST_F(ReceiptTest, RefusesATreeHeadOfAnotherLedger) {
  const crypto::Ed25519PrivateKey forger = crypto::Ed25519PrivateKey::Generate();
  TreeHeadClaims claims = VerifyTreeHead(receipt_.tree_head()).value();
  claims.ledger_key = forger.public_key();
  *receipt_.mutable_tree_head() = SignTreeHead(claims, forger);
  EXPECT_EQ(CodeOf(receipt_), ErrorCode::kIntegrity);
}

TEST_F(ReceiptTest, RefusesAWrongPlaceInTheTree) {
  LedgerEntry entry = Release();
  entry.set_index(5);
  EXPECT_EQ(CodeOf(MakeReceipt(entry)), ErrorCode::kIntegrity);
  Receipt shortened = receipt_;
  shortened.mutable_inclusion_path()->RemoveLast();
  EXPECT_EQ(CodeOf(shortened), ErrorCode::kIntegrity);
  Receipt odd = receipt_;
  odd.mutable_inclusion_path(0)->pop_back();
  EXPECT_EQ(CodeOf(odd), ErrorCode::kInvalidInput);
  Receipt long_path = receipt_;
  for (int i = 0; i < 64; ++i) long_path.add_inclusion_path(std::string(32, 'x'));
  EXPECT_EQ(CodeOf(long_path), ErrorCode::kLimitExceeded);
}

TEST_F(ReceiptTest, RefusesEntriesThatAreNoReleaseOfThisEnclave) {
  LedgerEntry entry = Release();
  entry.mutable_job_released()->set_measurement(std::string(48, 'm'));
  EXPECT_EQ(CodeOf(MakeReceipt(entry)), ErrorCode::kIntegrity);
  entry = Release();
  entry.mutable_job_released()->set_platform("sev-snp");
  EXPECT_EQ(CodeOf(MakeReceipt(entry)), ErrorCode::kIntegrity);
  entry = Release();
  entry.mutable_job_charged()->set_job(3);
  EXPECT_EQ(CodeOf(MakeReceipt(entry)), ErrorCode::kIntegrity);
}

TEST_F(ReceiptTest, RefusesOversizedAndEmptyInput) {
  const std::string large(limits::kReceiptBytesMax + 1, 'x');
  EXPECT_EQ(VerifyReceipt(AsBytes(large), policy_, kNow).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_FALSE(VerifyReceipt({}, policy_, kNow).ok());
}

TEST(TreeHead, VerifiesWhatWasSignedAndNothingElse) {
  const crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::Generate();
  const auto head = SignTreeHead({key.public_key(), 9, crypto::Sha256({}), kNow}, key);
  ASSERT_TRUE(VerifyTreeHead(head).ok());
  EXPECT_EQ(VerifyTreeHead(head)->size, 9u);
  auto changed = head;
  for (std::size_t i = 0; i < head.tree_head().size(); ++i) {
    changed = head;
    (*changed.mutable_tree_head())[i] ^= 1;
    EXPECT_FALSE(VerifyTreeHead(changed).ok()) << i;
  }
  for (std::size_t i = 0; i < head.signature().size(); ++i) {
    changed = head;
    (*changed.mutable_signature())[i] ^= 1;
    EXPECT_EQ(VerifyTreeHead(changed).error().code(), ErrorCode::kIntegrity) << i;
  }
  // The same bytes signed for another purpose.
  changed = head;
  changed.set_signature(
      CopyText(key.Sign("anchorhold contract v1", AsBytes(head.tree_head())).span()));
  EXPECT_EQ(VerifyTreeHead(changed).error().code(), ErrorCode::kIntegrity);
  EXPECT_FALSE(VerifyTreeHead({}).ok());
}

}  // namespace
}  // namespace anchorhold::receipt
