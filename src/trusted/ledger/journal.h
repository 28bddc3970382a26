// The journal: the order in which an entry becomes a fact.
//
//   1. seal the entry                   (record.h)
//   2. LogStore::Append                 durable at the host
//   3. Anchor::Advance                  the host can no longer take it back
//   4. the tree grows, Write returns, and only then the caller changes its state
//
// A crash after 2 leaves a log that is longer than its anchor: on the next start the entry counts,
// although nobody was told that it did. That wastes budget at worst; it never refunds any.
//
// A failed step 2 is looked into: where the host says that it holds nothing at the index, nothing
// has happened, and the journal goes on (a disk that was full for a while, say). A host that lies
// about this can later show either of two records for that index, but only until the anchor has
// advanced past it, and neither was acknowledged before. In every other case (the record is there
// although the append failed, the host cannot say, the anchor did not advance) the journal cannot
// know what a restart would find, so it takes no more entries until one has found out.
#pragma once

#include <functional>

#include "shared/base/clock.h"
#include "shared/receipt/merkle.h"
#include "trusted/ledger/ledger.h"
#include "trusted/ledger/record.h"

namespace anchorhold::ledger {

class Journal {
 public:
  // Hands every entry of the log to `replay`, in order, then compares log and anchor. kIntegrity
  // for a record that does not open or that `replay` refuses; kRollback for a log that is behind
  // its anchor. `log` and `anchor` outlive the journal. Precondition: a key of
  // crypto::kAeadKeyBytes.
  static Result<Journal> Open(LogStore& log, Anchor& anchor, crypto::SecretBytes key,
                              const std::function<Status(ByteSpan entry)>& replay);

  // Size and root of the tree of acknowledged entries.
  const Anchor::Point& head() const { return head_; }
  // For proofs about any size up to the head's.
  const receipt::MerkleTree& tree() const { return tree_; }

  // On success the entry is durable and anchored. On failure the head is as it was.
  Status Write(ByteSpan entry);

 private:
  Journal(LogStore& log, Anchor& anchor, crypto::SecretBytes key);
  RecordPlace NextPlace() const { return {.index = head_.size, .root = head_.root}; }
  Anchor::Point Grow(ByteSpan entry);
  Status CompareWithAnchor();
  Error AfterFailedAppend(const Error& failure);
  Error Close(const Error& cause, const char* what);

  LogStore* log_;
  Anchor* anchor_;
  crypto::SecretBytes key_;
  receipt::MerkleTree tree_;  // one leaf ahead of the head if the anchor did not advance
  Anchor::Point head_;
  std::optional<Error> closed_;
};

}  // namespace anchorhold::ledger
