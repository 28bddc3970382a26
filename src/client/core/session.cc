#include "client/core/session.h"

#include "client/core/messages.h"
#include "shared/base/limits.h"

namespace anchorhold::client {

Error ErrorOf(const wire::proto::Error& error) {
  const bool known = error.code() >= static_cast<std::uint32_t>(ErrorCode::kInvalidInput) &&
                     error.code() <= static_cast<std::uint32_t>(ErrorCode::kInternal);
  return Error(known ? static_cast<ErrorCode>(error.code()) : ErrorCode::kInternal,
               "the enclave says: " + OneLine(error.message()));
}

Error UnexpectedAnswer() {
  return IntegrityError(
      "the enclave gave an answer of the wrong kind; do client and enclave have "
      "the same version?");
}

Session::Session(channel::ClientChannel channel, EndorsementCache endorsements,
                 crypto::Ed25519PrivateKey key, Home::PolicyFile policy, Witness witness,
                 std::string server, const Clock& clock)
    : channel_(std::move(channel)),
      endorsements_(std::move(endorsements)),
      key_(std::move(key)),
      policy_(std::move(policy)),
      witness_(std::move(witness)),
      server_(std::move(server)),
      clock_(&clock) {}

Result<Session> Session::Connect(const Home& home, const ConnectOptions& options,
                                 const Clock& clock) {
  AH_ASSIGN_OR_RETURN(auto key, home.LoadKey());
  AH_ASSIGN_OR_RETURN(auto policy, home.ReadPolicy(options.policy));
  std::string server = options.server;
  if (server.empty()) {
    AH_ASSIGN_OR_RETURN(server, home.LoadServer());
  }
  const auto address = channel::ParseAddress(server);
  if (!address.ok()) return address.error().At("--server");
  EndorsementCache endorsements(home.endorsements_folder());
  AH_ASSIGN_OR_RETURN(auto channel, channel::ClientChannel::Connect(*address, key, policy.policy,
                                                                    clock, &endorsements));
  Witness witness(home.witness_folder(), channel.enclave_keys().ledger_key);
  Session session(std::move(channel), std::move(endorsements), std::move(key), std::move(policy),
                  std::move(witness), std::move(server), clock);
  AH_RETURN_IF_ERROR(session.UpdateWitness());
  return session;
}

Status Session::Send(const wire::proto::Request& request) {
  const Bytes message = SerializeMessage(request);
  if (message.size() > limits::kMessageBytesMax) {
    return LimitExceeded("the request has " + std::to_string(message.size()) +
                         " bytes; one message holds at most " +
                         std::to_string(limits::kMessageBytesMax));
  }
  return channel_.Send(message);
}

Result<wire::proto::Response> Session::Receive(int timeout_seconds) {
  AH_ASSIGN_OR_RETURN(const Bytes message, channel_.Receive(timeout_seconds));
  wire::proto::Response response;
  if (!ParseMessage(message, response)) return UnexpectedAnswer();
  if (response.has_error()) return ErrorOf(response.error());
  return response;
}

Result<wire::proto::Response> Session::Call(const wire::proto::Request& request,
                                            int timeout_seconds) {
  AH_RETURN_IF_ERROR(Send(request));
  return Receive(timeout_seconds);
}

Status Session::UpdateWitness() {
  AH_ASSIGN_OR_RETURN(const auto remembered, witness_.Load());
  wire::proto::Request request;
  request.mutable_tree_head()->set_old_size(remembered.has_value() ? remembered->size : 0);
  auto response = Call(request);
  if (!response.ok() && response.error().code() == ErrorCode::kInvalidInput) {
    // A ledger that has become shorter knows nothing of the old size. Its head alone shows that.
    request.mutable_tree_head()->set_old_size(0);
    response = Call(request);
  }
  if (!response.ok()) return response.error();
  if (!response->has_tree_head()) return UnexpectedAnswer();
  AH_ASSIGN_OR_RETURN(tree_head_, witness_.Accept(remembered, response->tree_head()));
  return Ok();
}

Status Session::WitnessOwnChange() {
  const Status updated = UpdateWitness();
  if (!updated.ok() && updated.error().code() == ErrorCode::kUnavailable) return Ok();
  return updated;
}

}  // namespace anchorhold::client
