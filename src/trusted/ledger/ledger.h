// The ledger: the enclave's memory of every decision, and the only authority that can release.
//
// Entries (wire/receipt.proto) are appended to a sealed log that the host keeps; their leaf hashes
// form the Merkle tree whose head the ledger signs. An entry is durable before the call that made
// it returns. On start the log is replayed, so state is never anything but the sum of its entries.
//
// The life of a job:
//   Reserve  the contracts allow it and every dataset has enough left  -> JobReserved
//   Charge   before the first private row is read                      -> JobCharged
//   Release  after the mechanism has run                               -> JobReleased, Released<T>
//   End      refused, failed or cancelled without a release            -> JobEnded
// A reservation that was never charged is given back; a charge never is. On start, jobs that were
// reserved are given back, jobs that were charged but not released stay spent: a crash can waste
// budget, never refund it.
//
// Every member may be called from any thread: one mutex inside serialises them, held while an entry
// is written, so that two jobs never reserve the same budget. An entry that could not be written
// changes nothing; where that cannot be known (journal.h), every further write is refused with
// kUnavailable until the enclave has restarted and read the log again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "shared/attest/evidence.h"
#include "shared/base/clock.h"
#include "shared/receipt/merkle.h"
#include "shared/receipt/receipt.h"
#include "shared/wire/contract.h"
#include "shared/wire/schema.h"
#include "shared/wire/sealed_object.h"
#include "trusted/dp/event.h"
#include "trusted/dp/unreleased.h"

namespace anchorhold::ledger {

using JobId = Strong<struct JobIdTag, std::uint64_t>;

// Where the host keeps the sealed records. Untrusted.
class LogStore {
 public:
  virtual ~LogStore() = default;
  // Durable when it returns.
  virtual Status Append(std::uint64_t index, ByteSpan record) = 0;
  // The record, or nothing past the end.
  virtual Result<std::optional<Bytes>> Read(std::uint64_t index) = 0;
};

// Remembers how far the log had come, where the host cannot roll it back. The development anchor is
// a file of the host's, and its name says so.
class Anchor {
 public:
  virtual ~Anchor() = default;
  // Size and root of the last advance, or nothing when there never was one.
  struct Point {
    std::uint64_t size = 0;
    crypto::Sha256Digest root;
  };
  virtual Result<std::optional<Point>> Read() = 0;
  virtual Status Advance(const Point& point) = 0;
};

struct DatasetRecord {
  std::string name;
  crypto::Ed25519PublicKey owner;
  wire::Contract contract;
  wire::Schema schema;
  Bytes contract_text;
  Bytes schema_text;
  wire::ObjectId object_id;
  std::uint64_t object_bytes = 0;
  UnixSeconds added;
};

struct JobRequest {
  crypto::Ed25519PublicKey researcher;
  crypto::Sha256Digest model_sha256;
  std::vector<std::string> datasets;  // at least one, no name twice
  wire::proto::TrainingTerms terms;   // calibrated; the ledger recomputes its epsilon
};

enum class JobState { kReserved, kCharged, kReleased, kEnded };

struct JobRecord {
  JobId id;
  JobState state = JobState::kReserved;
  bool charged = false;  // whether the datasets' budgets bear it for good
  JobRequest request;
  std::optional<wire::ObjectId> output_object;
  std::optional<std::uint64_t> release_index;  // ledger index of its JobReleased entry
};

// What a dataset has spent: its events, and their composition at the contract's delta. A job that
// was charged and ended without a release is listed as kCharged; one that was given back is not.
struct Spending {
  struct Item {
    JobId job;
    crypto::Ed25519PublicKey researcher;
    dp::DpEvent event;
    JobState state;
  };
  std::vector<Item> items;  // reserved, charged and released jobs, in order
  Epsilon epsilon;          // of all of them, reservations included
};

struct LedgerKeys {
  crypto::SecretBytes log_key;            // seals the records
  crypto::Ed25519PrivateKey signing_key;  // signs tree heads
};

class Ledger {
 public:
  struct Setup {
    LogStore* log = nullptr;  // these outlive the ledger
    Anchor* anchor = nullptr;
    const Clock* clock = nullptr;
    attest::Platform platform = attest::Platform::kInsecureSimulated;
    attest::Measurement measurement;
  };
  // Replays the log. kIntegrity for a record that does not open or follow, kRollback for a log that
  // is behind its anchor. A first start writes LedgerOpened.
  static Result<std::unique_ptr<Ledger>> Open(const Setup& setup, LedgerKeys keys);
  ~Ledger();

