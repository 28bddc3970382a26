// The two real processes, host and enclave, spoken to over the attested channel: what the protocol
// promises, refusals that leave no trace, and what survives a kill.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "shared/base/limits.h"
#include "shared/channel/client.h"
#include "shared/crypto/hash.h"
#include "shared/receipt/receipt.h"
#include "shared/wire/contract.h"
#include "shared/wire/safetensors.h"
#include "shared/wire/sealed_object.h"
#include "shared/wire/session.pb.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "untrusted/host/test_support.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;

constexpr int kTimeoutSeconds = 60;
constexpr std::size_t kRows = 40;

const std::string kBin = std::string(ANCHORHOLD_BINARY_DIR) + "/bin/";

// A host that serves `state` until the object dies; killed, not asked.
class HostProcess {
 public:
  explicit HostProcess(const std::filesystem::path& state) {
    std::array<int, 2> ready{};
    AH_CHECK(::pipe(ready.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ready[1], 9);
      const std::string enclave = kBin + "anchorhold-enclave";
      const std::string host = kBin + "anchorhold-host";
      ::execl(host.c_str(), host.c_str(), "--state", state.c_str(), "--listen", "127.0.0.1:0",
              "--enclave", enclave.c_str(), "--platform", "insecure-simulated", "--ready-fd", "9",
              nullptr);
      ::_exit(127);
    }
    ::close(ready[1]);
    std::string line;
    for (char c = 0; ::read(ready[0], &c, 1) == 1 && c != '\n';) line.push_back(c);
    ::close(ready[0]);
    info_ = nlohmann::json::parse(line, nullptr, false);
  }
  ~HostProcess() {
    if (pid_ > 0) Kill();
  }
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  bool ready() const { return info_.is_object() && info_.contains("address"); }
  const nlohmann::json& info() const { return info_; }
  pid_t enclave_pid() const { return info_["enclave_pid"]; }

  void Kill() {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  // The status that waitpid gives.
  int Stop(int signal) {
    ::kill(pid_, signal);
    return Wait();
  }
  int Wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  nlohmann::json info_;
};

std::string Schema() {
  return R"(version = 1
[[column]]
name = "a"
role = "feature"
min = 0.0
max = 1.0
out_of_range = "clamp"
[[column]]
name = "b"
role = "feature"
min = 0.0
max = 1.0
out_of_range = "clamp"
[[column]]
name = "class"
role = "label"
classes = ["no", "yes"]
)";
}

// `sealed_for` is the metadata that binds the rows to an owner and a contract.
Bytes Plaintext(const std::string& sealed_for, float scale = 1.0F) {
  std::vector<float> features;
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < kRows; ++i) {
    const bool yes = i % 2 == 0;
    features.push_back(scale * (yes ? 0.8F : -0.8F));
    features.push_back(static_cast<float>(i) / kRows);
    labels.push_back(yes ? 1 : 0);
  }
  wire::Safetensors file;
  file.metadata[std::string(wire::kSealedForMetadataKey)] = sealed_for;
  const auto rows = static_cast<std::int64_t>(kRows);
  file.tensors.push_back({.name = "features",
                          .type = wire::TensorType::kF32,
                          .shape = {rows, 2},
                          .data = std::as_bytes(std::span<const float>(features))});
  file.tensors.push_back({.name = "labels",
                          .type = wire::TensorType::kI64,
                          .shape = {rows},
                          .data = std::as_bytes(std::span<const std::int64_t>(labels))});
  return wire::WriteSafetensors(file);
}

class DeploymentTest : public ::testing::Test {
 protected:
  void Start() {
    host_.reset();
    host_ = std::make_unique<HostProcess>(folder_.path() / "state");
    ASSERT_TRUE(host_->ready()) << host_->info().dump();
    policy_ = {.platforms = {attest::Platform::kInsecureSimulated},
               .measurements = {FromHex(std::string(host_->info()["measurement"])).value()}};
  }

  // Why a host does not start; what the enclave gave as its reason is part of it.
  std::string StartError() const {
    const HostProcess host(folder_.path() / "state");
    if (host.ready()) return "it started";
    return host.info().value("error", "it said nothing");
  }

