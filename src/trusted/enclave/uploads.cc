#include "trusted/enclave/uploads.h"

#include <utility>

#include "shared/attest/contract_check.h"
#include "shared/crypto/hash.h"
#include "trusted/vault/dataset.h"

namespace anchorhold::enclave {
namespace {

namespace proto = wire::proto;

Status CheckSizes(const proto::PutBegin& request, const Service& service) {
  if (request.contract().size() > limits::kContractBytesMax) {
    return LimitExceeded("contract: at most " + std::to_string(limits::kContractBytesMax) +
                         " bytes");
  }
  if (request.schema().size() > limits::kSchemaBytesMax) {
    return LimitExceeded("schema: at most " + std::to_string(limits::kSchemaBytesMax) + " bytes");
  }
  if (request.object_bytes() < wire::kSealedHeaderBytes) {
    return InvalidInput("upload: " + std::to_string(request.object_bytes()) +
                        " bytes are no sealed object");
  }
  // 16 bytes of tag a chunk; a client may choose small chunks.
  if (request.object_bytes() > limits::kDatasetBytesMax + limits::kDatasetBytesMax / 16) {
    return LimitExceeded("dataset: at most " + std::to_string(limits::kDatasetBytesMax) + " bytes");
  }
  if (request.object_bytes() > kUploadBytesInFlightMax - service.upload_bytes_in_flight) {
    return Unavailable("the enclave is busy with other uploads; come back later");
  }
  return Ok();
}

Result<wire::Schema> ReadSchema(const proto::PutBegin& request, const wire::Contract& contract) {
  if (crypto::Sha256(AsBytes(request.schema())) != contract.schema_sha256) {
    return InvalidInput("contract: schema_sha256 is not the SHA-256 of the schema sent with it");
  }
  return wire::ParseSchema(AsBytes(request.schema()));
}

}  // namespace

Result<DatasetUpload> DatasetUpload::Begin(Service& service, const crypto::Ed25519PublicKey& owner,
                                           const proto::PutBegin& request) {
  AH_RETURN_IF_ERROR(CheckSizes(request, service));
  AH_ASSIGN_OR_RETURN(const auto signature,
                      crypto::Ed25519Signature::From(AsBytes(request.contract_signature())));
  AH_ASSIGN_OR_RETURN(
      wire::Contract contract,
      wire::AcceptContract(AsBytes(request.contract()), owner, signature, service.clock->Now()));
  // The ledger checks this again when the dataset is added; here it spares the owner the upload.
  AH_RETURN_IF_ERROR(attest::CheckContractAllows(contract, service.attester->platform(),
                                                 service.attester->measurement()));
  AH_ASSIGN_OR_RETURN(wire::Schema schema, ReadSchema(request, contract));
  AH_RETURN_IF_ERROR(service.ledger->CheckNameIsFree(contract.dataset));
  AH_ASSIGN_OR_RETURN(vault::Upload upload,
                      vault::Upload::Begin(*service.blobs, *service.sealing_key,
                                           wire::Content::kDataset, request.object_bytes()));
  return DatasetUpload(service, owner, request, std::move(contract), std::move(schema), signature,
                       std::move(upload));
}

DatasetUpload::DatasetUpload(Service& service, const crypto::Ed25519PublicKey& owner,
                             const proto::PutBegin& request, wire::Contract contract,
                             wire::Schema schema, const crypto::Ed25519Signature& signature,
                             vault::Upload upload)
    : service_(&service),
      owner_(owner),
      request_(request),
      contract_(std::move(contract)),
      schema_(std::move(schema)),
      signature_(signature),
      upload_(std::move(upload)) {
  service_->upload_bytes_in_flight += request_.object_bytes();
}

DatasetUpload::DatasetUpload(DatasetUpload&& other) noexcept
    : service_(std::exchange(other.service_, nullptr)),
      owner_(other.owner_),
      request_(std::move(other.request_)),
      contract_(std::move(other.contract_)),
      schema_(std::move(other.schema_)),
      signature_(other.signature_),
      upload_(std::move(other.upload_)) {}

DatasetUpload::~DatasetUpload() {
  if (service_ != nullptr) service_->upload_bytes_in_flight -= request_.object_bytes();
}

Result<proto::PutStored> DatasetUpload::Commit(const wire::ObjectId& expected) {
  AH_ASSIGN_OR_RETURN(const Bytes plaintext, upload_.Finish(expected));
  AH_RETURN_IF_ERROR(vault::CheckSealedFor(plaintext, owner_, AsBytes(request_.contract())));
  AH_ASSIGN_OR_RETURN(const train::ExampleSet examples, vault::ReadDataset(plaintext, schema_));
  AH_RETURN_IF_ERROR(vault::CheckContractFits(examples, contract_));
  // Another upload may have taken the name meanwhile; asked here, nothing is stored in vain.
  AH_RETURN_IF_ERROR(service_->ledger->CheckNameIsFree(contract_.dataset));
  AH_RETURN_IF_ERROR(upload_.Commit());
  AH_ASSIGN_OR_RETURN(
      const std::uint64_t index,
      service_->ledger->AddDataset(owner_, AsBytes(request_.contract()), signature_,
                                   AsBytes(request_.schema()), expected, request_.object_bytes()));
  service_->log->Info("dataset added", {{"dataset", PublicText(contract_.dataset)},
                                        {"owner", crypto::FingerprintOf(owner_)},
                                        {"object", expected}});
  proto::PutStored stored;
  stored.set_dataset(contract_.dataset);
  *stored.mutable_object_id() = CopyText(expected.span());
  stored.set_ledger_index(index);
  return stored;
}

}  // namespace anchorhold::enclave
