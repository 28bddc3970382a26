// What the ledger's tests share: a host in memory that fails and loses power when told to, people
// with keys, contracts and jobs.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trusted/dp/rdp.h"
#include "trusted/ledger/ledger.h"

namespace anchorhold::ledger::test {

class FakeClock final : public Clock {
 public:
  UnixSeconds Now() const override { return now; }
  UnixSeconds now{1'800'000'000};  // 2027-01-15T08:00:00Z
};

// What goes wrong at which of the host's writes (appends and advances, counted from 0).
enum class Fault {
  kFailsBefore,     // this write has no effect and says so; the next one works again
  kFailsAfter,      // this write has its effect, but says that it has not
  kPowerOffBefore,  // neither this write nor anything after it happens
  kPowerOffAfter,   // this write happens, its answer and everything after it is lost
};

// The host's disk: outlives ledgers, and is what an attacker edits.
struct Disk {
  std::vector<Bytes> log;
  std::optional<Anchor::Point> anchor;

  std::optional<std::uint64_t> fault_at;
  Fault fault = Fault::kFailsBefore;
  std::uint64_t writes = 0;
  bool off = false;
  bool reads_fail = false;

  // Runs one write with its fault.
  template <typename F>
  Status Write(F write) {
    if (off) return Unavailable("the host is off");
    if (writes++ != fault_at) {
      write();
      return Ok();
    }
    if (fault == Fault::kFailsAfter || fault == Fault::kPowerOffAfter) write();
    off = fault == Fault::kPowerOffBefore || fault == Fault::kPowerOffAfter;
    return Unavailable("the disk is full");
  }
};

class MemoryLog final : public LogStore {
 public:
  explicit MemoryLog(Disk& disk) : disk_(&disk) {}
  // Overwrites: the ledger must not lean on a host that would refuse.
  Status Append(std::uint64_t index, ByteSpan record) override {
    return disk_->Write([&] {
      disk_->log.resize(static_cast<std::size_t>(index));
      disk_->log.push_back(CopyBytes(record));
    });
  }
  Result<std::optional<Bytes>> Read(std::uint64_t index) override {
    if (disk_->off || disk_->reads_fail) return Unavailable("the host is off");
    if (index >= disk_->log.size()) return std::optional<Bytes>();
    return std::optional<Bytes>(disk_->log[index]);
  }

 private:
  Disk* disk_;
};

class MemoryAnchor final : public Anchor {
 public:
  explicit MemoryAnchor(Disk& disk) : disk_(&disk) {}
  Result<std::optional<Point>> Read() override { return disk_->anchor; }
  Status Advance(const Point& point) override {
    return disk_->Write([&] { disk_->anchor = point; });
  }

 private:
  Disk* disk_;
};

inline constexpr std::string_view kSchema = R"(version = 1
[[column]]
name = "size"
role = "feature"
min = 0.0
max = 1.0
out_of_range = "clamp"
[[column]]
name = "diagnosis"
role = "label"
classes = ["B", "M"]
)";

struct GrantSpec {
  crypto::KeyFingerprint researcher;
  double epsilon = 100;
};

struct ContractSpec {
  std::string dataset = "cancer-centre";
  std::string schema = std::string(kSchema);
  std::string expires = "2027-06-30T00:00:00Z";
  double epsilon = 3;
  double delta = 1e-4;
  std::string platform = "insecure-simulated";
  std::optional<Bytes> measurement{};  // the world's own, if not set
  std::vector<GrantSpec> grants{};
};

inline Bytes Repeated(std::size_t count, int value) {
  return Bytes(count, static_cast<std::byte>(value));
}

// A job's terms with q = 1: `steps` runs of the Gaussian mechanism, and their exact epsilon.
inline wire::proto::TrainingTerms Terms(double noise, std::uint64_t steps, double delta = 1e-5) {
  wire::proto::TrainingTerms terms;
  terms.set_loss("cross-entropy");
  terms.set_optimizer("sgd");
  terms.set_learning_rate(0.5);
  terms.set_momentum(0);
  terms.set_max_grad_norm(1);
  terms.set_sampling_probability(1);
  terms.set_noise_multiplier(noise);
  terms.set_steps(steps);
  terms.set_delta(delta);
  const auto epsilon = dp::EpsilonOf(
      dp::PoissonSampledGaussian{SamplingProbability(1), NoiseMultiplier(noise), steps},
      Delta(delta));
  terms.set_epsilon(epsilon.ok() ? epsilon->value() : 1);
  return terms;
}

// One enclave on one disk, with its people.
class World {
 public:
  World()
      : owner(crypto::Ed25519PrivateKey::Generate()),
        researcher(crypto::Ed25519PrivateKey::Generate()),
        stranger(crypto::Ed25519PrivateKey::Generate()),
        signing_key(crypto::Ed25519PrivateKey::Generate()),
        log_key(crypto::SecretBytes::CopyOf(Repeated(32, 0x4b))) {}

