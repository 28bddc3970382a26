#include "trusted/ledger/book.h"

#include <algorithm>

#include "shared/base/limits.h"

namespace anchorhold::ledger {

namespace proto = wire::proto;

namespace {

// A digest, key or identifier of a field of an entry.
template <typename T>
T FixedOf(const std::string& bytes) {
  auto value = T::From(AsBytes(bytes));
  AH_CHECK(value.ok());  // Book::Check has seen the size
  return *value;
}

Status CheckSize(const std::string& bytes, std::size_t size, const char* field) {
  if (bytes.size() == size) return Ok();
  return IntegrityError(std::string(field) + " has " + std::to_string(bytes.size()) +
                        " bytes instead of " + std::to_string(size));
}

}  // namespace

dp::DpEvent EventOf(const proto::TrainingTerms& terms) {
  return dp::PoissonSampledGaussian{
      .sampling_probability = SamplingProbability(terms.sampling_probability()),
      .noise_multiplier = NoiseMultiplier(terms.noise_multiplier()),
      .steps = terms.steps()};
}

Result<DatasetRecord> DatasetOf(const proto::DatasetAdded& added, UnixSeconds time) {
  DatasetRecord record;
  record.name = added.name();
  record.contract_text = CopyBytes(AsBytes(added.contract()));
  record.schema_text = CopyBytes(AsBytes(added.schema()));
  record.object_bytes = added.object_bytes();
  record.added = time;
  AH_ASSIGN_OR_RETURN(record.owner, crypto::Ed25519PublicKey::From(AsBytes(added.owner_key())));
  AH_ASSIGN_OR_RETURN(record.object_id, wire::ObjectId::From(AsBytes(added.object_id())));
  AH_ASSIGN_OR_RETURN(const auto signature,
                      crypto::Ed25519Signature::From(AsBytes(added.contract_signature())));
  AH_ASSIGN_OR_RETURN(record.contract,
                      wire::AcceptContract(record.contract_text, record.owner, signature, time));
  AH_ASSIGN_OR_RETURN(record.schema, wire::ParseSchema(record.schema_text));
  if (record.contract.schema_sha256 != crypto::Sha256(record.schema_text)) {
    return InvalidInput("contract of '" + record.contract.dataset +
                        "': schema_sha256 is not the hash of the schema that was sent; sign a "
                        "contract for this schema");
  }
  if (record.contract.dataset != record.name) {
    return InvalidInput("contract: dataset is not the name it is stored under");
  }
  return record;
}

Status Book::Check(const proto::LedgerEntry& entry) const {
  const std::string where = "ledger entry " + std::to_string(next_index_);
  if (entry.index() != next_index_) return IntegrityError("it says another index").At(where);
  if (entry.unix_seconds() < last_time_.value()) {
    return IntegrityError("its time is before the entry ahead of it").At(where);
  }
  if (entry.has_opened() != (next_index_ == 0)) {
    return IntegrityError("the first entry, and only that, opens a ledger").At(where);
  }
  const Status kind = CheckKind(entry);
  if (!kind.ok()) return IntegrityError(kind.error().message()).At(where);
  return Ok();
}

Status Book::CheckKind(const proto::LedgerEntry& entry) const {
  switch (entry.kind_case()) {
    case proto::LedgerEntry::kOpened:
      if (!BytesEqual(AsBytes(entry.opened().ledger_key()), ledger_key_.span())) {
        return IntegrityError("it opens the ledger of another key");
      }
      return Ok();
    case proto::LedgerEntry::kDatasetAdded: {
      AH_ASSIGN_OR_RETURN(const DatasetRecord record,
                          DatasetOf(entry.dataset_added(), UnixSeconds(entry.unix_seconds())));
      if (datasets_.count(record.name) != 0) return IntegrityError("the name is taken");
      if (HoldsObject(record.object_id)) return IntegrityError("the object is stored already");
      return Ok();
    }
    case proto::LedgerEntry::kJobReserved:
      return CheckReserved(entry.job_reserved());
    case proto::LedgerEntry::kJobCharged:
      return CheckState(entry.job_charged().job(), JobState::kReserved);
    case proto::LedgerEntry::kJobReleased:
      return CheckReleased(entry.job_released());
    case proto::LedgerEntry::kJobEnded:
      return CheckEnded(entry.job_ended());
    case proto::LedgerEntry::kRefused:
      return CheckSize(entry.refused().key(), crypto::Ed25519PublicKey::kSize, "key");
    case proto::LedgerEntry::KIND_NOT_SET:
      break;
  }
  return IntegrityError("this version does not know its kind");
}

Status Book::CheckReserved(const proto::JobReserved& reserved) const {
  if (reserved.job() != next_job().value()) return IntegrityError("the job's number is wrong");
  AH_RETURN_IF_ERROR(
      CheckSize(reserved.researcher_key(), crypto::Ed25519PublicKey::kSize, "researcher_key"));
  AH_RETURN_IF_ERROR(
      CheckSize(reserved.model_sha256(), crypto::Sha256Digest::kSize, "model_sha256"));
  if (reserved.datasets().empty()) return IntegrityError("the job has no dataset");
  std::set<std::string> names;
  for (const std::string& name : reserved.datasets()) {
    if (datasets_.count(name) == 0) return IntegrityError("the job's dataset is not there");
    if (!names.insert(name).second) return IntegrityError("the job names a dataset twice");
  }
  return dp::ValidateEvent(EventOf(reserved.terms()));
}

Status Book::CheckState(std::uint64_t job, JobState state) const {
  const auto found = jobs_.find(JobId(job));
  if (found == jobs_.end()) return IntegrityError("there is no job " + std::to_string(job));
  if (found->second.state != state) {
    return IntegrityError("job " + std::to_string(job) + " is in another state");
  }
  return Ok();
}

Status Book::CheckReleased(const proto::JobReleased& released) const {
  AH_RETURN_IF_ERROR(CheckState(released.job(), JobState::kCharged));
  return CheckSize(released.output_object(), wire::ObjectId::kSize, "output_object");
}

Status Book::CheckEnded(const proto::JobEnded& ended) const {
  // A charge is never given back: `charged` must say what the job's state says.
  return CheckState(ended.job(), ended.charged() ? JobState::kCharged : JobState::kReserved);
}

void Book::Apply(const proto::LedgerEntry& entry, ByteSpan bytes) {
  switch (entry.kind_case()) {
    case proto::LedgerEntry::kDatasetAdded:
      ApplyDataset(entry);
      break;
    case proto::LedgerEntry::kJobReserved:
      ApplyReserved(entry.job_reserved());
      break;
    case proto::LedgerEntry::kJobCharged:
      ApplyCharged(Mutable(entry.job_charged().job()));
      break;
    case proto::LedgerEntry::kJobReleased: {
      JobRecord& job = Mutable(entry.job_released().job());
      job.state = JobState::kReleased;
      job.output_object = FixedOf<wire::ObjectId>(entry.job_released().output_object());
      job.release_index = entry.index();
      releases_.emplace(job.id, CopyBytes(bytes));
      break;
    }
    case proto::LedgerEntry::kJobEnded:
      ApplyEnded(Mutable(entry.job_ended().job()), entry.job_ended());
      break;
    default:
      break;  // LedgerOpened and Refused change nothing
  }
  next_index_ = entry.index() + 1;
  last_time_ = UnixSeconds(entry.unix_seconds());
}

void Book::ApplyDataset(const proto::LedgerEntry& entry) {
  auto record = DatasetOf(entry.dataset_added(), UnixSeconds(entry.unix_seconds()));
  AH_CHECK(record.ok());
  objects_.insert(record->object_id);
  DatasetState state;
  state.record = *std::move(record);
  const std::string name = state.record.name;
  datasets_.emplace(name, std::move(state));
}

void Book::ApplyReserved(const proto::JobReserved& reserved) {
  JobRecord job;
  job.id = JobId(reserved.job());
  job.request.researcher = FixedOf<crypto::Ed25519PublicKey>(reserved.researcher_key());
  job.request.model_sha256 = FixedOf<crypto::Sha256Digest>(reserved.model_sha256());
  job.request.datasets.assign(reserved.datasets().begin(), reserved.datasets().end());
  job.request.terms = reserved.terms();
  const dp::DpEvent event = EventOf(job.request.terms);
  for (const std::string& name : job.request.datasets) {
    DatasetState& dataset = datasets_.at(name);
    dataset.budget.Reserve(job.id.value(), event);
    dataset.researchers[job.request.researcher].Reserve(job.id.value(), event);
    dataset.jobs.push_back(job.id);
  }
  jobs_.emplace(job.id, std::move(job));
}

void Book::ApplyCharged(JobRecord& job) {
  job.state = JobState::kCharged;
  job.charged = true;
  for (const std::string& name : job.request.datasets) {
    DatasetState& dataset = datasets_.at(name);
    dataset.budget.Charge(job.id.value());
    dataset.researchers.at(job.request.researcher).Charge(job.id.value());
  }
}

void Book::ApplyEnded(JobRecord& job, const proto::JobEnded& ended) {
  job.state = JobState::kEnded;
  if (ended.charged()) return;
  for (const std::string& name : job.request.datasets) {
    DatasetState& dataset = datasets_.at(name);
    dataset.budget.GiveBack(job.id.value());
    dataset.researchers.at(job.request.researcher).GiveBack(job.id.value());
    dataset.jobs.erase(std::remove(dataset.jobs.begin(), dataset.jobs.end(), job.id),
                       dataset.jobs.end());
  }
}

JobRecord& Book::Mutable(std::uint64_t job) {
  const auto found = jobs_.find(JobId(job));
  AH_CHECK(found != jobs_.end());
  return found->second;
}

Result<const DatasetState*> Book::Dataset(const std::string& name) const {
  const auto found = datasets_.find(name);
  if (found != datasets_.end()) return &found->second;
  AH_RETURN_IF_ERROR(wire::CheckName(name));  // so that the message repeats only what is a name
  return NotFound("dataset '" + name +
                  "': nothing is stored under this name; `anchorhold data "
                  "list` shows what is");
}

Result<const JobRecord*> Book::Job(JobId job) const {
  const auto found = jobs_.find(job);
  if (found != jobs_.end()) return &found->second;
  return NotFound("job " + std::to_string(job.value()) + ": there is no such job");
}

const Bytes& Book::ReleaseEntry(JobId job) const {
  const auto found = releases_.find(job);
  AH_CHECK(found != releases_.end());
  return found->second;
}

}  // namespace anchorhold::ledger
