// An upload, in two halves. PrepareUpload reads and checks everything on the owner's machine and
// sends nothing. Upload seals the rows to the attested enclave's key, chunk by chunk, and sends
// ciphertext only.
#pragma once

#include <functional>
#include <string>

#include "client/core/contract_file.h"
#include "client/core/session.h"
#include "client/core/table.h"
#include "shared/wire/sealed_object.h"

namespace anchorhold::client {

struct PreparedUpload {
  SignedContract contract;
  SchemaFile schema;
  Table table;
};

// Refuses, before anybody is connected to: a table that does not fit its schema, a contract without
// a valid signature by `owner`, one that has expired, one for another schema, and one whose delta
// is not below 1/rows for the rows that are there.
Result<PreparedUpload> PrepareUpload(const std::string& csv_path, const std::string& schema_path,
                                     const std::string& contract_path,
                                     const crypto::Ed25519PublicKey& owner, UnixSeconds now);

struct StoredDataset {
  std::string name;
  wire::ObjectId object_id;
  std::uint64_t object_bytes = 0;
  std::uint64_t ledger_index = 0;
};

// Called after every chunk with bytes sent and bytes in all, of the ciphertext.
using UploadProgress = std::function<void(std::uint64_t sent, std::uint64_t total)>;

// kAttestationRefused if the contract does not name the enclave that was appraised; else the
// enclave's refusals, such as kAlreadyExists for a name that is taken.
Result<StoredDataset> Upload(Session& session, const PreparedUpload& upload,
                             const UploadProgress& progress);

}  // namespace anchorhold::client
