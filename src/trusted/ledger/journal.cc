#include "trusted/ledger/journal.h"

#include "shared/base/limits.h"

namespace anchorhold::ledger {

Journal::Journal(LogStore& log, Anchor& anchor, crypto::SecretBytes key)
    : log_(&log), anchor_(&anchor), key_(std::move(key)), head_{.size = 0, .root = tree_.Root()} {}

Result<Journal> Journal::Open(LogStore& log, Anchor& anchor, crypto::SecretBytes key,
                              const std::function<Status(ByteSpan entry)>& replay) {
  Journal journal(log, anchor, std::move(key));
  for (;;) {
    AH_ASSIGN_OR_RETURN(const std::optional<Bytes> record, log.Read(journal.head_.size));
    if (!record.has_value()) break;
    if (journal.head_.size >= limits::kLedgerEntriesMax) {
      return LimitExceeded("the ledger's log holds more than " +
                           std::to_string(limits::kLedgerEntriesMax) + " records");
    }
    AH_ASSIGN_OR_RETURN(const Bytes entry, OpenRecord(journal.key_, journal.NextPlace(), *record));
    AH_RETURN_IF_ERROR(replay(entry));
    journal.head_ = journal.Grow(entry);
  }
  AH_RETURN_IF_ERROR(journal.CompareWithAnchor());
  return journal;
}

Anchor::Point Journal::Grow(ByteSpan entry) {
  tree_.Append(receipt::LeafHash(entry));
  return {.size = tree_.size(), .root = tree_.Root()};
}

Status Journal::CompareWithAnchor() {
  AH_ASSIGN_OR_RETURN(const std::optional<Anchor::Point> point, anchor_->Read());
  const std::string remedy =
      "; restore the newest state of the host (an older copy is refused, because it would give "
      "back "
      "budget that was spent)";
  if (!point.has_value()) {
    if (head_.size > 0) {
      return RollbackError("the ledger's log holds " + std::to_string(head_.size) +
                           " entries, but its anchor is gone" + remedy);
    }
    // Said before the first entry is written, so that a log without an anchor is always a fault.
    return anchor_->Advance(head_);
  }
  if (head_.size < point->size) {
    return RollbackError("the ledger's log ends at entry " + std::to_string(head_.size) +
                         ", its anchor remembers " + std::to_string(point->size) + remedy);
  }
  if (tree_.Root(point->size) != point->root) {
    return RollbackError("the ledger's log is not the one that its anchor remembers at entry " +
                         std::to_string(point->size) + remedy);
  }
  return head_.size > point->size ? anchor_->Advance(head_) : Ok();
}

Status Journal::Write(ByteSpan entry) {
  if (closed_.has_value()) return *closed_;
  if (head_.size >= limits::kLedgerEntriesMax) {
    return LimitExceeded("the ledger is full: it holds " + std::to_string(head_.size) + " entries");
  }
  AH_ASSIGN_OR_RETURN(const Bytes record, SealRecord(key_, NextPlace(), entry));
  const Status appended = log_->Append(head_.size, record);
  if (!appended.ok()) return AfterFailedAppend(appended.error());
  const Anchor::Point next = Grow(entry);
  const Status advanced = anchor_->Advance(next);
  if (!advanced.ok()) return Close(advanced.error(), "its anchor did not advance");
  head_ = next;
  return Ok();
}

Error Journal::AfterFailedAppend(const Error& failure) {
  const auto found = log_->Read(head_.size);
  if (!found.ok()) return Close(failure, "the host cannot say whether an entry was written");
  if (found->has_value()) return Close(failure, "an entry may or may not have been written");
  return failure.At("the ledger could not write an entry, and nothing has changed");
}

Error Journal::Close(const Error& cause, const char* what) {
  closed_ =
      Unavailable(std::string("the ledger takes no more entries until the enclave restarts: ") +
                  what + " (" + cause.message() + ")");
  return *closed_;
}

}  // namespace anchorhold::ledger
