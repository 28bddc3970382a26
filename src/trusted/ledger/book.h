// The book: what the entries of the log add up to. It does no I/O and reads no clock; the same
// Check and Apply serve a new entry and a replayed one, so a restart arrives where the last run
// was, and no entry is written that a restart would refuse.
#pragma once

#include <set>

#include "trusted/ledger/budget.h"
#include "trusted/ledger/ledger.h"

namespace anchorhold::ledger {

struct DatasetState {
  DatasetRecord record;
  Budget budget;
  std::map<crypto::Ed25519PublicKey, Budget> researchers;
  std::vector<JobId> jobs;  // that reserved on it, in order
};

class Book {
 public:
  // `ledger_key`: the key that LedgerOpened must name.
  explicit Book(const crypto::Ed25519PublicKey& ledger_key) : ledger_key_(ledger_key) {}

  // Whether the entry may follow those before it: its index, its time, and that what it is about
  // exists and is in the right state. kIntegrity otherwise, naming the entry.
  Status Check(const wire::proto::LedgerEntry& entry) const;
  // Precondition: Check. `bytes`: the entry as it was written, kept for receipts of releases.
  void Apply(const wire::proto::LedgerEntry& entry, ByteSpan bytes);

  std::uint64_t next_index() const { return next_index_; }
  UnixSeconds last_time() const { return last_time_; }
  JobId next_job() const { return JobId(jobs_.size() + 1); }

  const std::map<std::string, DatasetState>& datasets() const { return datasets_; }
  const std::map<JobId, JobRecord>& jobs() const { return jobs_; }
  // kNotFound, with the remedy, if nothing bears the name.
  Result<const DatasetState*> Dataset(const std::string& name) const;
  Result<const JobRecord*> Job(JobId job) const;
  bool HoldsObject(const wire::ObjectId& object) const { return objects_.count(object) != 0; }
  // The bytes of the job's JobReleased entry. Precondition: the job is released.
  const Bytes& ReleaseEntry(JobId job) const;

 private:
  Status CheckKind(const wire::proto::LedgerEntry& entry) const;
  Status CheckReserved(const wire::proto::JobReserved& reserved) const;
  Status CheckState(std::uint64_t job, JobState state) const;
  Status CheckEnded(const wire::proto::JobEnded& ended) const;
  Status CheckReleased(const wire::proto::JobReleased& released) const;
  void ApplyDataset(const wire::proto::LedgerEntry& entry);
  void ApplyReserved(const wire::proto::JobReserved& reserved);
  void ApplyCharged(JobRecord& job);
  void ApplyEnded(JobRecord& job, const wire::proto::JobEnded& ended);
  JobRecord& Mutable(std::uint64_t job);

  crypto::Ed25519PublicKey ledger_key_;
  std::uint64_t next_index_ = 0;
  UnixSeconds last_time_{0};
  std::map<std::string, DatasetState> datasets_;
  std::map<JobId, JobRecord> jobs_;
  std::map<JobId, Bytes> releases_;
  std::set<wire::ObjectId> objects_;
};

// The event that a job is to every one of its datasets.
dp::DpEvent EventOf(const wire::proto::TrainingTerms& terms);

// The record that a DatasetAdded entry describes: what the contract's text says, once its signature
// holds. Errors are those of the documents.
Result<DatasetRecord> DatasetOf(const wire::proto::DatasetAdded& added, UnixSeconds time);

}  // namespace anchorhold::ledger
