#include "trusted/ledger/ledger.h"

#include <algorithm>
#include <mutex>

#include "shared/base/limits.h"
#include "trusted/ledger/admission.h"
#include "trusted/ledger/journal.h"

namespace anchorhold::ledger {

namespace proto = wire::proto;

class Ledger::State {
 public:
  State(const Setup& setup, LedgerKeys keys)
      : setup_(setup),
        log_key_(std::move(keys.log_key)),
        signing_key_(std::move(keys.signing_key)),
        book_(signing_key_.public_key()) {}

  Status Open();

  Result<std::uint64_t> AddDataset(proto::DatasetAdded added);
  Result<JobId> Reserve(const JobRequest& request);
  Status Charge(JobId job);
  Status WriteRelease(JobId job, const crypto::Sha256Digest& output_sha256,
                      const wire::ObjectId& output_object);
  Status End(JobId job, ErrorCode code);

  Result<Spending> SpendingOf(const std::string& dataset) const;
  proto::SignedTreeHead TreeHead() const;
  Result<proto::Receipt> ReceiptOf(JobId job) const;

  const Book& book() const { return book_; }
  const Journal& journal() const { return *journal_; }

  // Held by every public member of Ledger while it uses this object; nothing here takes it.
  mutable std::mutex mutex;

 private:
  Circumstances Here() const;
  Status Replay(ByteSpan bytes);
  Status SettleOpenJobs();
  Status Write(proto::LedgerEntry entry);
  void WriteRefusal(const crypto::Ed25519PublicKey& key, const std::string& dataset,
                    ErrorCode code);
  Result<const JobRecord*> InState(JobId job, JobState state, const char* what) const;
  Result<proto::DatasetCharge> ChargeOn(const std::string& dataset) const;

