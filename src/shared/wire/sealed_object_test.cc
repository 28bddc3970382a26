#include "shared/wire/sealed_object.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

constexpr std::size_t kTag = 16;

Bytes Pattern(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>((i * 7 + 3) & 0xff);
  return out;
}

SealedObject Seal(const crypto::HpkePrivateKey& key, ByteSpan plaintext,
                  std::uint32_t chunk_bytes) {
  Result<ObjectSealer> sealer =
      ObjectSealer::Create(key.public_key(), Content::kDataset, plaintext.size(), chunk_bytes);
  AH_CHECK(sealer.ok());
  SealedObject object{sealer->header(), {}};
  for (std::uint64_t i = 0; i < sealer->layout().chunk_count(); ++i) {
    const std::size_t size = sealer->layout().PlaintextBytesOf(i);
    AppendBytes(object.bytes, sealer->SealNext(plaintext.first(size)));
    plaintext = plaintext.subspan(size);
  }
  object.id = sealer->Finish();
  return object;
}

class SealedObjectTest : public testing::Test {
 protected:
  Result<Bytes> Open(ByteSpan object, const ObjectId& id) const {
    return OpenObject(key_, Content::kDataset, id, object);
  }
  crypto::HpkePrivateKey key_ = crypto::HpkePrivateKey::Generate();
};

TEST_F(SealedObjectTest, OpensWhatItSealedAtEverySizeAroundChunkBoundaries) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 31u, 32u, 33u, 48u, 100u}) {
    const Bytes plaintext = Pattern(size);
    const SealedObject object = Seal(key_, plaintext, 16);
    const std::size_t chunks = size == 0 ? 1 : (size + 15) / 16;
    EXPECT_EQ(object.bytes.size(), kSealedHeaderBytes + size + chunks * kTag) << size;
    const Result<Bytes> opened = Open(object.bytes, object.id);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_EQ(*opened, plaintext) << size;
  }
}

TEST_F(SealedObjectTest, SealsWholeObjectsWithFreshKeys) {
  const Bytes plaintext = Pattern((1u << 20) + 5);
  const Result<SealedObject> a = SealObject(key_.public_key(), Content::kDataset, plaintext);
  const Result<SealedObject> b = SealObject(key_.public_key(), Content::kDataset, plaintext);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->id, b->id);
  EXPECT_NE(a->bytes, b->bytes);
  EXPECT_EQ(*Open(a->bytes, a->id), plaintext);
  EXPECT_EQ(Open(a->bytes, b->id).error().code(), ErrorCode::kIntegrity);
}

TEST_F(SealedObjectTest, RefusesEveryFlippedBit) {
  const SealedObject object = Seal(key_, Pattern(20), 8);
  for (std::size_t i = 0; i < object.bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes changed = object.bytes;
      changed[i] ^= static_cast<std::byte>(1u << bit);
      EXPECT_FALSE(Open(changed, object.id).ok()) << "byte " << i << " bit " << bit;
    }
  }
}

TEST_F(SealedObjectTest, RefusesTruncationAtEveryLengthAndAppendedBytes) {
  const SealedObject object = Seal(key_, Pattern(20), 8);
  for (std::size_t n = 0; n < object.bytes.size(); ++n) {
    EXPECT_FALSE(Open(ByteSpan(object.bytes).first(n), object.id).ok()) << n;
  }
  Bytes longer = object.bytes;
  for (std::size_t n = 0; n < 40; ++n) {
    longer.push_back(std::byte{0});
    EXPECT_EQ(Open(longer, object.id).error().code(), ErrorCode::kIntegrity) << n;
  }
}

// The chunks of an object of three full chunks, so that all have one size.
std::vector<Bytes> ChunksOf(const SealedObject& object, std::size_t sealed_bytes) {
  std::vector<Bytes> chunks;
  for (std::size_t at = kSealedHeaderBytes; at < object.bytes.size(); at += sealed_bytes) {
    chunks.push_back(CopyBytes(ByteSpan(object.bytes).subspan(at, sealed_bytes)));
  }
  return chunks;
}