  Result<channel::ClientChannel> Connect(const crypto::Ed25519PrivateKey& key) const {
    AH_ASSIGN_OR_RETURN(const channel::ServerAddress address,
                        channel::ParseAddress(std::string(host_->info()["address"])));
    return channel::ClientChannel::Connect(address, key, policy_, clock_);
  }

  static proto::Response Receive(channel::ClientChannel& channel) {
    const auto bytes = channel.Receive(kTimeoutSeconds);
    proto::Response response;
    if (!bytes.ok() || !response.ParseFromString(CopyText(*bytes))) {
      response.mutable_error()->set_message("the connection ended");
    }
    return response;
  }
  static proto::Response Ask(channel::ClientChannel& channel, const proto::Request& request) {
    EXPECT_TRUE(channel.Send(AsBytes(request.SerializeAsString())).ok());
    return Receive(channel);
  }

  std::string Contract(const std::string& name, double epsilon = 2.0) const {
    const std::string measurement = host_->info()["measurement"];
    return "version = 1\ndataset = \"" + name + "\"\nschema_sha256 = \"" +
           crypto::Sha256(AsBytes(Schema())).hex() + "\"\npublic_rows = " + std::to_string(kRows) +
           "\nexpires = \"2099-01-01T00:00:00Z\"\n[privacy]\nunit = \"row\"\nepsilon = " +
           std::to_string(epsilon) +
           "\ndelta = 1e-4\n[enclave]\nplatforms = [\"insecure-simulated\"]\nmeasurements = [\"" +
           measurement + "\"]\n[[grant]]\nresearcher = \"" +
           crypto::FingerprintOf(researcher_.public_key()).hex() +
           "\"\npurposes = [\"train\"]\nepsilon = " + std::to_string(epsilon) + "\n";
  }

  proto::Request Begin(const std::string& contract, std::uint64_t object_bytes) const {
    proto::Request request;
    proto::PutBegin* begin = request.mutable_put_begin();
    begin->set_contract(contract);
    *begin->mutable_contract_signature() =
        CopyText(owner_.Sign(wire::kContractSignatureContext, AsBytes(contract)).span());
    begin->set_schema(Schema());
    begin->set_object_bytes(object_bytes);
    return request;
  }

  std::string SealedFor(const std::string& name) const {
    return wire::SealedForValue(owner_.public_key(), AsBytes(Contract(name)));
  }

  proto::Response Put(channel::ClientChannel& channel, const std::string& name) {
    return Put(channel, name, Plaintext(SealedFor(name)));
  }
  proto::Response Put(channel::ClientChannel& channel, const std::string& name,
                      const Bytes& plaintext) {
    const wire::SealedObject object =
        wire::SealObject(channel.enclave_keys().sealing_key, wire::Content::kDataset, plaintext)
            .value();
    proto::Response response = Ask(channel, Begin(Contract(name), object.bytes.size()));
    if (!response.has_put_accepted()) return response;
    proto::Request chunk;
    *chunk.mutable_put_chunk()->mutable_data() = CopyText(object.bytes);
    response = Ask(channel, chunk);
    if (!response.has_put_accepted()) return response;
    proto::Request commit;
    *commit.mutable_put_commit()->mutable_object_id() = CopyText(object.id.span());
    return Ask(channel, commit);
  }

  static proto::Request Train(const std::vector<std::string>& datasets, double epsilon = 1.0,
                              std::uint64_t steps = 20) {
    graph::testing::OnnxBuilder model({2});
    model.Weight("w", {2, 1}, {0, 0}).Weight("b", {1}, {0});
    model.Node("Gemm", {"x", "w", "b"}, {"y"}).Output("y");
    proto::Request request;
    proto::Train* train = request.mutable_train();
    *train->mutable_model() = CopyText(model.Write());
    for (const std::string& dataset : datasets) train->add_datasets(dataset);
    proto::TrainingOptions* options = train->mutable_options();
    options->set_loss("binary-cross-entropy");
    options->set_optimizer("sgd");
    options->set_learning_rate(0.5);
    options->set_epsilon(epsilon);
    options->set_delta(1e-4);
    options->set_sampling_probability(0.25);
    options->set_steps(steps);
    options->set_max_grad_norm(1);
    return request;
  }

  // Past all progress.
  static proto::Response Finish(channel::ClientChannel& channel, proto::Response response) {
    while (response.has_progress()) response = Receive(channel);
    return response;
  }