  Setup setup_;
  crypto::SecretBytes log_key_;  // until the journal has it
  crypto::Ed25519PrivateKey signing_key_;
  Book book_;
  std::optional<Journal> journal_;
};

namespace {

void SetBytes(std::string* field, ByteSpan bytes) { *field = CopyText(bytes); }

Error IsTaken(const std::string& name) {
  return AlreadyExists("dataset '" + name + "': the name is taken; choose another");
}

}  // namespace

// The host sets the clock, so it may go backward; the ledger's time does not.
Circumstances Ledger::State::Here() const {
  return {.platform = setup_.platform,
          .measurement = setup_.measurement,
          .now = std::max(setup_.clock->Now(), book_.last_time())};
}

Status Ledger::State::Open() {
  auto journal = Journal::Open(*setup_.log, *setup_.anchor, std::move(log_key_),
                               [this](ByteSpan entry) { return Replay(entry); });
  if (!journal.ok()) return journal.error();
  journal_ = std::move(journal).value();
  if (journal_->head().size > 0) return SettleOpenJobs();
  proto::LedgerEntry entry;
  SetBytes(entry.mutable_opened()->mutable_ledger_key(), signing_key_.public_key().span());
  SetBytes(entry.mutable_opened()->mutable_measurement(), setup_.measurement);
  return Write(std::move(entry));
}

Status Ledger::State::Replay(ByteSpan bytes) {
  proto::LedgerEntry entry;
  if (!entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return IntegrityError("ledger entry " + std::to_string(book_.next_index()) +
                          ": it is no LedgerEntry message");
  }
  AH_RETURN_IF_ERROR(book_.Check(entry));
  book_.Apply(entry, bytes);
  return Ok();
}

// Jobs that the last run left in the middle: nobody works on them any more.
Status Ledger::State::SettleOpenJobs() {
  std::vector<JobId> open;
  for (const auto& [id, job] : book_.jobs()) {
    if (job.state == JobState::kReserved || job.state == JobState::kCharged) open.push_back(id);
  }
  for (const JobId job : open) AH_RETURN_IF_ERROR(End(job, ErrorCode::kUnavailable));
  return Ok();
}

// The entry is read back from its bytes first, so that whatever is written is what a replay
// accepts.
Status Ledger::State::Write(proto::LedgerEntry entry) {
  entry.set_index(book_.next_index());
  entry.set_unix_seconds(Here().now.value());
  const std::string bytes = entry.SerializeAsString();
  if (!entry.ParseFromString(bytes)) return InternalError("a ledger entry does not read back");
  const Status fits = book_.Check(entry);
  if (!fits.ok()) return InternalError(fits.error().message());
  AH_RETURN_IF_ERROR(journal_->Write(AsBytes(bytes)));
  book_.Apply(entry, AsBytes(bytes));
  return Ok();
}

Result<std::uint64_t> Ledger::State::AddDataset(proto::DatasetAdded added) {
  if (added.object_bytes() == 0 || added.object_bytes() > limits::kObjectBytesMax) {
    return LimitExceeded("a sealed object must have 1 to " +
                         std::to_string(limits::kObjectBytesMax) + " bytes");
  }
  const Circumstances here = Here();
  AH_ASSIGN_OR_RETURN(const wire::Contract contract,
                      wire::ParseContract(AsBytes(added.contract())));
  added.set_name(contract.dataset);
  AH_ASSIGN_OR_RETURN(const DatasetRecord record, DatasetOf(added, here.now));
  AH_RETURN_IF_ERROR(CheckEnclave(contract, here));
  if (book_.datasets().count(record.name) != 0) return IsTaken(record.name);
  if (book_.HoldsObject(record.object_id)) {
    return AlreadyExists("dataset '" + record.name +
                         "': its sealed object is stored under another name already; one object "
                         "has one contract");
  }
  proto::LedgerEntry entry;
  *entry.mutable_dataset_added() = std::move(added);
  const std::uint64_t index = book_.next_index();
  AH_RETURN_IF_ERROR(Write(std::move(entry)));
  return index;
}

Result<JobId> Ledger::State::Reserve(const JobRequest& request) {
  AH_RETURN_IF_ERROR(CheckRequest(request));
  std::vector<const DatasetState*> datasets;
  for (const std::string& name : request.datasets) {
    AH_ASSIGN_OR_RETURN(const DatasetState* const dataset, book_.Dataset(name));
    datasets.push_back(dataset);
  }
  AH_RETURN_IF_ERROR(CheckSameSchema(datasets));
  const Circumstances here = Here();
  for (const DatasetState* dataset : datasets) {
    const Status admitted = Admit(*dataset, request, here);
    if (admitted.ok()) continue;
    WriteRefusal(request.researcher, dataset->record.name, admitted.error().code());
    return admitted.error();
  }
  const JobId job = book_.next_job();
  proto::LedgerEntry entry;
  proto::JobReserved* reserved = entry.mutable_job_reserved();
  reserved->set_job(job.value());
  SetBytes(reserved->mutable_researcher_key(), request.researcher.span());
  SetBytes(reserved->mutable_model_sha256(), request.model_sha256.span());
  for (const std::string& name : request.datasets) reserved->add_datasets(name);
  *reserved->mutable_terms() = request.terms;
  AH_RETURN_IF_ERROR(Write(std::move(entry)));
  return job;
}

// A refusal stands whether or not it can be written down, so a failure here is not the caller's.
void Ledger::State::WriteRefusal(const crypto::Ed25519PublicKey& key, const std::string& dataset,
                                 ErrorCode code) {
  if (book_.next_index() >= limits::kLedgerEntriesMax / 2) return;
  proto::LedgerEntry entry;
  SetBytes(entry.mutable_refused()->mutable_key(), key.span());
  entry.mutable_refused()->set_dataset(dataset);
  entry.mutable_refused()->set_code(static_cast<std::uint32_t>(code));
  const Status written = Write(std::move(entry));
  static_cast<void>(written);
}

Result<const JobRecord*> Ledger::State::InState(JobId job, JobState state, const char* what) const {
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, book_.Job(job));
  if (record->state == state) return record;
  return InternalError("job " + std::to_string(job.value()) + " cannot be " + what +
                       " in its present state");
}

Status Ledger::State::Charge(JobId job) {
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, InState(job, JobState::kReserved, "charged"));
  const UnixSeconds now = Here().now;
  for (const std::string& name : record->request.datasets) {
    AH_ASSIGN_OR_RETURN(const DatasetState* const dataset, book_.Dataset(name));
    const Status valid = CheckNotExpired(dataset->record.contract, now);
    if (valid.ok()) continue;
    WriteRefusal(record->request.researcher, name, valid.error().code());
    return valid.error();
  }
  proto::LedgerEntry entry;
  entry.mutable_job_charged()->set_job(job.value());
  return Write(std::move(entry));
}

