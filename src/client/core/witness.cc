#include "client/core/witness.h"

#include "client/core/files.h"
#include "client/core/messages.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kTreeHeadBytesMax = 1024;

Error RolledBack(std::string why) {
  return RollbackError("the enclave's ledger has been rolled back: " + std::move(why) +
                       "; do not use it, and tell the operator and the other parties");
}

}  // namespace

Witness::Witness(std::string folder, const crypto::Ed25519PublicKey& ledger_key)
    : folder_(std::move(folder)),
      path_(JoinPath(folder_, ledger_key.hex())),
      ledger_key_(ledger_key) {}

Result<std::optional<receipt::TreeHeadClaims>> Witness::Load() const {
  using Claims = std::optional<receipt::TreeHeadClaims>;
  if (!PathExists(path_)) return Claims();
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(path_, kTreeHeadBytesMax));
  const Error damaged =
      IntegrityError(
          "this witness is damaged; restore it from a copy. Without it a rollback of "
          "the ledger cannot be noticed")
          .At(path_);
  wire::proto::SignedTreeHead head;
  if (!ParseMessage(file, head)) return damaged;
  const auto claims = receipt::VerifyTreeHead(head);
  if (!claims.ok() || claims->ledger_key != ledger_key_) return damaged;
  return Claims(*claims);
}

Result<receipt::TreeHeadClaims> Witness::Accept(
    const std::optional<receipt::TreeHeadClaims>& remembered,
    const wire::proto::TreeHeadReply& reply) const {
  const Bytes signed_head = CopyBytes(AsBytes(reply.tree_head()));
  wire::proto::SignedTreeHead head;
  if (signed_head.size() > kTreeHeadBytesMax || !ParseMessage(signed_head, head)) {
    return IntegrityError("the enclave's tree head is malformed");
  }
  AH_ASSIGN_OR_RETURN(const receipt::TreeHeadClaims claims, receipt::VerifyTreeHead(head));
  if (claims.ledger_key != ledger_key_) {
    return IntegrityError("the tree head is signed by another ledger than the attested one");
  }
  if (remembered.has_value()) {
    if (claims.size < remembered->size) {
      return RolledBack("it has " + std::to_string(claims.size) + " entries, and had " +
                        std::to_string(remembered->size));
    }
    if (claims.size == remembered->size && claims.root != remembered->root) {
      return RolledBack("its entries are not those that were there before");
    }
    if (claims.size > remembered->size && remembered->size > 0) {
      AH_ASSIGN_OR_RETURN(const auto path, DigestsOf(reply.consistency_path()));
      const Status extends = receipt::VerifyConsistency(remembered->size, remembered->root,
                                                        claims.size, claims.root, path);
      if (!extends.ok()) return RolledBack("it does not extend the entries that were there before");
    }
  }
  AH_RETURN_IF_ERROR(Remember(claims, signed_head));
  return claims;
}

Status Witness::Remember(const receipt::TreeHeadClaims& claims, ByteSpan signed_head) const {
  AH_RETURN_IF_ERROR(MakeFolder(folder_, 0700));
  AH_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Acquire(JoinPath(folder_, "lock")));
  // Another command of the same party may have seen a later head in the meantime: keep that one.
  AH_ASSIGN_OR_RETURN(const auto present, Load());
  if (present.has_value() && present->size > claims.size) return Ok();
  return WriteWholeFile(path_, signed_head, IfExists::kReplace, 0600);
}

}  // namespace anchorhold::client
