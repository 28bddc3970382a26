#include "client/core/upload.h"

#include <gtest/gtest.h>

#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

constexpr UnixSeconds kNow(1'800'000'000);
constexpr std::string_view kSchema =
    "version = 1\n[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = 0.0\nmax = 1.0\n"
    "out_of_range = \"clamp\"\n[[column]]\nname = \"y\"\nrole = \"label\"\n"
    "classes = [\"B\", \"M\"]\n";

// An owner with a table of `rows` rows and a contract that was signed for it.
class PrepareUploadTest : public testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(WriteWholeFile(folder_ / name, AsBytes(text), IfExists::kReplace).ok());
  }
  void WriteTable(int rows) {
    std::string csv = "a,y\n";
    for (int i = 0; i < rows; ++i) csv += "0.5,B\n";
    Write("t.csv", csv);
  }
  void SetUp() override {
    Write("schema.toml", kSchema);
    WriteTable(100);
    ContractDraft draft;
    draft.dataset = "d";
    draft.schema_sha256 = crypto::Sha256(AsBytes(kSchema));
    draft.public_rows = 100;
    draft.epsilon = Epsilon(1);
    draft.delta = Delta(1e-3);
    draft.expires = UnixSeconds(1'900'000'000);
    draft.enclave.platforms = {attest::Platform::kInsecureSimulated};
    draft.enclave.measurements = {attest::Measurement(48, std::byte{7})};
    const auto text = FormatContract(draft);
    ASSERT_TRUE(text.ok()) << text.error().message();
    Write("c.toml", *text);
    ASSERT_TRUE(SignContractFile(folder_ / "c.toml", key_, kNow).ok());
  }
  Result<PreparedUpload> Prepare(UnixSeconds now = kNow) {
    return PrepareUpload(folder_ / "t.csv", folder_ / "schema.toml", folder_ / "c.toml",
                         key_.public_key(), now);
  }

  TestFolder folder_;
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
};

TEST_F(PrepareUploadTest, TakesWhatFits) {
  const auto upload = Prepare();
  ASSERT_TRUE(upload.ok()) << upload.error().message();
  EXPECT_EQ(upload->table.examples.rows, 100u);
}

TEST_F(PrepareUploadTest, RefusesASchemaThatChanged) {
  Write("schema.toml", std::string(kSchema) + "# changed\n");
  EXPECT_EQ(Prepare().error().code(), ErrorCode::kInvalidInput);
}

TEST_F(PrepareUploadTest, RefusesAnotherSigner) {
  ASSERT_TRUE(
      SignContractFile(folder_ / "c.toml", crypto::Ed25519PrivateKey::Generate(), kNow).ok());
  EXPECT_EQ(Prepare().error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(PrepareUploadTest, RefusesAMissingAndABrokenSignature) {
  Write("c.toml.sig", "key = 1\n");
  EXPECT_FALSE(Prepare().ok());
  std::filesystem::remove(folder_ / "c.toml.sig");
  EXPECT_EQ(Prepare().error().code(), ErrorCode::kNotFound);
}

TEST_F(PrepareUploadTest, RefusesAnExpiredContract) {
  EXPECT_EQ(Prepare(UnixSeconds(1'900'000'001)).error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(PrepareUploadTest, RefusesMoreRowsThanTheContractTellsAndFewerThanHalf) {
  WriteTable(101);
  EXPECT_EQ(Prepare().error().code(), ErrorCode::kPrivacyRefused);
  WriteTable(49);
  EXPECT_EQ(Prepare().error().code(), ErrorCode::kInvalidInput);
  WriteTable(50);
  EXPECT_TRUE(Prepare().ok());
}

TEST_F(PrepareUploadTest, RefusesABadTable) {
  Write("t.csv", "a,y\n0.5,B\n,M\n");
  const auto upload = Prepare();
  ASSERT_FALSE(upload.ok());
  EXPECT_NE(upload.error().message().find("t.csv:3: column 'a': "), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::client