  proto::DatasetView Show(const std::string& name) {
    auto channel = Connect(owner_);
    EXPECT_TRUE(channel.ok());
    proto::Request request;
    request.mutable_show_dataset()->set_name(name);
    return Ask(*channel, request).dataset();
  }

  host::testing::ScratchFolder folder_;
  SystemClock clock_;
  attest::AppraisalPolicy policy_;
  std::unique_ptr<HostProcess> host_;
  const crypto::Ed25519PrivateKey owner_ = crypto::Ed25519PrivateKey::Generate();
  const crypto::Ed25519PrivateKey researcher_ = crypto::Ed25519PrivateKey::Generate();
};

TEST_F(DeploymentTest, ADatasetIsPutTrainedOnAndReceiptedFor) {
  Start();
  auto owner = Connect(owner_);
  ASSERT_TRUE(owner.ok()) << owner.error().message();
  const proto::Response stored = Put(*owner, "clinic");
  ASSERT_TRUE(stored.has_put_stored()) << stored.error().message();
  auto researcher = Connect(researcher_);
  ASSERT_TRUE(researcher.ok());
  const proto::Response first = Ask(*researcher, Train({"clinic"}));
  ASSERT_TRUE(first.has_progress()) << first.error().message();
  const proto::Response last = Finish(*researcher, first);
  ASSERT_TRUE(last.has_result()) << last.error().message();

  const auto receipt =
      receipt::VerifyReceipt(AsBytes(last.result().receipt()), policy_, clock_.Now());
  ASSERT_TRUE(receipt.ok()) << receipt.error().message();
  EXPECT_EQ(receipt->entry.job_released().output_sha256(),
            CopyText(crypto::Sha256(AsBytes(last.result().weights())).span()));
  const auto weights = wire::ParseSafetensors(AsBytes(last.result().weights()));
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(weights->tensors.size(), 2U);

  const proto::DatasetView view = Show("clinic");
  EXPECT_GT(view.epsilon_spent(), 0.9);
  EXPECT_LE(view.epsilon_spent(), 1.0);
  ASSERT_EQ(view.events_size(), 1);
  EXPECT_EQ(view.events(0).state(), "released");

  // The result can be fetched again, by its researcher alone, and also after a restart.
  Start();
  proto::Request watch;
  watch.mutable_watch()->set_job(last.result().job());
  auto again = Connect(researcher_);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(Ask(*again, watch).result().weights(), last.result().weights());
  auto other = Connect(owner_);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(Ask(*other, watch).error().code(), static_cast<unsigned>(ErrorCode::kNotFound));
}

// Optimizer, schedule, loss and frozen parameters reach the trainer and the receipt, and only what
// was trained is released.
TEST_F(DeploymentTest, OptionsOfTrainingAreReceiptedFor) {
  Start();
  auto owner = Connect(owner_);
  ASSERT_TRUE(owner.ok()) << owner.error().message();
  ASSERT_TRUE(Put(*owner, "clinic").has_put_stored());
  auto researcher = Connect(researcher_);
  ASSERT_TRUE(researcher.ok());
  proto::Request request = Train({"clinic"});
  proto::TrainingOptions& options = *request.mutable_train()->mutable_options();
  options.set_optimizer("rmsprop");
  options.mutable_optimizer_options()->set_alpha(0.9);
  options.mutable_optimizer_options()->set_epsilon(1e-6);
  options.mutable_schedule()->set_kind("cosine");
  options.mutable_schedule()->set_warmup(5);
  options.mutable_loss_options()->add_positive_weights(2);
  options.add_frozen("w*");
  options.set_clipping("per-layer");
  const auto refused = [&](const auto& change) {
    proto::Request bad = request;
    change(*bad.mutable_train()->mutable_options());
    return Ask(*researcher, bad).error().message();
  };
  EXPECT_NE(refused([](auto& o) { o.add_frozen("head.*"); }).find("matches no parameter"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.add_frozen("b"); }).find("all parameters"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.set_optimizer("adam"); }).find("alpha"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.set_clipping("none"); }).find("unknown clipping"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.mutable_schedule()->set_warmup(20); }).find("warmup"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.mutable_loss_options()->add_positive_weights(1);
            }).find("positive labels"),
            std::string::npos);

  const proto::Response last = Finish(*researcher, Ask(*researcher, request));
  ASSERT_TRUE(last.has_result()) << last.error().message();
  const auto receipt =
      receipt::VerifyReceipt(AsBytes(last.result().receipt()), policy_, clock_.Now());
  ASSERT_TRUE(receipt.ok()) << receipt.error().message();
  const proto::TrainingTerms& terms = receipt->entry.job_released().terms();
  EXPECT_EQ(terms.optimizer(), "rmsprop");
  EXPECT_EQ(terms.optimizer_options().SerializeAsString(),
            options.optimizer_options().SerializeAsString());
  EXPECT_EQ(terms.schedule().SerializeAsString(), options.schedule().SerializeAsString());
  EXPECT_EQ(terms.loss_options().SerializeAsString(), options.loss_options().SerializeAsString());
  ASSERT_EQ(terms.frozen_size(), 1);
  EXPECT_EQ(terms.frozen(0), "w*");
  EXPECT_EQ(terms.clipping(), "per-layer");
  const auto weights = wire::ParseSafetensors(AsBytes(last.result().weights()));
  ASSERT_TRUE(weights.ok());
  ASSERT_EQ(weights->tensors.size(), 1U);
  EXPECT_EQ(weights->tensors[0].name, "b");
}

