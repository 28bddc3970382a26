// Witnesses: a client remembers the last tree head that it verified of every ledger, and refuses a
// ledger that has since become shorter or different. The host can roll its disk back, but then
// every owner who comes along notices.
//
//   HOME/witness/HEX   a SignedTreeHead (receipt.proto) of the ledger whose key is HEX
#pragma once

#include <optional>
#include <string>

#include "shared/receipt/receipt.h"
#include "shared/wire/session.pb.h"

namespace anchorhold::client {

class Witness {
 public:
  Witness(std::string folder, const crypto::Ed25519PublicKey& ledger_key);

  // The head remembered, or nothing at the first meeting. kIntegrity if the file is damaged.
  Result<std::optional<receipt::TreeHeadClaims>> Load() const;

  // Checks what the enclave answers when it is asked for its tree head since `remembered`, and
  // remembers the new one. kRollback if it does not extend the one remembered; kIntegrity if it is
  // not signed by this ledger's key.
  Result<receipt::TreeHeadClaims> Accept(const std::optional<receipt::TreeHeadClaims>& remembered,
                                         const wire::proto::TreeHeadReply& reply) const;

  const std::string& path() const { return path_; }

 private:
  Status Remember(const receipt::TreeHeadClaims& claims, ByteSpan signed_head) const;

  std::string folder_;
  std::string path_;
  crypto::Ed25519PublicKey ledger_key_;
};

}  // namespace anchorhold::client
