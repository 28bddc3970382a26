#include "client/core/catalog.h"

#include "shared/wire/contract.h"

namespace anchorhold::client {

using wire::proto::Request;

Result<std::vector<wire::proto::DatasetView>> ListDatasets(Session& session) {
  Request request;
  request.mutable_list_datasets();
  AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
  if (!answer.has_datasets()) return UnexpectedAnswer();
  const auto& datasets = answer.datasets().datasets();
  return std::vector<wire::proto::DatasetView>(datasets.begin(), datasets.end());
}

Result<wire::proto::DatasetView> ShowDataset(Session& session, const std::string& name) {
  AH_RETURN_IF_ERROR(wire::CheckName(name));
  Request request;
  request.mutable_show_dataset()->set_name(name);
  AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
  if (!answer.has_dataset() || answer.dataset().name() != name) return UnexpectedAnswer();
  return answer.dataset();
}

Result<std::vector<wire::proto::JobSummary>> ListJobs(Session& session) {
  Request request;
  request.mutable_list_jobs();
  AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
  if (!answer.has_jobs()) return UnexpectedAnswer();
  const auto& jobs = answer.jobs().jobs();
  return std::vector<wire::proto::JobSummary>(jobs.begin(), jobs.end());
}

}  // namespace anchorhold::client