// As many threads as the machine has cores: they were made before the lock.
TEST_F(DeploymentTest, JobsWorkOnTheMachinesCores) {
  Start();
  std::ifstream file(folder_.path() / "state" / "enclave.log");
  const std::string log{std::istreambuf_iterator<char>(file), {}};
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
  const std::size_t threads = std::min(cores, limits::kEnclaveThreadsMax);
  EXPECT_NE(log.find("threads=" + std::to_string(threads)), std::string::npos) << log;
}

TEST_F(DeploymentTest, RefusalsLeaveNoTrace) {
  Start();
  auto owner = Connect(owner_);
  ASSERT_TRUE(owner.ok());
  ASSERT_TRUE(Put(*owner, "clinic").has_put_stored());
  const auto code = [](const proto::Response& response) {
    return static_cast<ErrorCode>(response.error().code());
  };
  EXPECT_EQ(code(Put(*owner, "clinic")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code(Put(*owner, "beyond", Plaintext(SealedFor("beyond"), 2.0F))),
            ErrorCode::kInvalidInput);
  // Rows that were sealed for another contract: ciphertext that the host held back, say.
  EXPECT_EQ(code(Put(*owner, "captured", Plaintext(SealedFor("clinic")))), ErrorCode::kIntegrity);
  EXPECT_EQ(code(Ask(*owner, Begin(Contract("UPPER"), 1000))), ErrorCode::kInvalidInput);
  EXPECT_EQ(code(Ask(*owner, Begin(Contract("big"), limits::kObjectBytesMax))),
            ErrorCode::kLimitExceeded);
  proto::Request forged = Begin(Contract("forged"), 1000);
  forged.mutable_put_begin()->mutable_contract_signature()->at(5) ^= 1;
  EXPECT_EQ(code(Ask(*owner, forged)), ErrorCode::kIntegrity);
  proto::Request chunk;
  chunk.mutable_put_chunk()->set_data("x");
  EXPECT_EQ(code(Ask(*owner, chunk)), ErrorCode::kInvalidInput);
  EXPECT_EQ(code(Ask(*owner, proto::Request())), ErrorCode::kUnsupported);

  EXPECT_EQ(code(Ask(*owner, Train({"clinic"}))), ErrorCode::kPermissionDenied);
  auto researcher = Connect(researcher_);
  ASSERT_TRUE(researcher.ok());
  EXPECT_EQ(code(Ask(*researcher, Train({"clinic"}, 5.0))), ErrorCode::kBudgetExceeded);
  EXPECT_EQ(code(Ask(*researcher, Train({"nowhere"}))), ErrorCode::kNotFound);
  EXPECT_EQ(code(Ask(*researcher, Train({}))), ErrorCode::kInvalidInput);
  EXPECT_EQ(code(Ask(*researcher, Train({"clinic", "clinic"}))), ErrorCode::kInvalidInput);
  for (const double epsilon : {0.0, -1.0, 1.0 / 0.0, 0.0 / 0.0}) {
    EXPECT_EQ(code(Ask(*researcher, Train({"clinic"}, epsilon))), ErrorCode::kInvalidInput);
  }
  EXPECT_NE(code(Ask(*researcher, Train({"clinic"}, 1, 0))), ErrorCode{});
  proto::Request wide_delta = Train({"clinic"});
  wide_delta.mutable_train()->mutable_options()->set_delta(1.0 / kRows);
  EXPECT_EQ(code(Ask(*researcher, wide_delta)), ErrorCode::kPrivacyRefused);
  proto::Request no_model = Train({"clinic"});
  no_model.mutable_train()->set_model("no onnx");
  EXPECT_EQ(code(Ask(*researcher, no_model)), ErrorCode::kInvalidInput);

  EXPECT_EQ(Show("clinic").events_size(), 0);
  EXPECT_EQ(Show("clinic").epsilon_spent(), 0);
  proto::Request list;
  list.mutable_list_datasets();
  EXPECT_EQ(Ask(*owner, list).datasets().datasets_size(), 1);
}

TEST_F(DeploymentTest, NothingIsSaidWithoutConsentToTheSimulation) {
  Start();
  policy_.platforms.clear();
  const auto channel = Connect(owner_);
  ASSERT_FALSE(channel.ok());
  EXPECT_EQ(channel.error().code(), ErrorCode::kAttestationRefused);
}

// The enclave is killed while a job runs: what it charged stays charged, what was stored is there.
TEST_F(DeploymentTest, AKillRefundsNothingAndLosesNothing) {
  Start();
  {
    auto owner = Connect(owner_);
    ASSERT_TRUE(owner.ok());
    ASSERT_TRUE(Put(*owner, "clinic").has_put_stored());
    auto researcher = Connect(researcher_);
    ASSERT_TRUE(researcher.ok());
    proto::Response response = Ask(*researcher, Train({"clinic"}, 1.5, 2'000'000));
    while (response.has_progress() && response.progress().steps_done() == 0) {
      response = Receive(*researcher);
    }
    ASSERT_TRUE(response.has_progress()) << response.error().message();
  }
  ::kill(host_->enclave_pid(), SIGKILL);
  const int status = host_->Wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  Start();
  const proto::DatasetView view = Show("clinic");
  EXPECT_GT(view.epsilon_spent(), 1.4);
  ASSERT_EQ(view.events_size(), 1);
  EXPECT_EQ(view.events(0).state(), "charged");
}

TEST_F(DeploymentTest, TheEnclaveEndsWithItsHostAndStopsWhenAsked) {
  Start();
  const pid_t orphan = host_->enclave_pid();
  host_->Kill();
  for (int i = 0; i < 500 && ::kill(orphan, 0) == 0; ++i) ::usleep(10'000);
  EXPECT_NE(::kill(orphan, 0), 0);
  Start();
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "state" / "host.json"));
  const int status = host_->Stop(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "state" / "host.json"));
}

