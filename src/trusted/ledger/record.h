// A record: one ledger entry, as the host keeps it.
//
//   record = magic(8) index(u64) nonce(12) sealed                integers are big-endian
//   magic  = "AHLOG1\0\0"
//   sealed = AES-256-GCM(log key, nonce, aad, entry), its 16-byte tag last
//   aad    = magic || index || root(32)
//   root   = root of the Merkle tree (RFC 9162) over the entries ahead of this one
//   entry  = wire::proto::LedgerEntry, 1 to limits::kLedgerEntryBytesMax bytes
//
// The root chains every record to all before it: one that was altered, moved, left out or taken
// from another ledger does not open. Nonces are random, because after a crash an index may be
// sealed a second time; over limits::kLedgerEntriesMax records the chance that two of them ever
// share one is below 2^-43.
#pragma once

#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"

namespace anchorhold::ledger {

inline constexpr std::size_t kRecordOverheadBytes =
    8 + 8 + crypto::kAeadNonceBytes + crypto::kAeadTagBytes;

// Where a record stands.
struct RecordPlace {
  std::uint64_t index = 0;
  crypto::Sha256Digest root;  // of the tree of the `index` entries ahead of it
};

// kLimitExceeded for an entry that is too large. Precondition: a key of crypto::kAeadKeyBytes.
Result<Bytes> SealRecord(const crypto::SecretBytes& key, const RecordPlace& place, ByteSpan entry);

// The entry. kIntegrity unless the record was sealed with this key for exactly this place.
Result<Bytes> OpenRecord(const crypto::SecretBytes& key, const RecordPlace& place, ByteSpan record);

}  // namespace anchorhold::ledger
