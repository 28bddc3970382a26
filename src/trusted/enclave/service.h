// What a session works with: made once in main, shared by all sessions, used by the relay's thread
// alone (the ledger and the store also by the job thread, which they allow).
#pragma once

#include "shared/attest/evidence.h"
#include "shared/base/clock.h"
#include "shared/base/limits.h"
#include "shared/base/log.h"
#include "shared/crypto/hpke.h"
#include "trusted/enclave/jobs.h"
#include "trusted/ledger/ledger.h"
#include "trusted/vault/vault.h"

namespace anchorhold::enclave {

// Plaintext of uploads in progress lies in memory until they end; their declared sizes may add up
// to this.
inline constexpr std::uint64_t kUploadBytesInFlightMax = 2 * limits::kGiB;

struct Service {
  attest::Attester* attester = nullptr;
  const attest::EnclaveKeys* keys = nullptr;
  const crypto::HpkePrivateKey* sealing_key = nullptr;
  ledger::Ledger* ledger = nullptr;
  vault::BlobStore* blobs = nullptr;
  Jobs* jobs = nullptr;
  const Clock* clock = nullptr;
  const Log* log = nullptr;
  std::uint64_t upload_bytes_in_flight = 0;
};

}  // namespace anchorhold::enclave