TEST_F(DeploymentTest, TwoHostsDoNotShareAState) {
  Start();
  const HostProcess second(folder_.path() / "state");
  EXPECT_FALSE(second.ready());
  EXPECT_TRUE(second.info().contains("error"));
}

// A ledger older than its anchor, or one with a flipped byte, is refused at the start.
TEST_F(DeploymentTest, AStateThatWasTamperedWithDoesNotStart) {
  Start();
  {
    auto owner = Connect(owner_);
    ASSERT_TRUE(owner.ok());
    ASSERT_TRUE(Put(*owner, "clinic").has_put_stored());
  }
  host_->Stop(SIGTERM);
  host_.reset();
  const std::filesystem::path log = folder_.path() / "state" / "ledger.log";
  const auto size = std::filesystem::file_size(log);
  const std::filesystem::path copy = folder_.path() / "copy";
  std::filesystem::copy_file(log, copy);
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size - 3));
    file.put('\x55');
    file.seekp(static_cast<std::streamoff>(size - 2));
    file.put('\x55');
  }
  EXPECT_NE(StartError().find("enclave ended why="), std::string::npos);
  std::filesystem::copy_file(copy, log, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(log, size - 3);  // the host drops the torn record: a rollback
  EXPECT_NE(StartError().find("enclave ended why="), std::string::npos);
  std::filesystem::copy_file(copy, log, std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(HostProcess(folder_.path() / "state").ready());
}

}  // namespace
}  // namespace anchorhold::enclave
