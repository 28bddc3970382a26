// What an enclave tells whoever may connect: datasets with what is left of them, and one's own
// jobs.
#pragma once

#include <vector>

#include "client/core/session.h"

namespace anchorhold::client {

Result<std::vector<wire::proto::DatasetView>> ListDatasets(Session& session);
// kNotFound from the enclave for a name that nothing bears.
Result<wire::proto::DatasetView> ShowDataset(Session& session, const std::string& name);
Result<std::vector<wire::proto::JobSummary>> ListJobs(Session& session);

}  // namespace anchorhold::client
