// Requests of an attested client, handled as the enclave does: parsed, dispatched, answered. No
// request that was made up is accepted for an upload or a job, whose signatures it lacks.
#include <google/protobuf/stubs/logging.h>

#include <map>

#include "shared/attest/test_support.h"
#include "shared/crypto/random.h"
#include "trusted/enclave/session.h"

namespace {

using namespace anchorhold;

class MemoryLog final : public ledger::LogStore {
 public:
  Status Append(std::uint64_t index, ByteSpan record) override {
    records_[index] = CopyBytes(record);
    return Ok();
  }
  Result<std::optional<Bytes>> Read(std::uint64_t index) override {
    const auto found = records_.find(index);
    if (found == records_.end()) return std::optional<Bytes>();
    return std::optional<Bytes>(found->second);
  }

 private:
  std::map<std::uint64_t, Bytes> records_;
};

class MemoryAnchor final : public ledger::Anchor {
 public:
  Result<std::optional<Point>> Read() override { return point_; }
  Status Advance(const Point& point) override {
    point_ = point;
    return Ok();
  }

 private:
  std::optional<Point> point_;
};

class NoBlobs final : public vault::BlobStore {
 public:
  Result<std::uint64_t> Begin() override { return std::uint64_t{1}; }
  Status Append(std::uint64_t, ByteSpan) override { return Ok(); }
  Status Commit(std::uint64_t, const wire::ObjectId&) override { return Ok(); }
  Status Abort(std::uint64_t) override { return Ok(); }
  Result<Bytes> Read(const wire::ObjectId&, std::uint64_t, std::uint32_t) override {
    return NotFound("no objects here");
  }
};

// An enclave's insides, without a window.
struct Inside {
  SystemClock clock;
  Log log{"fuzz", -1, clock};
  MemoryLog records;
  MemoryAnchor anchor;
  NoBlobs blobs;
  attest::SimulatedAttester attester = attest::testing::MakeAttester();
  crypto::HpkePrivateKey sealing = crypto::HpkePrivateKey::Generate();
  attest::EnclaveKeys keys = attest::testing::MakeKeys();
  attest::UnverifiedEvidence evidence = attester.Attest(attest::BindKeys(keys)).value();
  std::unique_ptr<ledger::Ledger> ledger =
      ledger::Ledger::Open({.log = &records,
                            .anchor = &anchor,
                            .clock = &clock,
                            .platform = attester.platform(),
                            .measurement = attester.measurement()},
                           {.log_key = crypto::RandomSecret(32),
                            .signing_key = crypto::Ed25519PrivateKey::Generate()})
          .value();
  enclave::Worker worker;
  std::unique_ptr<enclave::Bulletin> bulletin = enclave::Bulletin::Create().value();
  enclave::Jobs jobs{{.ledger = ledger.get(),
                      .blobs = &blobs,
                      .sealing_key = &sealing,
                      .keys = &keys,
                      .evidence = &evidence,
                      .worker = &worker,
                      .bulletin = bulletin.get(),
                      .log = &log}};
  enclave::Service service{.attester = &attester,
                           .keys = &keys,
                           .sealing_key = &sealing,
                           .ledger = ledger.get(),
                           .blobs = &blobs,
                           .jobs = &jobs,
                           .clock = &clock,
                           .log = &log};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Inside* const inside = [] {
    google::protobuf::SetLogHandler(nullptr);
    return new Inside;
  }();
  const ByteSpan message = std::as_bytes(std::span(data, size));
  enclave::Session session(inside->service, crypto::Ed25519PrivateKey::Generate().public_key(),
                           Bytes(32));
  wire::proto::Request attest;
  attest.mutable_attest()->set_nonce(std::string(32, 'n'));
  AH_CHECK(session.Handle(AsBytes(attest.SerializeAsString())).has_attest());
  const wire::proto::Response response = session.Handle(message);
  AH_CHECK(response.kind_case() != wire::proto::Response::KIND_NOT_SET);
  AH_CHECK(!response.has_put_accepted() && !session.following().has_value());
  // Before its evidence has been asked for, the enclave answers nothing else.
  enclave::Session early(inside->service, crypto::Ed25519PrivateKey::Generate().public_key(),
                         Bytes(32));
  const wire::proto::Response refused = early.Handle(message);
  AH_CHECK(refused.has_attest() || refused.has_error());
  return 0;
}
