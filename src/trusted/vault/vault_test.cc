#include "trusted/vault/vault.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "shared/base/limits.h"

namespace anchorhold::vault {
namespace {

// A host in memory. `tamper` edits what Read gives; writes fail when told to.
class MemoryBlobs final : public BlobStore {
 public:
  Result<std::uint64_t> Begin() override {
    if (begin_fails) return Unavailable("the disk is full");
    open[++last] = {};
    return last;
  }
  Status Append(std::uint64_t upload, ByteSpan bytes) override {
    if (append_fails) return Unavailable("the disk is full");
    largest_append = std::max(largest_append, bytes.size());
    AppendBytes(open.at(upload), bytes);
    return Ok();
  }
  Status Commit(std::uint64_t upload, const wire::ObjectId& id) override {
    if (commit_fails) return Unavailable("the disk is full");
    stored[id] = open.at(upload);
    open.erase(upload);
    return Ok();
  }
  Status Abort(std::uint64_t upload) override {
    open.erase(upload);
    return Ok();
  }
  Result<Bytes> Read(const wire::ObjectId& id, std::uint64_t offset, std::uint32_t count) override {
    if (reads_fail) return Unavailable("the disk is broken");
    const auto found = stored.find(id);
    if (found == stored.end()) return NotFound("no such object");
    const ByteSpan all = found->second;
    const std::size_t from = std::min<std::size_t>(offset, all.size());
    Bytes bytes = CopyBytes(all.subspan(from, std::min<std::size_t>(count, all.size() - from)));
    if (tamper) tamper(bytes, offset);
    return bytes;
  }

  std::map<std::uint64_t, Bytes> open;
  std::map<wire::ObjectId, Bytes> stored;
  std::uint64_t last = 0;
  std::size_t largest_append = 0;
  bool begin_fails = false;
  bool append_fails = false;
  bool commit_fails = false;
  bool reads_fail = false;
  std::function<void(Bytes&, std::uint64_t)> tamper;
};

constexpr wire::Content kContent = wire::Content::kDataset;

class VaultTest : public ::testing::Test {
 protected:
  // Three chunks of 64, 64 and 32 bytes.
  void SetUp() override {
    for (int i = 0; i < 160; ++i) plaintext.push_back(static_cast<std::byte>(i));
    object = Seal(key.public_key(), plaintext, 64);
  }

  static wire::SealedObject Seal(const crypto::HpkePublicKey& to, ByteSpan plain,
                                 std::uint32_t chunk_bytes) {
    auto sealer = wire::ObjectSealer::Create(to, kContent, plain.size(), chunk_bytes);
    AH_CHECK(sealer.ok());
    wire::SealedObject sealed;
    sealed.bytes = sealer->header();
    for (std::uint64_t i = 0; i < sealer->layout().chunk_count(); ++i) {
      const std::size_t count = sealer->layout().PlaintextBytesOf(i);
      AppendBytes(sealed.bytes, sealer->SealNext(plain.first(count)));
      plain = plain.subspan(count);
    }
    sealed.id = sealer->Finish();
    return sealed;
  }

  // The whole way in, in pieces of `step` bytes.
  Result<Bytes> Put(ByteSpan bytes, std::size_t step, std::uint64_t announced) {
    AH_ASSIGN_OR_RETURN(Upload upload, Upload::Begin(store, key, kContent, announced));
    while (!bytes.empty()) {
      const std::size_t count = std::min(step, bytes.size());
      AH_RETURN_IF_ERROR(upload.Feed(bytes.first(count)));
      bytes = bytes.subspan(count);
    }
    AH_ASSIGN_OR_RETURN(Bytes plain, upload.Finish(object.id));
    AH_RETURN_IF_ERROR(upload.Commit());
    return plain;
  }
  void ExpectNothingKept() {
    EXPECT_TRUE(store.open.empty());
    EXPECT_TRUE(store.stored.empty());
  }
  ErrorCode OpenCode() {
    const auto opened = Open(store, key, kContent, object.id);
    return opened.ok() ? ErrorCode::kInternal : opened.error().code();
  }