Bytes Join(const SealedObject& object, const std::vector<Bytes>& chunks) {
  Bytes out = CopyBytes(ByteSpan(object.bytes).first(kSealedHeaderBytes));
  for (const Bytes& chunk : chunks) AppendBytes(out, chunk);
  return out;
}

TEST_F(SealedObjectTest, RefusesSwappedDroppedRepeatedAndForeignChunks) {
  const Bytes plaintext(24, std::byte{0x5a});  // equal chunks: only the nonce tells them apart
  const SealedObject object = Seal(key_, plaintext, 8);
  const SealedObject other = Seal(key_, plaintext, 8);
  const std::vector<Bytes> c = ChunksOf(object, 8 + kTag);
  const std::vector<Bytes> o = ChunksOf(other, 8 + kTag);
  ASSERT_EQ(c.size(), 3u);
  ASSERT_TRUE(Open(Join(object, c), object.id).ok());
  const std::vector<std::vector<Bytes>> wrong = {{c[1], c[0], c[2]},
                                                 {c[0], c[2], c[1]},
                                                 {c[2], c[1], c[0]},
                                                 {c[0], c[1]},
                                                 {c[1], c[2]},
                                                 {c[0], c[0], c[2]},
                                                 {c[0], c[1], c[1]},
                                                 {o[0], c[1], c[2]},
                                                 {c[0], o[1], c[2]},
                                                 {c[0], c[1], o[2]},
                                                 {o[0], o[1], o[2]},
                                                 {c[0], c[1], c[2], c[2]},
                                                 {}};
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_EQ(Open(Join(object, wrong[i]), object.id).error().code(), ErrorCode::kIntegrity) << i;
  }
}

// A header that promises fewer chunks: even with matching sizes, the last-chunk flag differs.
TEST_F(SealedObjectTest, RefusesAShorterHeaderOverTheSameChunks) {
  const SealedObject object = Seal(key_, Pattern(24), 8);
  Bytes shorter = CopyBytes(ByteSpan(object.bytes).first(object.bytes.size() - 8 - kTag));
  shorter[22] = std::byte{16};  // the lowest byte of plaintext_bytes: 24 becomes 16
  EXPECT_EQ(Open(shorter, object.id).error().code(), ErrorCode::kIntegrity);
}

TEST_F(SealedObjectTest, RefusesAnotherRecipientAndAnotherContent) {
  const SealedObject object = Seal(key_, Pattern(3), 8);
  const crypto::HpkePrivateKey stranger = crypto::HpkePrivateKey::Generate();
  EXPECT_EQ(OpenObject(stranger, Content::kDataset, object.id, object.bytes).error().code(),
            ErrorCode::kIntegrity);
  EXPECT_EQ(OpenObject(key_, Content::kWeights, object.id, object.bytes).error().code(),
            ErrorCode::kIntegrity);
}

TEST_F(SealedObjectTest, OpenerStopsForGoodAfterAFailure) {
  const SealedObject object = Seal(key_, Pattern(24), 8);
  const std::vector<Bytes> chunks = ChunksOf(object, 8 + kTag);
  const ByteSpan header = ByteSpan(object.bytes).first(kSealedHeaderBytes);
  Result<ObjectOpener> opener = ObjectOpener::Create(key_, Content::kDataset, header);
  ASSERT_TRUE(opener.ok());
  EXPECT_TRUE(opener->OpenNext(chunks[0]).ok());
  EXPECT_FALSE(opener->OpenNext(chunks[2]).ok());
  EXPECT_FALSE(opener->OpenNext(chunks[1]).ok());
  EXPECT_FALSE(opener->Finish().ok());
  Result<ObjectOpener> short_one = ObjectOpener::Create(key_, Content::kDataset, header);
  ASSERT_TRUE(short_one.ok());
  EXPECT_TRUE(short_one->OpenNext(chunks[0]).ok());
  EXPECT_EQ(short_one->Finish().error().code(), ErrorCode::kIntegrity);
}

