// One client's conversation, once TLS stands: parses a request, has it handled, gives the response.
// The first request must ask for fresh evidence; a client that skips it would be talking to it
// knows not whom, so it gets nothing else.
#pragma once

#include <optional>

#include "shared/wire/session.pb.h"
#include "trusted/enclave/service.h"
#include "trusted/enclave/uploads.h"

namespace anchorhold::enclave {

class Session {
 public:
  // `exporter` is the TLS session's exporter value.
  Session(Service& service, const crypto::Ed25519PublicKey& peer, Bytes exporter)
      : service_(&service), peer_(peer), exporter_(std::move(exporter)) {}

  // Answers one request. Every refusal is an answer too; nothing here ends the session.
  // Precondition: !following().
  wire::proto::Response Handle(ByteSpan message);

  // The job whose updates this client waits for. No other request is taken until its last one.
  const std::optional<ledger::JobId>& following() const { return following_; }
  void StopFollowing() { following_.reset(); }

 private:
  Result<wire::proto::Response> Dispatch(const wire::proto::Request& request);
  Result<wire::proto::Response> OnAttest(const wire::proto::AttestRequest& request);
  Result<wire::proto::Response> OnPutBegin(const wire::proto::PutBegin& request);
  Result<wire::proto::Response> OnPutChunk(const wire::proto::PutChunk& request);
  Result<wire::proto::Response> OnPutCommit(const wire::proto::PutCommit& request);
  Result<wire::proto::Response> OnTrain(const wire::proto::Train& request);
  Result<wire::proto::Response> OnWatch(const wire::proto::Watch& request);

  Service* service_;
  crypto::Ed25519PublicKey peer_;
  Bytes exporter_;
  bool attested_ = false;
  std::optional<DatasetUpload> upload_;
  std::optional<ledger::JobId> following_;
};

}  // namespace anchorhold::enclave
