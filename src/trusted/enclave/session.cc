#include "trusted/enclave/session.h"

#include "shared/attest/answer.h"
#include "trusted/enclave/views.h"

namespace anchorhold::enclave {

namespace proto = wire::proto;

proto::Response Session::Handle(ByteSpan message) {
  AH_CHECK(!following_.has_value());
  proto::Request request;
  // protobuf bounds the depth (100); the channel has bounded the size.
  if (message.size() > limits::kMessageBytesMax ||
      !request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return ErrorResponse(InvalidInput("the request is not a message of this protocol"));
  }
  auto response = Dispatch(request);
  if (!response.ok()) return ErrorResponse(response.error());
  if (response->ByteSizeLong() > limits::kMessageBytesMax) {
    return ErrorResponse(LimitExceeded("the answer is larger than a message may be"));
  }
  return std::move(*response);
}

Result<proto::Response> Session::Dispatch(const proto::Request& request) {
  if (!attested_ && request.kind_case() != proto::Request::kAttest) {
    return PermissionDenied("the first request must ask for evidence");
  }
  proto::Response response;
  switch (request.kind_case()) {
    case proto::Request::kAttest:
      return OnAttest(request.attest());
    case proto::Request::kPutBegin:
      return OnPutBegin(request.put_begin());
    case proto::Request::kPutChunk:
      return OnPutChunk(request.put_chunk());
    case proto::Request::kPutCommit:
      return OnPutCommit(request.put_commit());
    case proto::Request::kTrain:
      return OnTrain(request.train());
    case proto::Request::kWatch:
      return OnWatch(request.watch());
    case proto::Request::kListDatasets: {
      AH_ASSIGN_OR_RETURN(*response.mutable_datasets(), ListDatasets(*service_));
      return response;
    }
    case proto::Request::kShowDataset: {
      AH_ASSIGN_OR_RETURN(*response.mutable_dataset(),
                          ShowDataset(*service_, request.show_dataset().name()));
      return response;
    }
    case proto::Request::kListJobs:
      *response.mutable_jobs() = ListJobs(*service_, peer_);
      return response;
    case proto::Request::kTreeHead: {
      AH_ASSIGN_OR_RETURN(*response.mutable_tree_head(),
                          ShowTreeHead(*service_, request.tree_head().old_size()));
      return response;
    }
    case proto::Request::KIND_NOT_SET:
      break;
  }
  return Unsupported("the request is of a kind that this version does not know");
}

Result<proto::Response> Session::OnAttest(const proto::AttestRequest& request) {
  AH_ASSIGN_OR_RETURN(const Bytes evidence,
                      attest::AnswerAttest(*service_->attester, *service_->keys,
                                           AsBytes(request.nonce()), exporter_));
  attested_ = true;
  proto::Response response;
  *response.mutable_attest()->mutable_evidence() = CopyText(evidence);
  return response;
}

Result<proto::Response> Session::OnPutBegin(const proto::PutBegin& request) {
  if (upload_) return InvalidInput("an upload is in progress on this connection");
  AH_ASSIGN_OR_RETURN(DatasetUpload upload, DatasetUpload::Begin(*service_, peer_, request));
  upload_.emplace(std::move(upload));
  proto::Response response;
  response.mutable_put_accepted();
  return response;
}

Result<proto::Response> Session::OnPutChunk(const proto::PutChunk& request) {
  if (!upload_) return InvalidInput("no upload is in progress on this connection");
  if (request.data().size() > limits::kMiB) {
    upload_.reset();
    return LimitExceeded("an upload's message holds at most 1 MiB");
  }
  const Status fed = upload_->Feed(AsBytes(request.data()));
  if (!fed.ok()) {
    upload_.reset();
    return fed.error();
  }
  proto::Response response;
  response.mutable_put_accepted();
  return response;
}

Result<proto::Response> Session::OnPutCommit(const proto::PutCommit& request) {
  if (!upload_) return InvalidInput("no upload is in progress on this connection");
  const auto expected = wire::ObjectId::From(AsBytes(request.object_id()));
  auto stored =
      expected.ok() ? upload_->Commit(*expected) : Result<proto::PutStored>(expected.error());
  upload_.reset();
  if (!stored.ok()) return stored.error();
  proto::Response response;
  *response.mutable_put_stored() = std::move(*stored);
  return response;
}

Result<proto::Response> Session::OnTrain(const proto::Train& request) {
  proto::Response response;
  AH_ASSIGN_OR_RETURN(*response.mutable_progress(), service_->jobs->Submit(peer_, request));
  following_ = ledger::JobId(response.progress().job());
  return response;
}

Result<proto::Response> Session::OnWatch(const proto::Watch& request) {
  const ledger::JobId job(request.job());
  AH_ASSIGN_OR_RETURN(proto::Response response, service_->jobs->Look(peer_, job));
  if (response.has_progress()) following_ = job;
  return response;
}

}  // namespace anchorhold::enclave
