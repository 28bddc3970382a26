// A ledger's log: the input as one sealed record, then as the plain entries of a whole log, each
// with a 32-bit length before it. An entry that the book has checked must apply without breaking an
// invariant, and leave a book whose budgets can be asked.
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "trusted/ledger/book.h"
#include "trusted/ledger/record.h"

namespace {

using anchorhold::ByteReader;
using anchorhold::ByteSpan;
using anchorhold::ledger::Book;

void ReplayEntries(ByteSpan log) {
  Book book{anchorhold::crypto::Ed25519PublicKey()};
  ByteReader reader(log);
  while (reader.remaining() > 0) {
    const auto bytes = reader.ReadSized(anchorhold::limits::kLedgerEntryBytesMax);
    if (!bytes.ok()) return;
    anchorhold::wire::proto::LedgerEntry entry;
    if (!entry.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) return;
    if (!book.Check(entry).ok()) return;
    book.Apply(entry, *bytes);
  }
  for (const auto& [name, dataset] : book.datasets()) {
    static_cast<void>(dataset.budget.SpentAt(dataset.record.contract.delta));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto key = anchorhold::crypto::SecretBytes(anchorhold::crypto::kAeadKeyBytes);
  static_cast<void>(anchorhold::ledger::OpenRecord(key, {}, input));
  ReplayEntries(input);
  return 0;
}
