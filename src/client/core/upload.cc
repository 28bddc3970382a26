#include "client/core/upload.h"

#include <algorithm>

#include "shared/attest/contract_check.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

using wire::proto::Request;

Status SendBytes(Session& session, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ByteSpan piece = bytes.first(std::min(bytes.size(), limits::kChunkBytesMax));
    Request request;
    request.mutable_put_chunk()->set_data(CopyText(piece));
    AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
    if (!answer.has_put_accepted()) return UnexpectedAnswer();
    bytes = bytes.subspan(piece.size());
  }
  return Ok();
}

Status Begin(Session& session, const PreparedUpload& upload, std::uint64_t object_bytes) {
  Request request;
  auto& begin = *request.mutable_put_begin();
  begin.set_contract(CopyText(upload.contract.file.text));
  begin.set_contract_signature(CopyText(upload.contract.signature.signature.span()));
  begin.set_schema(CopyText(upload.schema.text));
  begin.set_object_bytes(object_bytes);
  AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
  if (!answer.has_put_accepted()) return UnexpectedAnswer();
  return Ok();
}

Result<StoredDataset> Commit(Session& session, const std::string& name, const wire::ObjectId& id) {
  Request request;
  request.mutable_put_commit()->set_object_id(CopyText(id.span()));
  AH_ASSIGN_OR_RETURN(const auto answer, session.Call(request));
  if (!answer.has_put_stored()) return UnexpectedAnswer();
  const auto& stored = answer.put_stored();
  if (stored.dataset() != name || stored.object_id() != AsText(id.span())) {
    return IntegrityError("the enclave says that it has stored another dataset than was sent");
  }
  return StoredDataset{
      .name = name, .object_id = id, .object_bytes = 0, .ledger_index = stored.ledger_index()};
}

}  // namespace

Result<PreparedUpload> PrepareUpload(const std::string& csv_path, const std::string& schema_path,
                                     const std::string& contract_path,
                                     const crypto::Ed25519PublicKey& owner, UnixSeconds now) {
  PreparedUpload upload;
  AH_ASSIGN_OR_RETURN(upload.contract, ReadSignedContract(contract_path, now));
  if (upload.contract.signature.key != owner) {
    return PermissionDenied("the contract is signed by another key (" +
                            crypto::FingerprintOf(upload.contract.signature.key).hex() +
                            ") than this home's; sign it with 'anchorhold contract sign'")
        .At(contract_path);
  }
  AH_ASSIGN_OR_RETURN(upload.schema, ReadSchemaFile(schema_path));
  if (crypto::Sha256(upload.schema.text) != upload.contract.file.contract.schema_sha256) {
    return InvalidInput("the contract was made for another schema than " + schema_path +
                        "; make and sign a new contract")
        .At(contract_path);
  }
  AH_ASSIGN_OR_RETURN(upload.table, ReadTableFile(csv_path, upload.schema.schema));
  const Status rows =
      CheckPublicRows(upload.contract.file.contract.public_rows, upload.table.examples.rows);
  if (!rows.ok()) return rows.error().At(contract_path);
  const Status delta = CheckDelta(upload.contract.file.contract.delta, upload.table.examples.rows);
  if (!delta.ok()) return delta.error().At(contract_path);
  return upload;
}

Result<StoredDataset> Upload(Session& session, const PreparedUpload& upload,
                             const UploadProgress& progress) {
  const wire::Contract& contract = upload.contract.file.contract;
  // The owner's contract and the owner's policy may differ; the data goes only where both agree.
  const attest::AttestationResult& enclave = session.attestation();
  AH_RETURN_IF_ERROR(
      attest::CheckContractAllows(contract, enclave.platform(), enclave.measurement()));
  const Bytes plaintext = SerializeExamples(
      upload.table.examples,
      {{std::string(wire::kSealedForMetadataKey),
        wire::SealedForValue(upload.contract.signature.key, upload.contract.file.text)}});
  AH_ASSIGN_OR_RETURN(auto sealer,
                      wire::ObjectSealer::Create(session.enclave_keys().sealing_key,
                                                 wire::Content::kDataset, plaintext.size()));
  const wire::SealedHeader layout = sealer.layout();
  const std::uint64_t total = layout.ObjectBytes();
  AH_RETURN_IF_ERROR(Begin(session, upload, total));
  AH_RETURN_IF_ERROR(SendBytes(session, sealer.header()));
  std::uint64_t sent = sealer.header().size();
  ByteSpan rest = plaintext;
  for (std::uint64_t i = 0; i < layout.chunk_count(); ++i) {
    const std::size_t size = layout.PlaintextBytesOf(i);
    const Bytes chunk = sealer.SealNext(rest.first(size));
    rest = rest.subspan(size);
    AH_RETURN_IF_ERROR(SendBytes(session, chunk));
    sent += chunk.size();
    progress(sent, total);
  }
  AH_ASSIGN_OR_RETURN(StoredDataset stored, Commit(session, contract.dataset, sealer.Finish()));
  stored.object_bytes = total;
  AH_RETURN_IF_ERROR(session.WitnessOwnChange());
  return stored;
}

}  // namespace anchorhold::client