  crypto::HpkePrivateKey key = crypto::HpkePrivateKey::Generate();
  MemoryBlobs store;
  Bytes plaintext;
  wire::SealedObject object;
};

TEST_F(VaultTest, TakesPiecesOfAnySize) {
  for (const std::size_t step : {1u, 2u, 7u, 64u, 80u, 134u, 135u, 136u, 200u, 1000u}) {
    store.stored.clear();
    const auto plain = Put(object.bytes, step, object.bytes.size());
    ASSERT_TRUE(plain.ok()) << step << plain.error().message();
    EXPECT_EQ(*plain, plaintext);
    EXPECT_EQ(store.stored.at(object.id), object.bytes);  // as it came
    EXPECT_TRUE(store.open.empty());
    const auto opened = Open(store, key, kContent, object.id);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(*opened, plaintext);
  }
}

TEST_F(VaultTest, IsNotStoredBeforeCommit) {
  auto upload = Upload::Begin(store, key, kContent, object.bytes.size());
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE(upload->Feed(object.bytes).ok());
  ASSERT_TRUE(upload->Finish(object.id).ok());
  EXPECT_TRUE(store.stored.empty());
  ASSERT_TRUE(upload->Commit().ok());
  EXPECT_EQ(store.stored.size(), 1u);
}

TEST_F(VaultTest, AbortsWhatIsDropped) {
  {
    auto upload = Upload::Begin(store, key, kContent, object.bytes.size());
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE(upload->Feed(ByteSpan(object.bytes).first(200)).ok());
    EXPECT_EQ(store.open.size(), 1u);
    auto other = Upload::Begin(store, key, kContent, object.bytes.size());
    ASSERT_TRUE(other.ok());
    *upload = *std::move(other);
  }
  ExpectNothingKept();
}

TEST_F(VaultTest, RefusesEveryFlippedByte) {
  for (std::size_t i = 0; i < object.bytes.size(); ++i) {
    Bytes changed = object.bytes;
    changed[i] ^= static_cast<std::byte>(1 << (i % 8));
    EXPECT_FALSE(Put(changed, 50, changed.size()).ok()) << i;
    ExpectNothingKept();
  }
}

TEST_F(VaultTest, RefusesEveryLength) {
  for (std::size_t size = 0; size < object.bytes.size(); ++size) {
    const ByteSpan cut = ByteSpan(object.bytes).first(size);
    const auto as_announced = Put(cut, 50, size);
    ASSERT_FALSE(as_announced.ok()) << size;
    const auto early = Put(cut, 50, object.bytes.size());
    ASSERT_FALSE(early.ok()) << size;
    EXPECT_EQ(early.error().code(), ErrorCode::kIntegrity);
  }
  Bytes longer = object.bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Put(longer, 50, longer.size()).ok());
  const auto more_than_announced = Put(longer, 50, object.bytes.size());
  ASSERT_FALSE(more_than_announced.ok());
  EXPECT_EQ(more_than_announced.error().code(), ErrorCode::kInvalidInput);
  ExpectNothingKept();
}

TEST_F(VaultTest, RefusesSwappedChunks) {
  Bytes swapped = object.bytes;
  std::swap_ranges(swapped.begin() + 135, swapped.begin() + 215, swapped.begin() + 215);
  const auto put = Put(swapped, 50, swapped.size());
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code(), ErrorCode::kIntegrity);
}

TEST_F(VaultTest, RefusesAnotherIdKeyOrContent) {
  const auto another = Seal(key.public_key(), plaintext, 64);
  EXPECT_FALSE(Put(another.bytes, 50, another.bytes.size()).ok());
  object = Seal(crypto::HpkePrivateKey::Generate().public_key(), plaintext, 64);
  EXPECT_FALSE(Put(object.bytes, 50, object.bytes.size()).ok());
  const auto weights = wire::SealObject(key.public_key(), wire::Content::kWeights, plaintext);
  ASSERT_TRUE(weights.ok());
  object = *weights;
  EXPECT_FALSE(Put(object.bytes, 50, object.bytes.size()).ok());
  ExpectNothingKept();
}

TEST_F(VaultTest, RefusesSizesBeforeAnyByte) {
  const auto announce = [&](std::uint64_t bytes) {
    return Upload::Begin(store, key, kContent, bytes).error().code();
  };
  EXPECT_EQ(announce(0), ErrorCode::kInvalidInput);
  EXPECT_EQ(announce(wire::kSealedHeaderBytes), ErrorCode::kInvalidInput);
  EXPECT_EQ(announce(limits::kObjectBytesMax + 1), ErrorCode::kLimitExceeded);
  EXPECT_EQ(store.last, 0u);
}

