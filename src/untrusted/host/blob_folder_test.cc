#include "untrusted/host/blob_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "untrusted/host/test_support.h"

namespace anchorhold::host {
namespace {

BlobId Id(std::uint8_t first) {
  BlobId id;
  id.value[0] = std::byte{first};
  return id;
}

class BlobFolderTest : public ::testing::Test {
 protected:
  BlobFolder Open() {
    auto blobs = BlobFolder::Open(folder_.path());
    EXPECT_TRUE(blobs.ok());
    return std::move(*blobs);
  }
  testing::ScratchFolder folder_;
};

TEST_F(BlobFolderTest, KeepsCommittedObjectsOverARestart) {
  {
    BlobFolder blobs = Open();
    const std::uint64_t upload = blobs.Begin().value();
    ASSERT_TRUE(blobs.Append(upload, AsBytes("first ")).ok());
    ASSERT_TRUE(blobs.Append(upload, AsBytes("second")).ok());
    ASSERT_TRUE(blobs.Commit(upload, Id(0xab)).ok());
  }
  const BlobFolder blobs = Open();
  EXPECT_EQ(AsText(*blobs.Read(Id(0xab), 0, 100)), "first second");
  EXPECT_EQ(AsText(*blobs.Read(Id(0xab), 6, 3)), "sec");
  EXPECT_TRUE(blobs.Read(Id(0xab), 12, 3)->empty());
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "blobs" / "ab" / Id(0xab).hex()));
}

TEST_F(BlobFolderTest, ForgetsUploadsThatNeverEnded) {
  {
    BlobFolder blobs = Open();
    const std::uint64_t upload = blobs.Begin().value();
    ASSERT_TRUE(blobs.Append(upload, AsBytes("half")).ok());
  }
  EXPECT_FALSE(std::filesystem::is_empty(folder_.path() / "uploads"));
  const BlobFolder blobs = Open();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "uploads"));
}

TEST_F(BlobFolderTest, AnAbortedUploadLeavesNothing) {
  BlobFolder blobs = Open();
  const std::uint64_t upload = blobs.Begin().value();
  ASSERT_TRUE(blobs.Append(upload, AsBytes("half")).ok());
  ASSERT_TRUE(blobs.Abort(upload).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "uploads"));
  EXPECT_EQ(blobs.Append(upload, AsBytes("more")).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(blobs.Commit(upload, Id(1)).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(blobs.Abort(upload).error().code(), ErrorCode::kNotFound);
}

TEST_F(BlobFolderTest, AMissingObjectIsNotFound) {
  EXPECT_EQ(Open().Read(Id(7), 0, 1).error().code(), ErrorCode::kNotFound);
}

TEST_F(BlobFolderTest, UploadsDoNotMix) {
  BlobFolder blobs = Open();
  const std::uint64_t one = blobs.Begin().value();
  const std::uint64_t two = blobs.Begin().value();
  ASSERT_NE(one, two);
  ASSERT_TRUE(blobs.Append(one, AsBytes("one")).ok());
  ASSERT_TRUE(blobs.Append(two, AsBytes("two")).ok());
  ASSERT_TRUE(blobs.Commit(two, Id(2)).ok());
  ASSERT_TRUE(blobs.Commit(one, Id(1)).ok());
  EXPECT_EQ(AsText(*blobs.Read(Id(1), 0, 10)), "one");
  EXPECT_EQ(AsText(*blobs.Read(Id(2), 0, 10)), "two");
}

}  // namespace
}  // namespace anchorhold::host