Result<proto::DatasetCharge> Ledger::State::ChargeOn(const std::string& name) const {
  AH_ASSIGN_OR_RETURN(const DatasetState* const dataset, book_.Dataset(name));
  const DatasetRecord& record = dataset->record;
  AH_ASSIGN_OR_RETURN(const Epsilon spent, dataset->budget.ChargedAt(record.contract.delta));
  proto::DatasetCharge charge;
  charge.set_name(name);
  SetBytes(charge.mutable_owner(), crypto::FingerprintOf(record.owner).span());
  SetBytes(charge.mutable_object_id(), record.object_id.span());
  SetBytes(charge.mutable_contract_sha256(), crypto::Sha256(record.contract_text).span());
  charge.set_epsilon_budget(record.contract.epsilon.value());
  charge.set_epsilon_spent(spent.value());
  charge.set_delta(record.contract.delta.value());
  return charge;
}

Status Ledger::State::WriteRelease(JobId job, const crypto::Sha256Digest& output_sha256,
                                   const wire::ObjectId& output_object) {
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, InState(job, JobState::kCharged, "released"));
  proto::LedgerEntry entry;
  proto::JobReleased* released = entry.mutable_job_released();
  released->set_job(job.value());
  SetBytes(released->mutable_researcher_key(), record->request.researcher.span());
  SetBytes(released->mutable_measurement(), setup_.measurement);
  released->set_platform(std::string(attest::PlatformName(setup_.platform)));
  SetBytes(released->mutable_model_sha256(), record->request.model_sha256.span());
  *released->mutable_terms() = record->request.terms;
  for (const std::string& name : record->request.datasets) {
    AH_ASSIGN_OR_RETURN(*released->add_charges(), ChargeOn(name));
  }
  SetBytes(released->mutable_output_sha256(), output_sha256.span());
  SetBytes(released->mutable_output_object(), output_object.span());
  return Write(std::move(entry));
}

Status Ledger::State::End(JobId job, ErrorCode code) {
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, book_.Job(job));
  if (record->state != JobState::kReserved && record->state != JobState::kCharged) {
    return InternalError("job " + std::to_string(job.value()) + " has ended already");
  }
  proto::LedgerEntry entry;
  entry.mutable_job_ended()->set_job(job.value());
  entry.mutable_job_ended()->set_charged(record->charged);
  entry.mutable_job_ended()->set_code(static_cast<std::uint32_t>(code));
  return Write(std::move(entry));
}

Result<Spending> Ledger::State::SpendingOf(const std::string& name) const {
  AH_ASSIGN_OR_RETURN(const DatasetState* const dataset, book_.Dataset(name));
  Spending spending;
  for (const JobId id : dataset->jobs) {
    AH_ASSIGN_OR_RETURN(const JobRecord* const job, book_.Job(id));
    spending.items.push_back(
        {.job = id,
         .researcher = job->request.researcher,
         .event = EventOf(job->request.terms),
         .state = job->state == JobState::kEnded ? JobState::kCharged : job->state});
  }
  AH_ASSIGN_OR_RETURN(spending.epsilon, dataset->budget.SpentAt(dataset->record.contract.delta));
  return spending;
}

proto::SignedTreeHead Ledger::State::TreeHead() const {
  return receipt::SignTreeHead({.ledger_key = signing_key_.public_key(),
                                .size = journal_->head().size,
                                .root = journal_->head().root,
                                .time = Here().now},
                               signing_key_);
}