  // Accepts a dataset whose object is already durable. Checks the signature (kIntegrity), expiry
  // (kPermissionDenied), that the contract allows this platform and measurement
  // (kAttestationRefused), that schema and contract fit (kInvalidInput), and that the name and the
  // object are new (kAlreadyExists): one sealed object under two contracts would have two budgets.
  // Returns the entry's index.
  Result<std::uint64_t> AddDataset(const crypto::Ed25519PublicKey& owner, ByteSpan contract,
                                   const crypto::Ed25519Signature& signature, ByteSpan schema,
                                   const wire::ObjectId& object, std::uint64_t object_bytes);
  // kAlreadyExists if AddDataset would refuse the name.
  Status CheckNameIsFree(const std::string& name) const;

  // The number of the job, from 1 upwards, never used twice. Refusals, each saying what is left and
  // what to do: kInvalidInput and kLimitExceeded (the request), kNotFound (a dataset),
  // kPermissionDenied (expiry, grant), kAttestationRefused (this enclave), kPrivacyRefused (delta),
  // kBudgetExceeded. What a contract refused is written down as a Refused entry, as long as the log
  // is less than half full, so that a stranger cannot fill it.
  Result<JobId> Reserve(const JobRequest& request);
  // kPermissionDenied if a contract has expired since the job was reserved.
  Status Charge(JobId job);
  // Writes down the release of an output with this hash and sealed copy; then lets `value` go. A
  // value that is a file must have that hash. kInternal unless the job is charged.
  template <typename T>
  Result<dp::Released<T>> Release(JobId job, dp::Unreleased<T> value,
                                  const crypto::Sha256Digest& output_sha256,
                                  const wire::ObjectId& output_object) {
    if constexpr (std::is_same_v<T, Bytes>) {
      if (HashOf(value) != output_sha256) return InternalError("release: not the hash of the file");
    }
    AH_RETURN_IF_ERROR(WriteRelease(job, output_sha256, output_object));
    return dp::Released<T>(std::move(value.value_));
  }
  // The hash of an unreleased file, for the release entry, and its sealed form for the vault: the
  // only other things that may be made of it before it is released.
  static crypto::Sha256Digest HashOf(const dp::Unreleased<Bytes>& value);
  static Result<wire::SealedObject> SealFor(const crypto::HpkePublicKey& recipient,
                                            const dp::Unreleased<Bytes>& value);
  // Ends a job without a release. kInternal unless it is reserved or charged.
  Status End(JobId job, ErrorCode code);

  Result<DatasetRecord> FindDataset(const std::string& name) const;
  std::vector<DatasetRecord> Datasets() const;  // by name
  Result<Spending> SpendingOf(const std::string& dataset) const;
  Result<JobRecord> FindJob(JobId job) const;
  std::vector<JobRecord> JobsOf(const crypto::Ed25519PublicKey& researcher) const;

  wire::proto::SignedTreeHead TreeHead() const;
  // kInvalidInput for a size of 0 or beyond the present tree.
  Result<std::vector<crypto::Sha256Digest>> ConsistencyPath(std::uint64_t old_size) const;
  // The receipt of a released job under the present tree head; the caller adds keys and evidence.
  // kNotFound for a job that has released nothing.
  Result<wire::proto::Receipt> ReceiptOf(JobId job) const;

 private:
  class State;
  explicit Ledger(std::unique_ptr<State> state);
  Status WriteRelease(JobId job, const crypto::Sha256Digest& output_sha256,
                      const wire::ObjectId& output_object);
  std::unique_ptr<State> state_;
};

}  // namespace anchorhold::ledger
