#include "client/core/home.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

Home At(const TestFolder& folder) { return *Home::Locate(folder / "home", nullptr, nullptr); }

TEST(Home, IsWhereTheFirstSettingSays) {
  EXPECT_EQ(Home::Locate("a", "b", "c")->path(), "a");
  EXPECT_EQ(Home::Locate("", "b", "c")->path(), "b");
  EXPECT_EQ(Home::Locate("", "", "c")->path(), "c/.anchorhold");
  EXPECT_EQ(Home::Locate("", nullptr, "c")->path(), "c/.anchorhold");
  EXPECT_FALSE(Home::Locate("", nullptr, nullptr).ok());
}

TEST(Home, KeepsAKey) {
  const TestFolder folder;
  const Home home = At(folder);
  EXPECT_EQ(home.LoadKey().error().code(), ErrorCode::kNotFound);
  const auto key = home.CreateKey();
  ASSERT_TRUE(key.ok()) << key.error().message();
  struct stat info = {};
  ASSERT_EQ(stat(home.key_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(home.LoadKey()->public_key(), *key);
  EXPECT_EQ(home.CreateKey().error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(home.LoadKey()->public_key(), *key);
}

TEST(Home, RefusesAKeyThatOthersMayRead) {
  const TestFolder folder;
  const Home home = At(folder);
  ASSERT_TRUE(home.CreateKey().ok());
  ASSERT_EQ(chmod(home.key_path().c_str(), 0644), 0);
  EXPECT_EQ(home.LoadKey().error().code(), ErrorCode::kPermissionDenied);
}

TEST(Home, RemembersTheServer) {
  const TestFolder folder;
  const Home home = At(folder);
  EXPECT_EQ(home.LoadServer().error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(home.RememberServer("127.0.0.1:1").ok());
  ASSERT_TRUE(home.RememberServer("127.0.0.1:2").ok());
  EXPECT_EQ(*home.LoadServer(), "127.0.0.1:2");
}

TEST(Home, PolicyIsTheOptionOrTheFileInTheHome) {
  const TestFolder folder;
  const Home home = At(folder);
  EXPECT_EQ(home.LoadPolicy("").error().code(), ErrorCode::kNotFound);
  const std::string text = "version = 1\nplatforms = [\"insecure-simulated\"]\nmeasurements = [\"" +
                           std::string(96, 'a') + "\"]\n";
  ASSERT_TRUE(WriteWholeFile(folder / "p.toml", AsBytes(text), IfExists::kRefuse).ok());
  EXPECT_EQ(home.LoadPolicy(folder / "p.toml")->measurements.size(), 1u);
  ASSERT_TRUE(
      WriteWholeFile(folder / "bad.toml", AsBytes("version = 1\n"), IfExists::kRefuse).ok());
  EXPECT_FALSE(home.LoadPolicy(folder / "bad.toml").ok());
}

TEST(KeyFile, RoundTrip) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const crypto::SecretBytes file = FormatKeyFile(key);
  EXPECT_EQ(ParseKeyFile(file.ExposeSecret())->public_key(), key.public_key());
}

TEST(KeyFile, RefusesEveryTruncationAndStrangeBytes) {
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const Bytes file = CopyBytes(FormatKeyFile(key).ExposeSecret());
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseKeyFile(ByteSpan(file).first(size)).ok());
  }
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] = std::byte{'!'};
    const auto parsed = ParseKeyFile(changed);
    ASSERT_FALSE(parsed.ok()) << i;
    EXPECT_EQ(parsed.error().message().find(AsText(file).substr(18, 16)), std::string::npos);
  }
  Bytes longer = file;
  longer.push_back(std::byte{'\n'});
  EXPECT_FALSE(ParseKeyFile(longer).ok());
}

}  // namespace
}  // namespace anchorhold::client
