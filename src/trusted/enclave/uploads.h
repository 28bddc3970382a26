// One dataset on its way in. Everything that can be refused by reading documents is refused before
// a single chunk is accepted; the object becomes durable, and then the dataset is added to the
// ledger, before the owner is told that it is stored.
#pragma once

#include <optional>

#include "shared/wire/session.pb.h"
#include "trusted/enclave/service.h"
#include "trusted/vault/vault.h"

namespace anchorhold::enclave {

class DatasetUpload {
 public:
  // Checks signature, expiry, that the contract allows this enclave, the schema and its hash, the
  // size, and that the name is free.
  static Result<DatasetUpload> Begin(Service& service, const crypto::Ed25519PublicKey& owner,
                                     const wire::proto::PutBegin& request);
  ~DatasetUpload();
  DatasetUpload(DatasetUpload&& other) noexcept;
  DatasetUpload& operator=(DatasetUpload&&) = delete;

  Status Feed(ByteSpan chunk) { return upload_.Feed(chunk); }
  // The upload is at its end, whatever comes back.
  Result<wire::proto::PutStored> Commit(const wire::ObjectId& expected);

 private:
  DatasetUpload(Service& service, const crypto::Ed25519PublicKey& owner,
                const wire::proto::PutBegin& request, wire::Contract contract, wire::Schema schema,
                const crypto::Ed25519Signature& signature, vault::Upload upload);

  Service* service_;
  crypto::Ed25519PublicKey owner_;
  wire::proto::PutBegin request_;
  wire::Contract contract_;
  wire::Schema schema_;
  crypto::Ed25519Signature signature_;
  vault::Upload upload_;
};

}  // namespace anchorhold::enclave
