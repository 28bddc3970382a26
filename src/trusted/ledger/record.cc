#include "trusted/ledger/record.h"

#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/crypto/random.h"

namespace anchorhold::ledger {
namespace {

constexpr std::string_view kMagic("AHLOG1\0\0", 8);

Bytes AssociatedData(const RecordPlace& place) {
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kMagic));
  writer.WriteU64(place.index);
  writer.WriteBytes(place.root.span());
  return std::move(writer).Take();
}

Error Refuse(std::uint64_t index, const char* what) {
  return IntegrityError("ledger record " + std::to_string(index) + ": " + what +
                        "; restore the host's newest copy of the log");
}

}  // namespace

Result<Bytes> SealRecord(const crypto::SecretBytes& key, const RecordPlace& place, ByteSpan entry) {
  AH_CHECK(!entry.empty());
  if (entry.size() > limits::kLedgerEntryBytesMax) {
    return LimitExceeded("a ledger entry of " + std::to_string(entry.size()) +
                         " bytes is over the limit of " +
                         std::to_string(limits::kLedgerEntryBytesMax) + "; shorten the documents");
  }
  AH_ASSIGN_OR_RETURN(const auto nonce,
                      crypto::AeadNonce::From(crypto::RandomBytes(crypto::kAeadNonceBytes)));
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kMagic));
  writer.WriteU64(place.index);
  writer.WriteBytes(nonce.span());
  writer.WriteBytes(crypto::AeadSeal(key, nonce, AssociatedData(place), entry));
  return std::move(writer).Take();
}

Result<Bytes> OpenRecord(const crypto::SecretBytes& key, const RecordPlace& place,
                         ByteSpan record) {
  if (record.size() <= kRecordOverheadBytes ||
      record.size() > kRecordOverheadBytes + limits::kLedgerEntryBytesMax) {
    return Refuse(place.index, "its size is impossible");
  }
  ByteReader reader(record);
  AH_ASSIGN_OR_RETURN(const ByteSpan magic, reader.ReadBytes(kMagic.size()));
  if (!BytesEqual(magic, AsBytes(kMagic))) return Refuse(place.index, "it is not a ledger record");
  AH_ASSIGN_OR_RETURN(const std::uint64_t index, reader.ReadU64());
  if (index != place.index) return Refuse(place.index, "it belongs to another place");
  AH_ASSIGN_OR_RETURN(const ByteSpan nonce_bytes, reader.ReadBytes(crypto::kAeadNonceBytes));
  AH_ASSIGN_OR_RETURN(const auto nonce, crypto::AeadNonce::From(nonce_bytes));
  AH_ASSIGN_OR_RETURN(const ByteSpan sealed, reader.ReadBytes(reader.remaining()));
  auto entry = crypto::AeadOpen(key, nonce, AssociatedData(place), sealed);
  if (!entry.ok()) {
    return Refuse(place.index, "it was altered, moved, or comes from another ledger");
  }
  return entry;
}

}  // namespace anchorhold::ledger
