#include "client/core/job.h"

#include <gtest/gtest.h>

#include "client/core/test_folder.h"
#include "shared/attest/simulated.h"
#include "trusted/dp/calibrate.h"

namespace anchorhold::client {
namespace {

constexpr UnixSeconds kNow(1'900'000'000);

// A job as it was asked for, and an enclave that answers it with a valid receipt.
class CheckOutcomeTest : public testing::Test {
 protected:
  CheckOutcomeTest() {
    request_.model = CopyBytes(AsBytes("model"));
    request_.datasets = {"b", "a"};
    auto& options = request_.options;
    options.set_loss("mse");
    options.set_optimizer("sgd");
    options.set_learning_rate(0.5);
    options.set_momentum(0.25);
    options.set_epsilon(1);
    options.set_delta(1e-4);
    options.set_sampling_probability(0.25);
    options.set_steps(40);
    options.set_max_grad_norm(0.5);

    released_.set_job(3);
    released_.set_researcher_key(CopyText(researcher_.public_key().span()));
    released_.set_measurement(CopyText(measurement_));
    released_.set_platform("insecure-simulated");
    released_.set_model_sha256(CopyText(crypto::Sha256(request_.model).span()));
    const auto noise = dp::CalibrateNoise({.sampling_probability = SamplingProbability(0.25),
                                           .steps = 40,
                                           .epsilon = Epsilon(1),
                                           .delta = Delta(1e-4)});
    auto& terms = *released_.mutable_terms();
    terms.set_loss("mse");
    terms.set_optimizer("sgd");
    terms.set_learning_rate(0.5);
    terms.set_momentum(0.25);
    terms.set_max_grad_norm(0.5);
    terms.set_sampling_probability(0.25);
    terms.set_noise_multiplier(noise->value());
    terms.set_steps(40);
    terms.set_epsilon(1);
    terms.set_delta(1e-4);
    for (const char* name : {"a", "b"}) {
      auto& charge = *released_.add_charges();
      charge.set_name(name);
      charge.set_owner(std::string(32, 'w'));
      charge.set_object_id(std::string(32, 'i'));
      charge.set_contract_sha256(std::string(32, 'c'));
      charge.set_epsilon_budget(3);
      charge.set_epsilon_spent(1);
      charge.set_delta(1e-4);
    }
    released_.set_output_sha256(CopyText(crypto::Sha256(AsBytes("weights")).span()));
    released_.set_output_object(std::string(32, 'o'));
  }

  receipt::VerifiedReceipt Receipt() {
    wire::proto::LedgerEntry entry;
    entry.set_index(0);
    entry.set_unix_seconds(kNow.value());
    *entry.mutable_job_released() = released_;
    wire::proto::Receipt receipt;
    receipt.set_entry(entry.SerializeAsString());
    receipt::MerkleTree tree;
    tree.Append(receipt::LeafHash(AsBytes(receipt.entry())));
    *receipt.mutable_tree_head() =
        receipt::SignTreeHead({ledger_key_.public_key(), 1, tree.Root(), kNow}, ledger_key_);
    const attest::EnclaveKeys keys{tls_key_.public_key(), sealing_key_.public_key(),
                                   ledger_key_.public_key()};
    receipt.set_enclave_keys(CopyText(attest::SerializeKeys(keys)));
    receipt.set_evidence(
        CopyText(attest::SerializeEvidence(*attester_.Attest(attest::BindKeys(keys)))));
    const attest::AppraisalPolicy policy{{attest::Platform::kInsecureSimulated}, {measurement_}};
    auto verified = receipt::VerifyReceipt(AsBytes(receipt.SerializeAsString()), policy, kNow);
    EXPECT_TRUE(verified.ok()) << verified.error().message();
    return *std::move(verified);
  }

  Status Check(std::string_view weights = "weights") {
    return CheckOutcome(Receipt(), AsBytes(weights),
                        {.researcher = researcher_.public_key(),
                         .ledger_key = ledger_key_.public_key(),
                         .job = 3,
                         .request = &request_});
  }
  void ExpectRefused(const char* what) {
    const Status status = Check();
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().code(), ErrorCode::kIntegrity) << what;
    EXPECT_NE(status.error().message().find(what), std::string::npos) << status.error().message();
  }

  attest::Measurement measurement_ = attest::Measurement(48, std::byte{0x5a});
  attest::SimulatedAttester attester_ =
      attest::SimulatedAttester::Create(measurement_, crypto::SecretBytes(32)).value();
  crypto::Ed25519PrivateKey researcher_ = crypto::Ed25519PrivateKey::Generate();
  crypto::Ed25519PrivateKey tls_key_ = crypto::Ed25519PrivateKey::Generate();
  crypto::Ed25519PrivateKey ledger_key_ = crypto::Ed25519PrivateKey::Generate();
  crypto::HpkePrivateKey sealing_key_ = crypto::HpkePrivateKey::Generate();
  TrainingRequest request_;
  wire::proto::JobReleased released_;
};

TEST_F(CheckOutcomeTest, TakesWhatWasAskedFor) {
  const Status status = Check();
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST_F(CheckOutcomeTest, RefusesOtherWeights) {
  EXPECT_EQ(Check("weight5").error().code(), ErrorCode::kIntegrity);
}

TEST_F(CheckOutcomeTest, RefusesAnotherModel) {
  request_.model.push_back(std::byte{0});
  ExpectRefused("another model");
}

TEST_F(CheckOutcomeTest, RefusesOtherDatasets) {
  request_.datasets.push_back("c");
  ExpectRefused("other datasets");
}

TEST_F(CheckOutcomeTest, RefusesAnotherResearcherJobAndLedger) {
  const auto other = crypto::Ed25519PrivateKey::Generate().public_key();
  const auto receipt = Receipt();
  const Expected good{.researcher = researcher_.public_key(),
                      .ledger_key = ledger_key_.public_key(),
                      .job = 3,
                      .request = nullptr};
  EXPECT_TRUE(CheckOutcome(receipt, AsBytes("weights"), good).ok());
  for (int i = 0; i < 3; ++i) {
    Expected bad = good;
    if (i == 0) bad.researcher = other;
    if (i == 1) bad.ledger_key = other;
    if (i == 2) bad.job = 4;
    EXPECT_FALSE(CheckOutcome(receipt, AsBytes("weights"), bad).ok()) << i;
  }
}

TEST_F(CheckOutcomeTest, RefusesOtherOptions) {
  const auto asked = request_.options;
  request_.options.set_steps(41);
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.set_learning_rate(0.6);
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.set_loss("cross-entropy");
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.mutable_optimizer_options()->set_weight_decay(0.1);
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.mutable_schedule()->set_kind("cosine");
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.mutable_loss_options()->set_ignore_index(0);
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.add_frozen("w");
  ExpectRefused("other training options");
  request_.options = asked;
  request_.options.set_clipping("automatic");
  ExpectRefused("other training options");
  released_.mutable_terms()->set_clipping("per-layer");
  ExpectRefused("other training options");
}

TEST_F(CheckOutcomeTest, RefusesMoreEpsilonAndLessNoise) {
  request_.options.set_epsilon(0.99);
  ExpectRefused("more epsilon");
  request_.options.set_epsilon(1);
  released_.mutable_terms()->set_noise_multiplier(released_.terms().noise_multiplier() * 0.99);
  ExpectRefused("less noise");
}

TEST(OutcomeFolder, RefusesToOverwriteUnlessTold) {
  const TestFolder folder;
  OutcomeFolder out{.path = folder / "out"};
  EXPECT_TRUE(out.CheckFree().ok());
  EXPECT_FALSE(PathExists(out.path));
  ASSERT_TRUE(MakeFolder(out.path).ok());
  EXPECT_TRUE(out.CheckFree().ok());
  ASSERT_TRUE(WriteWholeFile(out.receipt_path(), AsBytes("x"), IfExists::kRefuse).ok());
  EXPECT_EQ(out.CheckFree().error().code(), ErrorCode::kAlreadyExists);
  out.if_exists = IfExists::kReplace;
  EXPECT_TRUE(out.CheckFree().ok());
}

}  // namespace
}  // namespace anchorhold::client
