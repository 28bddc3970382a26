// Everything that a contract, a budget or plain sense forbids, and that it is written down.
#include <cstdio>
#include <limits>

#include "shared/base/limits.h"
#include "trusted/ledger/record.h"
#include "trusted/ledger/test_support.h"

namespace anchorhold::ledger::test {
namespace {

bool Says(const Error& error, std::string_view text) {
  return error.message().find(text) != std::string::npos;
}

// The log's entries, opened with the world's key.
std::vector<wire::proto::LedgerEntry> Entries(const World& world) {
  std::vector<wire::proto::LedgerEntry> entries;
  receipt::MerkleTree tree;
  for (const Bytes& record : world.disk.log) {
    const auto bytes =
        OpenRecord(world.log_key, {.index = entries.size(), .root = tree.Root()}, record);
    AH_CHECK(bytes.ok());
    tree.Append(receipt::LeafHash(*bytes));
    AH_CHECK(entries.emplace_back().ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
  }
  return entries;
}

class RefusalTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.Open().ok()); }

  void Add(const ContractSpec& spec) {
    const auto added = world.Add(spec);
    ASSERT_TRUE(added.ok()) << added.error().message();
  }
  Error ReserveRefused(const JobRequest& request) {
    const std::string before = Describe(*world.ledger);
    const auto job = world.ledger->Reserve(request);
    EXPECT_FALSE(job.ok());
    EXPECT_EQ(Describe(*world.ledger), before);
    return job.ok() ? InternalError("was not refused") : job.error();
  }
  // The refusal is the log's last entry.
  void ExpectWrittenDown(const crypto::Ed25519PublicKey& key, const std::string& dataset,
                         ErrorCode code) {
    const auto entry = Entries(world).back();
    ASSERT_TRUE(entry.has_refused());
    EXPECT_EQ(entry.refused().key(), AsText(key.span()));
    EXPECT_EQ(entry.refused().dataset(), dataset);
    EXPECT_EQ(entry.refused().code(), static_cast<std::uint32_t>(code));
  }

  World world;
};

TEST_F(RefusalTest, ATakenName) {
  Add({});
  EXPECT_REFUSED(world.Add({}), ErrorCode::kAlreadyExists);
  EXPECT_REFUSED(world.ledger->CheckNameIsFree("cancer-centre"), ErrorCode::kAlreadyExists);
  EXPECT_REFUSED(world.ledger->CheckNameIsFree("No Name"), ErrorCode::kInvalidInput);
}

TEST_F(RefusalTest, OneObjectUnderTwoContracts) {
  Add({});
  const std::string text = world.ContractText({.dataset = "copy", .epsilon = 1000});
  const auto object = world.ledger->FindDataset("cancer-centre")->object_id;
  const auto& thief = world.stranger;
  EXPECT_REFUSED(
      world.ledger->AddDataset(thief.public_key(), AsBytes(text),
                               thief.Sign(wire::kContractSignatureContext, AsBytes(text)),
                               AsBytes(kSchema), object, 4096),
      ErrorCode::kAlreadyExists);
}

TEST_F(RefusalTest, ContractsThatDoNotHold) {
  EXPECT_REFUSED(world.Add({.expires = "2027-01-15T08:00:00Z"}), ErrorCode::kPermissionDenied);
  EXPECT_REFUSED(world.Add({.measurement = Repeated(48, 1)}), ErrorCode::kAttestationRefused);
  EXPECT_REFUSED(world.Add({.dataset = "No Name"}), ErrorCode::kInvalidInput);

  const std::string text = world.ContractText({});
  const auto signature = world.owner.Sign(wire::kContractSignatureContext, AsBytes(text));
  const auto add = [&](const crypto::Ed25519PublicKey& owner, std::string_view contract,
                       std::string_view schema, std::uint64_t bytes) {
    return world.ledger->AddDataset(owner, AsBytes(contract), signature, AsBytes(schema),
                                    wire::ObjectId(), bytes);
  };
  const auto& owner = world.owner.public_key();
  EXPECT_REFUSED(add(world.stranger.public_key(), text, kSchema, 1), ErrorCode::kIntegrity);
  EXPECT_REFUSED(add(owner, text + "\n", kSchema, 1), ErrorCode::kIntegrity);
  EXPECT_REFUSED(add(owner, text, std::string(kSchema) + "\n", 1), ErrorCode::kInvalidInput);
  EXPECT_REFUSED(add(owner, text, kSchema, 0), ErrorCode::kLimitExceeded);
  EXPECT_REFUSED(add(owner, text, kSchema, limits::kObjectBytesMax + 1), ErrorCode::kLimitExceeded);
  EXPECT_REFUSED(add(owner, std::string(limits::kContractBytesMax + 1, '#'), kSchema, 1),
                 ErrorCode::kLimitExceeded);
  EXPECT_REFUSED(add(owner, text, std::string(limits::kSchemaBytesMax + 1, '#'), 1),
                 ErrorCode::kLimitExceeded);
  EXPECT_TRUE(world.ledger->Datasets().empty());
  EXPECT_TRUE(add(owner, text, kSchema, 1).ok());
}

