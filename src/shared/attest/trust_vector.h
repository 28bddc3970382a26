// The trustworthiness vector of an Attestation Result (draft-ietf-rats-ar4si): eight judgements,
// each a number in -128..127 whose tier says what a relying party may make of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/attest/claims.h"

namespace anchorhold::attest {

enum class TrustTier : std::int8_t {
  kNone = 0,              // no judgement
  kAffirming = 2,         // appraised and found good
  kWarning = 32,          // good enough only for some purposes
  kContraindicated = 96,  // not to be trusted for this
};
std::string_view TrustTierName(TrustTier tier);

struct TrustVector {
  TrustTier instance_identity = TrustTier::kNone;  // a machine or service that is known
  TrustTier configuration = TrustTier::kNone;      // debug, migration and the like
  TrustTier executables = TrustTier::kNone;        // measurements against reference values
  TrustTier file_system = TrustTier::kNone;
  TrustTier hardware = TrustTier::kNone;        // genuine, and its firmware recent enough
  TrustTier runtime_opaque = TrustTier::kNone;  // memory that the operator cannot read
  TrustTier storage_opaque = TrustTier::kNone;
  TrustTier sourced_data = TrustTier::kNone;

  // The worst of the judgements that were made; kNone if none was.
  TrustTier Status() const;
  // {"instance-identity": 2, ...}: the judgements that were made.
  Claim ToClaim() const;
};

}  // namespace anchorhold::attest
