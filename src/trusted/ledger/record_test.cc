#include "trusted/ledger/record.h"

#include <gtest/gtest.h>

#include "shared/base/limits.h"

namespace anchorhold::ledger {
namespace {

crypto::SecretBytes Key(int value) {
  return crypto::SecretBytes::CopyOf(Bytes(32, static_cast<std::byte>(value)));
}

RecordPlace Place(std::uint64_t index) {
  return {.index = index, .root = crypto::Sha256(AsBytes("the entries before"))};
}

TEST(Record, OpensWhereItWasSealed) {
  const auto record = SealRecord(Key(1), Place(7), AsBytes("an entry"));
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->size(), kRecordOverheadBytes + 8);
  const auto entry = OpenRecord(Key(1), Place(7), *record);
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(AsText(*entry), "an entry");
}

TEST(Record, SealedTwiceAtOneIndexSharesNoNonce) {
  const auto one = SealRecord(Key(1), Place(7), AsBytes("an entry"));
  const auto two = SealRecord(Key(1), Place(7), AsBytes("an entry"));
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_FALSE(BytesEqual(ByteSpan(*one).subspan(16, 12), ByteSpan(*two).subspan(16, 12)));
}

TEST(Record, OpensNowhereElse) {
  const auto record = SealRecord(Key(1), Place(7), AsBytes("an entry"));
  ASSERT_TRUE(record.ok());
  const auto refused = [&](const crypto::SecretBytes& key, const RecordPlace& place) {
    const auto entry = OpenRecord(key, place, *record);
    return !entry.ok() && entry.error().code() == ErrorCode::kIntegrity;
  };
  EXPECT_TRUE(refused(Key(2), Place(7)));
  EXPECT_TRUE(refused(Key(1), Place(8)));
  EXPECT_TRUE(refused(Key(1), {.index = 7, .root = crypto::Sha256(AsBytes("others"))}));
}

TEST(Record, AnyChangeIsRefused) {
  const auto record = SealRecord(Key(1), Place(7), AsBytes("an entry"));
  ASSERT_TRUE(record.ok());
  const auto refused = [](ByteSpan bytes) {
    const auto entry = OpenRecord(Key(1), Place(7), bytes);
    return !entry.ok() && entry.error().code() == ErrorCode::kIntegrity;
  };
  for (std::size_t i = 0; i < record->size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = *record;
      changed[i] ^= static_cast<std::byte>(1 << bit);
      EXPECT_TRUE(refused(changed)) << i << " " << bit;
    }
    EXPECT_TRUE(refused(ByteSpan(*record).first(i))) << i;
  }
  Bytes longer = *record;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(refused(longer));
}

TEST(Record, EntriesHaveALimit) {
  const Bytes largest(limits::kLedgerEntryBytesMax);
  const auto record = SealRecord(Key(1), Place(0), largest);
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(OpenRecord(Key(1), Place(0), *record).ok());
  const auto over = SealRecord(Key(1), Place(0), Bytes(largest.size() + 1));
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().code(), ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace anchorhold::ledger