TEST_F(RefusalTest, DatasetsThatAreNotThere) {
  Add({.grants = {world.Grant(100)}});
  const Error error = ReserveRefused(world.Job({"cancer-centre", "nowhere"}, Terms(8, 1)));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_TRUE(Says(error, "'nowhere'"));
  EXPECT_REFUSED(world.ledger->FindDataset("nowhere"), ErrorCode::kNotFound);
  EXPECT_REFUSED(world.ledger->SpendingOf("nowhere"), ErrorCode::kNotFound);
  EXPECT_REFUSED(world.ledger->FindDataset("no\nname"), ErrorCode::kInvalidInput);
}

TEST_F(RefusalTest, ListsOfDatasets) {
  Add({.grants = {world.Grant(100)}});
  EXPECT_EQ(ReserveRefused(world.Job({}, Terms(8, 1))).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre", "cancer-centre"}, Terms(8, 1))).code(),
            ErrorCode::kInvalidInput);
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= limits::kDatasetsPerJobMax; ++i) many.push_back(std::to_string(i));
  EXPECT_EQ(ReserveRefused(world.Job(many, Terms(8, 1))).code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ReserveRefused(world.Job({"NO"}, Terms(8, 1))).code(), ErrorCode::kInvalidInput);
}

TEST_F(RefusalTest, DifferentSchemas) {
  Add({.grants = {world.Grant(100)}});
  Add({.dataset = "other",
       .schema = std::string(kSchema) + "# differs\n",
       .grants = {world.Grant(100)}});
  const Error error = ReserveRefused(world.Job({"cancer-centre", "other"}, Terms(8, 1)));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_TRUE(Says(error, "'cancer-centre'") && Says(error, "'other'"));
}

TEST_F(RefusalTest, TermsThatMakeNoSense) {
  Add({.epsilon = 1000, .grants = {world.Grant(1000)}});
  using TermsProto = wire::proto::TrainingTerms;
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<void (*)(TermsProto&, double)> fields = {
      [](TermsProto& t, double v) { t.set_epsilon(v); },
      [](TermsProto& t, double v) { t.set_delta(v); },
      [](TermsProto& t, double v) { t.set_sampling_probability(v); },
      [](TermsProto& t, double v) { t.set_noise_multiplier(v); },
      [](TermsProto& t, double v) { t.set_learning_rate(v); },
      [](TermsProto& t, double v) { t.set_max_grad_norm(v); },
  };
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (const double value : {0.0, -1.0, inf, nan}) {
      TermsProto terms = Terms(8, 1);
      fields[i](terms, value);
      EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, terms)).code(),
                ErrorCode::kInvalidInput)
          << i << " " << value;
    }
  }
  const auto refused = [&](auto change) {
    TermsProto terms = Terms(8, 1);
    change(terms);
    return ReserveRefused(world.Job({"cancer-centre"}, terms)).code();
  };
  EXPECT_EQ(refused([](TermsProto& t) { t.set_delta(1); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_sampling_probability(1.01); }),
            ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_steps(0); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_steps(limits::kStepsMax + 1); }),
            ErrorCode::kLimitExceeded);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_momentum(1); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_clipping("\xff"); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([nan](TermsProto& t) { t.set_momentum(nan); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_loss(""); }), ErrorCode::kInvalidInput);
  EXPECT_EQ(refused([](TermsProto& t) { t.set_optimizer(std::string(65, 'x')); }),
            ErrorCode::kInvalidInput);
  for (const char* text : {"\xff\xfe", "two words", "a\nb"}) {
    TermsProto terms = Terms(8, 1);
    terms.set_loss(text);
    EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, terms)).code(), ErrorCode::kInvalidInput);
  }
  // An epsilon that the noise does not give.
  EXPECT_EQ(refused([](TermsProto& t) { t.set_epsilon(t.epsilon() * 0.99); }),
            ErrorCode::kInvalidInput);
  EXPECT_EQ(Entries(world).size(), 2u);  // none of this is a contract's refusal
}

TEST_F(RefusalTest, AResearcherWithoutAGrant) {
  Add({.grants = {world.Grant(100)}});
  JobRequest request = world.Job({"cancer-centre"}, Terms(8, 1));
  request.researcher = world.stranger.public_key();
  const Error error = ReserveRefused(request);
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(Says(error, crypto::FingerprintOf(request.researcher).hex()));
  ExpectWrittenDown(request.researcher, "cancer-centre", ErrorCode::kPermissionDenied);
}