TEST_F(SealedObjectTest, HeaderLimits) {
  const auto create = [&](std::uint64_t bytes, std::uint32_t chunk) {
    return ObjectSealer::Create(key_.public_key(), Content::kModel, bytes, chunk);
  };
  EXPECT_FALSE(create(1, 0).ok());
  EXPECT_TRUE(create(1, limits::kChunkBytesMax).ok());
  EXPECT_EQ(create(1, limits::kChunkBytesMax + 1).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(create(limits::kObjectBytesMax, 1 << 20).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(create(~std::uint64_t{0}, 1).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_TRUE(create(limits::kObjectBytesMax - 1 * limits::kMiB, 1 << 20).ok());
}

TEST_F(SealedObjectTest, ParseHeaderNamesWhatIsWrong) {
  const SealedObject object = Seal(key_, Pattern(9), 8);
  const Bytes header = CopyBytes(ByteSpan(object.bytes).first(kSealedHeaderBytes));
  const auto code_with = [&](std::size_t at, unsigned value) {
    Bytes changed = header;
    changed[at] = static_cast<std::byte>(value);
    const Result<SealedHeader> parsed = ParseSealedHeader(changed);
    return parsed.ok() ? 0 : static_cast<int>(parsed.error().code());
  };
  ASSERT_TRUE(ParseSealedHeader(header).ok());
  EXPECT_EQ(ParseSealedHeader(header)->chunk_count(), 2u);
  EXPECT_EQ(code_with(0, 'B'), static_cast<int>(ErrorCode::kInvalidInput));
  EXPECT_EQ(code_with(9, 2), static_cast<int>(ErrorCode::kUnsupported));
  EXPECT_EQ(code_with(10, 0), static_cast<int>(ErrorCode::kInvalidInput));
  EXPECT_EQ(code_with(10, 4), static_cast<int>(ErrorCode::kInvalidInput));
  EXPECT_EQ(code_with(14, 0), static_cast<int>(ErrorCode::kLimitExceeded));    // chunk_bytes 0
  EXPECT_EQ(code_with(11, 1), static_cast<int>(ErrorCode::kLimitExceeded));    // chunk_bytes large
  EXPECT_EQ(code_with(15, 255), static_cast<int>(ErrorCode::kLimitExceeded));  // plaintext_bytes
  for (std::size_t n = 0; n < header.size(); ++n) {
    EXPECT_FALSE(ParseSealedHeader(ByteSpan(header).first(n)).ok()) << n;
  }
}

Bytes ReadTestFile(const std::string& name) {
  std::ifstream file(ANCHORHOLD_SOURCE_DIR "/src/shared/wire/testdata/" + name, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return CopyBytes(AsBytes(text));
}

// Written once by version 1 of the format. It must open for as long as the format is read.
TEST_F(SealedObjectTest, GoldenFileOpens) {
  const Bytes object = ReadTestFile("sealed-object-v1.bin");
  ASSERT_EQ(object.size(), kSealedHeaderBytes + 46 + 3 * kTag);
  const Result<crypto::HpkePrivateKey> key = crypto::HpkePrivateKey::Derive(
      crypto::SecretBytes::CopyOf(AsBytes("a test-only recipient of the golden file")));
  ASSERT_TRUE(key.ok());
  const Result<ObjectId> id = ObjectId::FromHexText(AsText(ReadTestFile("sealed-object-v1.id")));
  ASSERT_TRUE(id.ok());
  const Result<Bytes> opened = OpenObject(*key, Content::kDataset, *id, object);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(AsText(*opened), "Anchorhold keeps what it is given to its word.");
}

}  // namespace
}  // namespace anchorhold::wire
