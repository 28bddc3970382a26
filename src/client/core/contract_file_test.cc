#include "client/core/contract_file.h"

#include <gtest/gtest.h>

#include "client/core/files.h"
#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

constexpr UnixSeconds kNow(1'800'000'000);

ContractDraft Draft() {
  ContractDraft draft;
  draft.dataset = "cancer-centre";
  draft.schema_sha256 = crypto::Sha256(AsBytes("schema"));
  draft.public_rows = 200;
  draft.epsilon = Epsilon(3);
  draft.delta = Delta(1e-4);
  draft.expires = UnixSeconds(1'900'000'000);
  draft.enclave.platforms = {attest::Platform::kInsecureSimulated};
  draft.enclave.measurements = {attest::Measurement(48, std::byte{7})};
  return draft;
}

TEST(ContractFile, TextParsesBackToTheDraft) {
  ContractDraft draft = Draft();
  const auto researcher = crypto::FingerprintOf(crypto::Ed25519PrivateKey::Generate().public_key());
  draft.grants = {{.researcher = researcher, .epsilon = Epsilon(1.5)}};
  const auto text = FormatContract(draft);
  ASSERT_TRUE(text.ok()) << text.error().message();
  const auto contract = wire::ParseContract(AsBytes(*text));
  ASSERT_TRUE(contract.ok()) << contract.error().message();
  EXPECT_EQ(contract->dataset, draft.dataset);
  EXPECT_EQ(contract->schema_sha256, draft.schema_sha256);
  EXPECT_EQ(contract->public_rows, 200u);
  EXPECT_EQ(contract->epsilon, draft.epsilon);
  EXPECT_EQ(contract->delta, draft.delta);
  EXPECT_EQ(contract->expires, draft.expires);
  EXPECT_EQ(contract->platforms, std::vector<std::string>{"insecure-simulated"});
  EXPECT_EQ(contract->measurements, draft.enclave.measurements);
  ASSERT_EQ(contract->grants.size(), 1u);
  EXPECT_EQ(contract->grants[0].researcher, researcher);
  EXPECT_EQ(contract->grants[0].epsilon, Epsilon(1.5));
}

TEST(ContractFile, WithoutGrantsItParsesToo) {
  const auto text = FormatContract(Draft());
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_TRUE(wire::ParseContract(AsBytes(*text))->grants.empty());
}

TEST(ContractFile, RefusesDraftsThatMakeNoContract) {
  ContractDraft draft = Draft();
  draft.dataset = "Cancer Centre\"\n";
  EXPECT_FALSE(FormatContract(draft).ok());
  draft = Draft();
  draft.delta = Delta(1.0 / 200);
  EXPECT_EQ(FormatContract(draft).error().code(), ErrorCode::kPrivacyRefused);
  draft = Draft();
  draft.enclave.measurements.clear();
  EXPECT_FALSE(FormatContract(draft).ok());
}

TEST(ContractFile, ParsesGrants) {
  const std::string fingerprint(64, 'a');
  const auto grant = ParseGrant(fingerprint + ":1.5");
  ASSERT_TRUE(grant.ok());
  EXPECT_EQ(grant->researcher.hex(), fingerprint);
  EXPECT_EQ(grant->epsilon, Epsilon(1.5));
  for (const std::string& bad : {fingerprint, fingerprint + ":", fingerprint + ":0",
                                 fingerprint + ":inf", std::string("ab:1"), std::string(":1")}) {
    EXPECT_FALSE(ParseGrant(bad).ok()) << bad;
  }
}

TEST(ContractFile, SignAndRead) {
  const TestFolder folder;
  const std::string path = folder / "c.toml";
  const std::string text = *FormatContract(Draft());
  ASSERT_TRUE(WriteWholeFile(path, AsBytes(text), IfExists::kRefuse).ok());
  EXPECT_EQ(ReadSignedContract(path, kNow).error().code(), ErrorCode::kNotFound);
  const auto key = crypto::Ed25519PrivateKey::Generate();
  ASSERT_TRUE(SignContractFile(path, key, kNow).ok());
  const auto read = ReadSignedContract(path, kNow);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->signature.key, key.public_key());

  // One more character, and the signature is no longer this text's.
  ASSERT_TRUE(WriteWholeFile(path, AsBytes(text + "\n"), IfExists::kReplace).ok());
  EXPECT_EQ(ReadSignedContract(path, kNow).error().code(), ErrorCode::kIntegrity);
}

TEST(ContractFile, ExpiredOnesAreNeitherSignedNorRead) {
  const TestFolder folder;
  const std::string path = folder / "c.toml";
  ASSERT_TRUE(WriteWholeFile(path, AsBytes(*FormatContract(Draft())), IfExists::kRefuse).ok());
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const UnixSeconds later(1'900'000'001);
  EXPECT_EQ(SignContractFile(path, key, later).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_FALSE(PathExists(SignaturePath(path)));
  ASSERT_TRUE(SignContractFile(path, key, kNow).ok());
  EXPECT_EQ(ReadSignedContract(path, later).error().code(), ErrorCode::kPermissionDenied);
}

}  // namespace
}  // namespace anchorhold::client