TEST_F(RefusalTest, OneDatasetOfTwoRefuses) {
  Add({.grants = {world.Grant(100)}});
  Add({.dataset = "closed"});
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre", "closed"}, Terms(8, 1))).code(),
            ErrorCode::kPermissionDenied);
  ExpectWrittenDown(world.researcher.public_key(), "closed", ErrorCode::kPermissionDenied);
  EXPECT_EQ(world.Spent("cancer-centre"), 0);
}

TEST_F(RefusalTest, AnExpiredContract) {
  Add({.expires = "2027-01-15T08:00:10Z", .grants = {world.Grant(100)}});
  const auto job = world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1)));
  ASSERT_TRUE(job.ok());
  world.clock.now = UnixSeconds(world.clock.now.value() + 10);
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, Terms(8, 1))).code(),
            ErrorCode::kPermissionDenied);
  ExpectWrittenDown(world.researcher.public_key(), "cancer-centre", ErrorCode::kPermissionDenied);
  // Nor may a job that waited begin, and turning the host's clock back changes nothing.
  world.clock.now = UnixSeconds(world.clock.now.value() - 10);
  EXPECT_REFUSED(world.ledger->Charge(*job), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(world.ledger->End(*job, ErrorCode::kPermissionDenied).ok());
  EXPECT_EQ(world.Spent("cancer-centre"), 0);
}

TEST_F(RefusalTest, AnotherEnclave) {
  Add({.grants = {world.Grant(100)}});
  world.measurement = Repeated(48, 0x55);  // the next enclave on the same ledger
  ASSERT_TRUE(world.Open().ok());
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, Terms(8, 1))).code(),
            ErrorCode::kAttestationRefused);
  ExpectWrittenDown(world.researcher.public_key(), "cancer-centre", ErrorCode::kAttestationRefused);
}

TEST_F(RefusalTest, ADeltaAboveTheContracts) {
  Add({.delta = 1e-6, .grants = {world.Grant(100)}});
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, Terms(8, 1, 1.1e-6))).code(),
            ErrorCode::kPrivacyRefused);
  ExpectWrittenDown(world.researcher.public_key(), "cancer-centre", ErrorCode::kPrivacyRefused);
  EXPECT_TRUE(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(8, 1, 1e-6))).ok());
}

TEST_F(RefusalTest, MoreThanTheContractAllows) {
  Add({.epsilon = 1.5, .grants = {world.Grant(100)}});
  ASSERT_TRUE(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(4, 1))).ok());
  const double spent = world.Spent("cancer-centre");
  ASSERT_GT(spent, 0.75);
  const Error error = ReserveRefused(world.Job({"cancer-centre"}, Terms(3, 2)));
  EXPECT_EQ(error.code(), ErrorCode::kBudgetExceeded);
  char text[64];
  std::snprintf(text, sizeof text, "the contract allows 1.50 (spent so far %.2f, left %.2f", spent,
                1.5 - spent);
  EXPECT_TRUE(Says(error, text)) << error.message();
  ExpectWrittenDown(world.researcher.public_key(), "cancer-centre", ErrorCode::kBudgetExceeded);
}

TEST_F(RefusalTest, MoreThanTheGrantAllows) {
  const GrantSpec other{crypto::FingerprintOf(world.stranger.public_key()), 100};
  Add({.epsilon = 50, .grants = {world.Grant(1.5), other}});
  ASSERT_TRUE(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(4, 1))).ok());
  const Error error = ReserveRefused(world.Job({"cancer-centre"}, Terms(3, 2)));
  EXPECT_EQ(error.code(), ErrorCode::kBudgetExceeded);
  EXPECT_TRUE(Says(error, "the grant for this key allows 1.50")) << error.message();
  // What one researcher has spent is not another's to bear, except for the contract's total.
  JobRequest request = world.Job({"cancer-centre"}, Terms(3, 2));
  request.researcher = world.stranger.public_key();
  EXPECT_TRUE(world.ledger->Reserve(request).ok());
}

TEST_F(RefusalTest, ABudgetIsUsableToItsLastDrop) {
  const double cost = Terms(4, 3, 1e-4).epsilon();
  Add({.epsilon = cost, .grants = {world.Grant(cost)}});
  EXPECT_TRUE(world.ledger->Reserve(world.Job({"cancer-centre"}, Terms(4, 3, 1e-4))).ok());
  EXPECT_EQ(world.Spent("cancer-centre"), cost);
  EXPECT_EQ(ReserveRefused(world.Job({"cancer-centre"}, Terms(1000, 1, 1e-4))).code(),
            ErrorCode::kBudgetExceeded);
}

TEST_F(RefusalTest, AMisshapenLogKey) {
  const auto opened = Ledger::Open(
      {.log = &world.log, .anchor = &world.anchor, .clock = &world.clock, .measurement = {}},
      {.log_key = crypto::SecretBytes(16), .signing_key = world.signing_key.Clone()});
  EXPECT_REFUSED(opened, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace anchorhold::ledger::test
