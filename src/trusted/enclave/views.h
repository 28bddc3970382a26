// What the enclave shows of its ledger. Everything here is public by contract, or the caller's own.
#pragma once

#include "shared/wire/session.pb.h"
#include "trusted/enclave/service.h"

namespace anchorhold::enclave {

// Every dataset, by name; without texts and events, which ShowDataset gives.
Result<wire::proto::DatasetList> ListDatasets(const Service& service);
Result<wire::proto::DatasetView> ShowDataset(const Service& service, const std::string& name);
// The caller's own jobs, oldest first.
wire::proto::JobList ListJobs(const Service& service, const crypto::Ed25519PublicKey& caller);
Result<wire::proto::TreeHeadReply> ShowTreeHead(const Service& service, std::uint64_t old_size);

}  // namespace anchorhold::enclave