TEST_F(VaultTest, RefusesAPlaintextOverTheLimitAtItsHeader) {
  const auto sealer =
      wire::ObjectSealer::Create(key.public_key(), kContent, limits::kDatasetBytesMax + 1);
  if (!sealer.ok()) GTEST_SKIP() << "the format itself refuses it";
  auto upload = Upload::Begin(store, key, kContent, sealer->layout().ObjectBytes());
  ASSERT_TRUE(upload.ok());
  const Status fed = upload->Feed(sealer->header());
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().code(), ErrorCode::kLimitExceeded);
  ExpectNothingKept();
}

TEST_F(VaultTest, TheFirstErrorIsFinal) {
  auto upload = Upload::Begin(store, key, kContent, object.bytes.size());
  ASSERT_TRUE(upload.ok());
  EXPECT_FALSE(upload->Feed(Bytes(135)).ok());
  ExpectNothingKept();
  EXPECT_FALSE(upload->Feed(object.bytes).ok());
  EXPECT_FALSE(upload->Finish(object.id).ok());
}

TEST_F(VaultTest, PassesTheHostsFailuresOn) {
  store.begin_fails = true;
  EXPECT_EQ(Put(object.bytes, 50, object.bytes.size()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Store(store, object).error().code(), ErrorCode::kUnavailable);
  store.begin_fails = false;
  store.append_fails = true;
  EXPECT_EQ(Put(object.bytes, 50, object.bytes.size()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Store(store, object).error().code(), ErrorCode::kUnavailable);
  store.append_fails = false;
  store.commit_fails = true;
  EXPECT_EQ(Put(object.bytes, 50, object.bytes.size()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Store(store, object).error().code(), ErrorCode::kUnavailable);
  ExpectNothingKept();
  EXPECT_EQ(OpenCode(), ErrorCode::kNotFound);
  store.reads_fail = true;
  EXPECT_EQ(OpenCode(), ErrorCode::kUnavailable);
}

TEST_F(VaultTest, StoresWhatWasSealedInside) {
  const Bytes large(3 * limits::kMiB + 5, std::byte{0x5a});
  const auto sealed = wire::SealObject(key.public_key(), wire::Content::kWeights, large);
  ASSERT_TRUE(sealed.ok());
  ASSERT_TRUE(Store(store, *sealed).ok());
  EXPECT_LE(store.largest_append, limits::kChunkBytesMax);
  const auto opened = Open(store, key, wire::Content::kWeights, sealed->id);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(*opened, large);
  EXPECT_FALSE(Open(store, key, kContent, sealed->id).ok());
}

TEST_F(VaultTest, AHostThatLiesIsFoundOut) {
  ASSERT_TRUE(Store(store, object).ok());
  // Any byte changed on the way.
  for (std::size_t i = 0; i < object.bytes.size(); ++i) {
    store.tamper = [i](Bytes& bytes, std::uint64_t offset) {
      if (i >= offset && i - offset < bytes.size()) bytes[i - offset] ^= std::byte{0x10};
    };
    EXPECT_EQ(OpenCode(), ErrorCode::kIntegrity) << i;
  }
  // Fewer or more bytes than asked for.
  for (const int change : {-1, 1}) {
    for (const std::uint64_t from : {std::uint64_t{0}, std::uint64_t{135}}) {
      store.tamper = [=](Bytes& bytes, std::uint64_t offset) {
        if (offset == from) bytes.resize(bytes.size() + static_cast<std::size_t>(change));
      };
      EXPECT_EQ(OpenCode(), ErrorCode::kIntegrity);
    }
  }
  store.tamper = [](Bytes& bytes, std::uint64_t) { bytes.clear(); };
  EXPECT_EQ(OpenCode(), ErrorCode::kIntegrity);
  store.tamper = nullptr;
  EXPECT_TRUE(Open(store, key, kContent, object.id).ok());
  // Another object, valid in itself, or this one cut off.
  const Bytes honest = store.stored[object.id];
  store.stored[object.id] = Seal(key.public_key(), plaintext, 64).bytes;
  EXPECT_EQ(OpenCode(), ErrorCode::kIntegrity);
  for (std::size_t size = 0; size < honest.size(); ++size) {
    store.stored[object.id] = CopyBytes(ByteSpan(honest).first(size));
    EXPECT_EQ(OpenCode(), ErrorCode::kIntegrity) << size;
  }
}

}  // namespace
}  // namespace anchorhold::vault