Result<proto::Receipt> Ledger::State::ReceiptOf(JobId job) const {
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, book_.Job(job));
  if (!record->release_index.has_value()) {
    return NotFound("job " + std::to_string(job.value()) + " has released nothing");
  }
  proto::Receipt receipt;
  SetBytes(receipt.mutable_entry(), book_.ReleaseEntry(job));
  for (const auto& node :
       journal_->tree().InclusionPath(*record->release_index, journal_->head().size)) {
    SetBytes(receipt.add_inclusion_path(), node.span());
  }
  *receipt.mutable_tree_head() = TreeHead();
  return receipt;
}

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::Open(const Setup& setup, LedgerKeys keys) {
  AH_CHECK(setup.log != nullptr && setup.anchor != nullptr && setup.clock != nullptr);
  if (keys.log_key.size() != crypto::kAeadKeyBytes) {
    return InvalidInput("the ledger's log key must have " + std::to_string(crypto::kAeadKeyBytes) +
                        " bytes");
  }
  auto state = std::make_unique<State>(setup, std::move(keys));
  AH_RETURN_IF_ERROR(state->Open());
  return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Result<std::uint64_t> Ledger::AddDataset(const crypto::Ed25519PublicKey& owner, ByteSpan contract,
                                         const crypto::Ed25519Signature& signature, ByteSpan schema,
                                         const wire::ObjectId& object, std::uint64_t object_bytes) {
  if (contract.size() > limits::kContractBytesMax || schema.size() > limits::kSchemaBytesMax) {
    return LimitExceeded("contract: at most " + std::to_string(limits::kContractBytesMax) +
                         " bytes, and its schema at most " +
                         std::to_string(limits::kSchemaBytesMax));
  }
  proto::DatasetAdded added;
  SetBytes(added.mutable_owner_key(), owner.span());
  SetBytes(added.mutable_contract(), contract);
  SetBytes(added.mutable_contract_signature(), signature.span());
  SetBytes(added.mutable_schema(), schema);
  SetBytes(added.mutable_object_id(), object.span());
  added.set_object_bytes(object_bytes);
  const std::lock_guard lock(state_->mutex);
  return state_->AddDataset(std::move(added));
}

Status Ledger::CheckNameIsFree(const std::string& name) const {
  AH_RETURN_IF_ERROR(wire::CheckName(name));
  const std::lock_guard lock(state_->mutex);
  if (state_->book().datasets().count(name) != 0) return IsTaken(name);
  return Ok();
}

Result<JobId> Ledger::Reserve(const JobRequest& request) {
  const std::lock_guard lock(state_->mutex);
  return state_->Reserve(request);
}

Status Ledger::Charge(JobId job) {
  const std::lock_guard lock(state_->mutex);
  return state_->Charge(job);
}

Status Ledger::WriteRelease(JobId job, const crypto::Sha256Digest& output_sha256,
                            const wire::ObjectId& output_object) {
  const std::lock_guard lock(state_->mutex);
  return state_->WriteRelease(job, output_sha256, output_object);
}

Status Ledger::End(JobId job, ErrorCode code) {
  const std::lock_guard lock(state_->mutex);
  return state_->End(job, code);
}

crypto::Sha256Digest Ledger::HashOf(const dp::Unreleased<Bytes>& value) {
  return crypto::Sha256(value.value_);
}

Result<wire::SealedObject> Ledger::SealFor(const crypto::HpkePublicKey& recipient,
                                           const dp::Unreleased<Bytes>& value) {
  return wire::SealObject(recipient, wire::Content::kWeights, value.value_);
}

Result<DatasetRecord> Ledger::FindDataset(const std::string& name) const {
  const std::lock_guard lock(state_->mutex);
  AH_ASSIGN_OR_RETURN(const DatasetState* const dataset, state_->book().Dataset(name));
  return dataset->record;
}

std::vector<DatasetRecord> Ledger::Datasets() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<DatasetRecord> records;
  for (const auto& [name, dataset] : state_->book().datasets()) records.push_back(dataset.record);
  return records;
}

Result<Spending> Ledger::SpendingOf(const std::string& dataset) const {
  const std::lock_guard lock(state_->mutex);
  return state_->SpendingOf(dataset);
}

Result<JobRecord> Ledger::FindJob(JobId job) const {
  const std::lock_guard lock(state_->mutex);
  AH_ASSIGN_OR_RETURN(const JobRecord* const record, state_->book().Job(job));
  return *record;
}

std::vector<JobRecord> Ledger::JobsOf(const crypto::Ed25519PublicKey& researcher) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<JobRecord> records;
  for (const auto& [id, job] : state_->book().jobs()) {
    if (job.request.researcher == researcher) records.push_back(job);
  }
  return records;
}

proto::SignedTreeHead Ledger::TreeHead() const {
  const std::lock_guard lock(state_->mutex);
  return state_->TreeHead();
}

Result<std::vector<crypto::Sha256Digest>> Ledger::ConsistencyPath(std::uint64_t old_size) const {
  const std::lock_guard lock(state_->mutex);
  const std::uint64_t size = state_->journal().head().size;
  if (old_size == 0 || old_size > size) {
    return InvalidInput("tree head: the old size must be 1 to " + std::to_string(size));
  }
  return state_->journal().tree().ConsistencyPath(old_size, size);
}

Result<proto::Receipt> Ledger::ReceiptOf(JobId job) const {
  const std::lock_guard lock(state_->mutex);
  return state_->ReceiptOf(job);
}

}  // namespace anchorhold::ledger
