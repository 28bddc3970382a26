// A session with an enclave that has passed the party's policy. Connecting does, in this order:
// appraise the enclave (channel/client.h), then hold its ledger against the witness of the last
// visit. Only then can anything be asked or sent.
#pragma once

#include <memory>
#include <string>

#include "client/core/endorsement_cache.h"
#include "client/core/home.h"
#include "client/core/witness.h"
#include "shared/channel/client.h"
#include "shared/wire/session.pb.h"

namespace anchorhold::client {

inline constexpr int kAnswerSecondsMax = 60;
// A job may wait in the queue, and a step of a large model may take long.
inline constexpr int kProgressSecondsMax = 24 * 3600;

struct ConnectOptions {
  std::string server;  // "host:port"; empty: the one remembered in the home
  std::string policy;  // a policy file; empty: the home's
};

class Session {
 public:
  static Result<Session> Connect(const Home& home, const ConnectOptions& options,
                                 const Clock& clock);

  const std::string& server() const { return server_; }
  const attest::AppraisalPolicy& policy() const { return policy_.policy; }
  // Of the policy's file, in hex.
  const std::string& policy_sha256() const { return policy_.sha256; }
  const attest::AttestationResult& attestation() const { return channel_.attestation(); }
  const attest::EnclaveKeys& enclave_keys() const { return channel_.enclave_keys(); }
  const crypto::Ed25519PrivateKey& key() const { return key_; }
  // What the party keeps, for evidence that comes later in the session.
  const attest::EndorsementSource& endorsements() const { return endorsements_; }
  const receipt::TreeHeadClaims& tree_head() const { return tree_head_; }
  const Clock& clock() const { return *clock_; }

  // One request and its answer. An Error answer becomes this call's error, with its code.
  Result<wire::proto::Response> Call(const wire::proto::Request& request,
                                     int timeout_seconds = kAnswerSecondsMax);
  Status Send(const wire::proto::Request& request);
  Result<wire::proto::Response> Receive(int timeout_seconds);

  // Asks for the tree head, verifies it and remembers it.
  Status UpdateWitness();
  // The same after a change of one's own, so that a rollback past it is noticed too. A lost
  // connection is no error here: the change has happened, and the next visit will see it.
  Status WitnessOwnChange();

 private:
  Session(channel::ClientChannel channel, EndorsementCache endorsements,
          crypto::Ed25519PrivateKey key, Home::PolicyFile policy, Witness witness,
          std::string server, const Clock& clock);

  channel::ClientChannel channel_;
  EndorsementCache endorsements_;
  crypto::Ed25519PrivateKey key_;
  Home::PolicyFile policy_;
  Witness witness_;
  std::string server_;
  receipt::TreeHeadClaims tree_head_;
  const Clock* clock_;
};

// The error that an Error message of the wire stands for. A code that this version does not know
// becomes kInternal.
Error ErrorOf(const wire::proto::Error& error);
// kIntegrity, for an answer of another kind than the request calls for.
Error UnexpectedAnswer();

}  // namespace anchorhold::client
