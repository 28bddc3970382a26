#include "shared/receipt/receipt.h"

#include <string>
#include <vector>

#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "shared/wire/strict_proto.h"

namespace anchorhold::receipt {
namespace {

using wire::proto::LedgerEntry;
using wire::proto::Receipt;
using wire::proto::SignedTreeHead;

// An inclusion path has at most one hash for each bit of the tree's size.
constexpr int kPathMax = 64;

ByteSpan Span(const std::string& bytes) { return AsBytes(bytes); }
std::string Text(ByteSpan bytes) { return CopyText(bytes); }

// The fields of receipt.proto and training.proto, which a receipt may hold and no others.
constexpr wire::ProtoShape kOptimizer{"vdddddvdd"};
constexpr wire::ProtoShape kSchedule{"bvddv"};
constexpr wire::ProtoShape kLoss{"bdvbd"};
constexpr wire::ProtoShape kTerms{"bbdddddvddmmmbb", {&kOptimizer, &kSchedule, &kLoss}};
constexpr wire::ProtoShape kCharge{"bbbbddd"};
constexpr wire::ProtoShape kReleased{"vbbbbmmbb", {&kTerms, &kCharge}};
// Entries of other kinds are refused in any case: their content stays closed.
constexpr wire::ProtoShape kEntry{"vvbbbbmbb", {&kReleased}};
constexpr wire::ProtoShape kTreeHead{"bvbv"};
constexpr wire::ProtoShape kSignedTreeHead{"bb"};
constexpr wire::ProtoShape kReceipt{"bbmbb", {&kSignedTreeHead}};

// Protobuf accepts many spellings of one message and skips what it does not know. Only the spelling
// that this program writes passes.
template <typename Message>
Result<Message> ParseStrictly(ByteSpan bytes, const wire::ProtoShape& shape, const char* what) {
  const Status known = wire::ExpectKnownFields(bytes, shape);
  if (!known.ok()) return known.error().At(what);
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      message.SerializeAsString() != AsText(bytes)) {
    return InvalidInput(std::string(what) + ": truncated, changed or of another version");
  }
  return message;
}

template <typename Fixed>
Result<Fixed> ReadFixed(const std::string& bytes, const char* what) {
  Result<Fixed> fixed = Fixed::From(Span(bytes));
  if (!fixed.ok()) return fixed.error().At(what);
  return fixed;
}

Result<Receipt> ParseReceipt(ByteSpan bytes) {
  if (bytes.size() > limits::kReceiptBytesMax) {
    return LimitExceeded("receipt: " + std::to_string(bytes.size()) + " bytes; the limit is " +
                         std::to_string(limits::kReceiptBytesMax));
  }
  return ParseStrictly<Receipt>(bytes, kReceipt, "receipt");
}

Status CheckInclusion(const Receipt& receipt, std::uint64_t index, const TreeHeadClaims& head) {
  if (receipt.inclusion_path_size() > kPathMax) {
    return LimitExceeded("receipt: an inclusion path of more than " + std::to_string(kPathMax) +
                         " hashes");
  }
  std::vector<crypto::Sha256Digest> path;
  for (const std::string& bytes : receipt.inclusion_path()) {
    AH_ASSIGN_OR_RETURN(const auto hash, ReadFixed<crypto::Sha256Digest>(bytes, "receipt: path"));
    path.push_back(hash);
  }
  const Status status =
      VerifyInclusion(LeafHash(Span(receipt.entry())), index, head.size, path, head.root);
  if (!status.ok()) return status.error().At("receipt");
  return Ok();
}

Status CheckRelease(const LedgerEntry& entry, const attest::AttestationResult& attestation) {
  if (entry.kind_case() != LedgerEntry::kJobReleased) {
    return IntegrityError("receipt: its ledger entry is not the release of a job");
  }
  if (!BytesEqual(Span(entry.job_released().measurement()), attestation.measurement()) ||
      entry.job_released().platform() != attest::PlatformName(attestation.platform())) {
    return IntegrityError("receipt: the release names another enclave than the attested one");
  }
  return Ok();
}

}  // namespace

SignedTreeHead SignTreeHead(const TreeHeadClaims& head,
                            const crypto::Ed25519PrivateKey& ledger_key) {
  AH_CHECK(head.ledger_key == ledger_key.public_key());
  wire::proto::TreeHead message;
  message.set_ledger_key(Text(head.ledger_key.span()));
  message.set_size(head.size);
  message.set_root(Text(head.root.span()));
  message.set_unix_seconds(head.time.value());
  SignedTreeHead out;
  out.set_tree_head(message.SerializeAsString());
  out.set_signature(Text(ledger_key.Sign(kTreeHeadSignatureContext, Span(out.tree_head())).span()));
  return out;
}

Result<TreeHeadClaims> VerifyTreeHead(const SignedTreeHead& head) {
  if (head.tree_head().size() > limits::kReceiptBytesMax) {
    return LimitExceeded("tree head: " + std::to_string(head.tree_head().size()) + " bytes");
  }
  AH_ASSIGN_OR_RETURN(const auto message, ParseStrictly<wire::proto::TreeHead>(
                                              Span(head.tree_head()), kTreeHead, "tree head"));
  TreeHeadClaims claims;
  AH_ASSIGN_OR_RETURN(claims.ledger_key, ReadFixed<crypto::Ed25519PublicKey>(
                                             message.ledger_key(), "tree head: ledger key"));
  AH_ASSIGN_OR_RETURN(claims.root,
                      ReadFixed<crypto::Sha256Digest>(message.root(), "tree head: root"));
  AH_ASSIGN_OR_RETURN(const auto signature, ReadFixed<crypto::Ed25519Signature>(
                                                head.signature(), "tree head: signature"));
  if (!crypto::VerifySignature(claims.ledger_key, kTreeHeadSignatureContext, Span(head.tree_head()),
                               signature)
           .ok()) {
    return IntegrityError("tree head: the signature is not the ledger's over exactly these bytes");
  }
  claims.size = message.size();
  claims.time = UnixSeconds(message.unix_seconds());
  return claims;
}

Result<VerifiedReceipt> VerifyReceipt(ByteSpan receipt, const attest::AppraisalPolicy& policy,
                                      UnixSeconds now,
                                      const attest::EndorsementSource* endorsements) {
  AH_ASSIGN_OR_RETURN(const Receipt message, ParseReceipt(receipt));
  AH_ASSIGN_OR_RETURN(const attest::EnclaveKeys keys,
                      attest::ParseKeys(Span(message.enclave_keys())));
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedEvidence evidence,
                      attest::ParseEvidence(Span(message.evidence())));
  AH_ASSIGN_OR_RETURN(
      attest::AttestationResult attestation,
      attest::Appraise(now, evidence, policy, attest::BindKeys(keys), endorsements));
  AH_ASSIGN_OR_RETURN(const TreeHeadClaims head, VerifyTreeHead(message.tree_head()));
  if (head.ledger_key != keys.ledger_key) {
    return IntegrityError("receipt: the tree head is signed by another key than the enclave's");
  }
  AH_ASSIGN_OR_RETURN(LedgerEntry entry, ParseStrictly<LedgerEntry>(Span(message.entry()), kEntry,
                                                                    "receipt: ledger entry"));
  AH_RETURN_IF_ERROR(CheckInclusion(message, entry.index(), head));
  AH_RETURN_IF_ERROR(CheckRelease(entry, attestation));
  return VerifiedReceipt{std::move(entry), head, std::move(attestation)};
}

}  // namespace anchorhold::receipt
