#include "client/core/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

TEST(Files, WriteAndReadBack) {
  const TestFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(WriteWholeFile(path, AsBytes("one"), IfExists::kRefuse).ok());
  EXPECT_EQ(CopyText(*ReadWholeFile(path, 3)), "one");
  EXPECT_EQ(WriteWholeFile(path, AsBytes("two"), IfExists::kRefuse).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(CopyText(*ReadWholeFile(path, 3)), "one");
  ASSERT_TRUE(WriteWholeFile(path, AsBytes("two"), IfExists::kReplace).ok());
  EXPECT_EQ(CopyText(*ReadWholeFile(path, 3)), "two");
  // Nothing else is left in the folder.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Files, Limits) {
  const TestFolder folder;
  ASSERT_TRUE(WriteWholeFile(folder / "a", AsBytes("four"), IfExists::kRefuse).ok());
  EXPECT_EQ(ReadWholeFile(folder / "a", 3).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ReadWholeFile("/dev/zero", 100).error().code(), ErrorCode::kLimitExceeded);
  EXPECT_EQ(ReadWholeFile(folder / "b", 3).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(ReadWholeFile(folder.path(), 3).error().code(), ErrorCode::kInvalidInput);
}

TEST(Files, SecretsMustBePrivate) {
  const TestFolder folder;
  const std::string path = folder / "key";
  ASSERT_TRUE(WriteWholeFile(path, AsBytes("s"), IfExists::kRefuse, 0600).ok());
  EXPECT_TRUE(ReadSecretFile(path, 10).ok());
  for (const mode_t mode : {0640u, 0604u, 0620u, 0601u}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const auto read = ReadSecretFile(path, 10);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_NE(read.error().message().find("chmod 600"), std::string::npos);
  }
}

TEST(Files, Folders) {
  const TestFolder folder;
  EXPECT_TRUE(MakeFolder(folder / "a/b/c").ok());
  EXPECT_TRUE(MakeFolder(folder / "a/b/c").ok());
  ASSERT_TRUE(WriteWholeFile(folder / "file", AsBytes(""), IfExists::kRefuse).ok());
  EXPECT_FALSE(MakeFolder(folder / "file").ok());
  EXPECT_FALSE(MakeFolder(folder / "file/below").ok());
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("a", "/b"), "/b");
  EXPECT_EQ(FolderOf("a/b"), "a");
  EXPECT_EQ(FolderOf("b"), ".");
  EXPECT_EQ(FolderOf("/b"), "/");
}

}  // namespace
}  // namespace anchorhold::client
