#include "trusted/enclave/views.h"

#include <variant>

#include "shared/wire/receipt.pb.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;

const char* EventState(ledger::JobState state) {
  switch (state) {
    case ledger::JobState::kReserved:
      return "reserved";
    case ledger::JobState::kCharged:
      return "charged";
    case ledger::JobState::kReleased:
      return "released";
    case ledger::JobState::kEnded:
      return "charged";
  }
  return "charged";
}

proto::SpentEvent EventView(const ledger::Spending::Item& item) {
  proto::SpentEvent view;
  view.set_job(item.job.value());
  *view.mutable_researcher() = CopyText(crypto::FingerprintOf(item.researcher).span());
  if (const auto* event = std::get_if<dp::PoissonSampledGaussian>(&item.event)) {
    view.set_sampling_probability(event->sampling_probability.value());
    view.set_noise_multiplier(event->noise_multiplier.value());
    view.set_steps(event->steps);
  }
  view.set_state(EventState(item.state));
  return view;
}

proto::DatasetView Summary(const ledger::DatasetRecord& record, const ledger::Spending& spending) {
  proto::DatasetView view;
  view.set_name(record.name);
  *view.mutable_owner() = CopyText(crypto::FingerprintOf(record.owner).span());
  *view.mutable_object_id() = CopyText(record.object_id.span());
  view.set_public_rows(record.contract.public_rows);
  view.set_epsilon_budget(record.contract.epsilon.value());
  view.set_delta(record.contract.delta.value());
  view.set_epsilon_spent(spending.epsilon.value());
  view.set_added_unix_seconds(record.added.value());
  return view;
}

std::uint64_t SizeOf(const proto::SignedTreeHead& signed_head) {
  proto::TreeHead head;
  AH_CHECK(head.ParseFromString(signed_head.tree_head()));
  return head.size();
}

constexpr int kTreeHeadAttemptsMax = 8;

}  // namespace

Result<proto::DatasetList> ListDatasets(const Service& service) {
  proto::DatasetList list;
  for (const ledger::DatasetRecord& record : service.ledger->Datasets()) {
    AH_ASSIGN_OR_RETURN(const ledger::Spending spending, service.ledger->SpendingOf(record.name));
    *list.add_datasets() = Summary(record, spending);
  }
  return list;
}

Result<proto::DatasetView> ShowDataset(const Service& service, const std::string& name) {
  AH_RETURN_IF_ERROR(wire::CheckName(name));
  AH_ASSIGN_OR_RETURN(const ledger::DatasetRecord record, service.ledger->FindDataset(name));
  AH_ASSIGN_OR_RETURN(const ledger::Spending spending, service.ledger->SpendingOf(name));
  proto::DatasetView view = Summary(record, spending);
  *view.mutable_contract() = CopyText(record.contract_text);
  *view.mutable_schema() = CopyText(record.schema_text);
  for (const ledger::Spending::Item& item : spending.items) *view.add_events() = EventView(item);
  return view;
}

proto::JobList ListJobs(const Service& service, const crypto::Ed25519PublicKey& caller) {
  proto::JobList list;
  for (const ledger::JobRecord& job : service.ledger->JobsOf(caller)) {
    proto::JobSummary* summary = list.add_jobs();
    summary->set_job(job.id.value());
    summary->set_state(service.jobs->StateName(job));
    for (const std::string& dataset : job.request.datasets) summary->add_datasets(dataset);
    summary->set_epsilon(job.request.terms.epsilon());
    summary->set_steps(job.request.terms.steps());
  }
  return list;
}

Result<proto::TreeHeadReply> ShowTreeHead(const Service& service, std::uint64_t old_size) {
  // The job thread may append between the two questions; a proof for another size than the head's
  // would be refused, so they are asked again.
  for (int attempt = 0; attempt < kTreeHeadAttemptsMax; ++attempt) {
    const proto::SignedTreeHead head = service.ledger->TreeHead();
    proto::TreeHeadReply reply;
    *reply.mutable_tree_head() = head.SerializeAsString();
    if (old_size == 0) return reply;
    AH_ASSIGN_OR_RETURN(const auto path, service.ledger->ConsistencyPath(old_size));
    if (SizeOf(head) != SizeOf(service.ledger->TreeHead())) continue;
    for (const crypto::Sha256Digest& node : path) {
      *reply.add_consistency_path() = CopyText(node.span());
    }
    return reply;
  }
  return Unavailable("the ledger is growing too fast to prove it; ask again");
}

}  // namespace anchorhold::enclave