  // The present ledger ends, as if killed, and the next starts from the disk.
  Status Open() {
    ledger.reset();
    auto opened = Ledger::Open({.log = &log,
                                .anchor = &anchor,
                                .clock = &clock,
                                .platform = attest::Platform::kInsecureSimulated,
                                .measurement = measurement},
                               {.log_key = log_key.Clone(), .signing_key = signing_key.Clone()});
    if (!opened.ok()) return opened.error();
    ledger = std::move(opened).value();
    return Ok();
  }

  GrantSpec Grant(double epsilon) const {
    return {crypto::FingerprintOf(researcher.public_key()), epsilon};
  }

  std::string ContractText(const ContractSpec& spec) const {
    std::string text =
        "version = 1\ndataset = \"" + spec.dataset + "\"\nschema_sha256 = \"" +
        crypto::Sha256(AsBytes(spec.schema)).hex() + "\"\npublic_rows = 200\nexpires = \"" +
        spec.expires + "\"\n[privacy]\nunit = \"row\"\nepsilon = " + Number(spec.epsilon) +
        "\ndelta = " + Number(spec.delta) + "\n[enclave]\nplatforms = [\"" + spec.platform +
        "\"]\nmeasurements = [\"" + ToHex(spec.measurement.value_or(measurement)) + "\"]\n";
    for (const GrantSpec& grant : spec.grants) {
      text += "[[grant]]\nresearcher = \"" + grant.researcher.hex() +
              "\"\npurposes = [\"train\"]\nepsilon = " + Number(grant.epsilon) + "\n";
    }
    return text;
  }

  // Objects are numbered, so that no two datasets share one.
  Result<std::uint64_t> Add(const ContractSpec& spec) {
    const std::string text = ContractText(spec);
    wire::ObjectId object;
    ++objects_;
    object.value[0] = static_cast<std::byte>(objects_);
    object.value[1] = static_cast<std::byte>(objects_ >> 8);
    return ledger->AddDataset(owner.public_key(), AsBytes(text),
                              owner.Sign(wire::kContractSignatureContext, AsBytes(text)),
                              AsBytes(spec.schema), object, 4096);
  }

  JobRequest Job(std::vector<std::string> datasets, wire::proto::TrainingTerms terms) const {
    JobRequest request;
    request.researcher = researcher.public_key();
    request.model_sha256 = crypto::Sha256(AsBytes("model"));
    request.datasets = std::move(datasets);
    request.terms = std::move(terms);
    return request;
  }

  Result<dp::Released<Bytes>> Release(JobId job) {
    dp::Unreleased<Bytes> output(Repeated(64, 0x77));
    const auto hash = Ledger::HashOf(output);
    return ledger->Release(job, std::move(output), hash, output_object);
  }

  double Spent(const std::string& dataset) const {
    const auto spending = ledger->SpendingOf(dataset);
    EXPECT_TRUE(spending.ok());
    return spending.ok() ? spending->epsilon.value() : -1;
  }

  Disk disk;
  MemoryLog log{disk};
  MemoryAnchor anchor{disk};
  FakeClock clock;
  attest::Measurement measurement = Repeated(48, 0x3e);
  crypto::Ed25519PrivateKey owner;
  crypto::Ed25519PrivateKey researcher;
  crypto::Ed25519PrivateKey stranger;
  crypto::Ed25519PrivateKey signing_key;
  crypto::SecretBytes log_key;
  wire::ObjectId output_object = *wire::ObjectId::From(Repeated(32, 0x99));
  std::unique_ptr<Ledger> ledger;

 private:
  static std::string Number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    const std::string number = text;
    return number.find_first_of(".e") == std::string::npos ? number + ".0" : number;
  }

  int objects_ = 0;
};

// All that the ledger answers about its state, as text: two ledgers that are in the same state give
// the same.
inline std::string Describe(const Ledger& ledger) {
  std::string text;
  for (const DatasetRecord& dataset : ledger.Datasets()) {
    const auto spending = ledger.SpendingOf(dataset.name);
    AH_CHECK(spending.ok());
    text += dataset.name + " " + dataset.object_id.hex() + " " +
            std::to_string(dataset.added.value()) + " " +
            dp::NumberText(spending->epsilon.value()) + "\n";
    for (const Spending::Item& item : spending->items) {
      text += "  job " + std::to_string(item.job.value()) + " " + item.researcher.hex() +
              " state " + std::to_string(static_cast<int>(item.state)) + "\n";
    }
  }
  for (std::uint64_t id = 1;; ++id) {
    const auto job = ledger.FindJob(JobId(id));
    if (!job.ok()) break;
    text += "job " + std::to_string(id) + " state " + std::to_string(static_cast<int>(job->state)) +
            (job->charged ? " charged" : "") +
            (job->output_object.has_value() ? " " + job->output_object->hex() : "") + " at " +
            std::to_string(job->release_index.value_or(0)) + "\n";
  }
  return text;
}

#define EXPECT_REFUSED(expression, expected)                                       \
  do {                                                                             \
    const auto& ah_refused = (expression);                                         \
    EXPECT_FALSE(ah_refused.ok());                                                 \
    if (!ah_refused.ok()) {                                                        \
      EXPECT_EQ(ErrorCodeName(ah_refused.error().code()), ErrorCodeName(expected)) \
          << ah_refused.error().message();                                         \
    }                                                                              \
  } while (false)

}  // namespace anchorhold::ledger::test
