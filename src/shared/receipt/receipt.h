// Receipts: what a job did, verifiable offline (receipt.proto has the bytes).
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/attest/verifier.h"
#include "shared/receipt/merkle.h"
#include "shared/wire/receipt.pb.h"

namespace anchorhold::receipt {

inline constexpr std::string_view kTreeHeadSignatureContext = "anchorhold tree head v1";

// A tree head whose signature holds under the key that it names. Whose key that is, is for the
// caller to check.
struct TreeHeadClaims {
  crypto::Ed25519PublicKey ledger_key;
  std::uint64_t size = 0;
  crypto::Sha256Digest root;
  UnixSeconds time;
};
// kIntegrity if the signature does not hold, kInvalidInput if the bytes are no tree head.
Result<TreeHeadClaims> VerifyTreeHead(const wire::proto::SignedTreeHead& head);
// Precondition: head.ledger_key is ledger_key's public key.
wire::proto::SignedTreeHead SignTreeHead(const TreeHeadClaims& head,
                                         const crypto::Ed25519PrivateKey& ledger_key);

// What a receipt proves, once every check has passed.
struct VerifiedReceipt {
  wire::proto::LedgerEntry entry;  // with job_released
  TreeHeadClaims tree_head;
  attest::AttestationResult attestation;
};

// Checks, in this order: the evidence against `policy` and that it binds the keys; the tree head's
// signature by the attested ledger key; the entry's inclusion; that the entry is a release and its
// measurement and platform are the attested ones. Pure: `now` only dates the appraisal.
//
// Messages are read strictly: each must be the bytes that this version would write, without unknown
// fields, so that a receipt cannot be altered and still be accepted. kInvalidInput if it is no
// receipt of this version, kAttestationRefused, or kIntegrity.
// `endorsements` adds to those that the evidence brings along; null: none.
Result<VerifiedReceipt> VerifyReceipt(ByteSpan receipt, const attest::AppraisalPolicy& policy,
                                      UnixSeconds now,
                                      const attest::EndorsementSource* endorsements = nullptr);

}  // namespace anchorhold::receipt
