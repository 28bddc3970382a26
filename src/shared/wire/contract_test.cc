#include "shared/wire/contract.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

constexpr std::string_view kContract = R"(version = 1
dataset = "cancer-centre"
schema_sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
public_rows = 200
expires = "2027-01-31T00:00:00Z"
[privacy]
unit = "row"
epsilon = 3.0
delta = 1e-4
[enclave]
platforms = ["insecure-simulated"]
measurements = ["bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]
[[grant]]
researcher = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
purposes = ["train"]
epsilon = 1.5
)";

Result<Contract> Parse(std::string_view text) { return ParseContract(AsBytes(text)); }

std::string Replace(std::string_view from, std::string_view to) {
  std::string text(kContract);
  const std::size_t at = text.find(from);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST(Contract, ReadsEveryTerm) {
  const Result<Contract> c = Parse(kContract);
  ASSERT_TRUE(c.ok()) << c.error().message();
  EXPECT_EQ(c->dataset, "cancer-centre");
  EXPECT_EQ(c->schema_sha256.hex(), std::string(64, 'a'));
  EXPECT_EQ(c->public_rows, 200u);
  EXPECT_EQ(FormatTime(c->expires), "2027-01-31T00:00:00Z");
  EXPECT_EQ(c->epsilon.value(), 3.0);
  EXPECT_EQ(c->delta.value(), 1e-4);
  EXPECT_EQ(c->platforms, std::vector<std::string>{"insecure-simulated"});
  ASSERT_EQ(c->measurements.size(), 1u);
  EXPECT_EQ(ToHex(c->measurements[0]), std::string(64, 'b'));
  ASSERT_EQ(c->grants.size(), 1u);
  EXPECT_EQ(c->grants[0].researcher.hex(), std::string(64, 'c'));
  EXPECT_EQ(c->grants[0].purposes, std::vector<std::string>{"train"});
  EXPECT_EQ(c->grants[0].epsilon.value(), 1.5);
  const std::string no_grant(kContract.substr(0, kContract.find("[[grant]]")));
  ASSERT_TRUE(Parse(no_grant).ok());
  EXPECT_TRUE(Parse(no_grant)->grants.empty());
}

struct Violation {
  const char* from;
  const char* to;
  const char* message;
};

void ExpectEach(std::span<const Violation> cases, ErrorCode code) {
  for (const Violation& v : cases) {
    const Result<Contract> c = Parse(Replace(v.from, v.to));
    ASSERT_FALSE(c.ok()) << v.to;
    EXPECT_EQ(c.error().code(), code) << c.error().message();
    EXPECT_NE(c.error().message().find(v.message), std::string::npos) << c.error().message();
  }
}

TEST(Contract, EachViolationHasItsOwnError) {
  const Violation cases[] = {
      {"dataset = \"cancer-centre\"", "dataset = \"\"", "line 2: dataset must be 1 to 64 of"},
      {"cancer-centre", "Cancer", "dataset must be 1 to 64 of"},
      {"cancer-centre", "-x", "dataset must be 1 to 64 of"},
      {"dataset = \"cancer-centre\"\n", "", "dataset is missing"},
      {"schema_sha256 = \"aa", "schema_sha256 = \"", "schema_sha256 must be 32 bytes"},
      {"schema_sha256 = \"aa", "schema_sha256 = \"zz", "schema_sha256 must be hexadecimal"},
      {"public_rows = 200", "public_rows = 0", "public_rows must be 1 to 100000000"},
      {"public_rows = 200", "public_rows = -1", "public_rows must be 1 to"},
      {"public_rows = 200", "public_rows = 100000001", "public_rows must be 1 to"},
      {"public_rows = 200", "public_rows = 200.0", "public_rows must be an integer"},
      {"2027-01-31T00:00:00Z", "2027-02-31T00:00:00Z", "expires must be a time in UTC"},
      {"unit = \"row\"", "unit = \"patient\"", "privacy.unit must be \"row\""},
      {"epsilon = 3.0", "epsilon = 0", "line 8: privacy.epsilon must be a positive finite number"},
      {"epsilon = 3.0", "epsilon = -1.0", "privacy.epsilon must be a positive finite number"},
      {"epsilon = 3.0", "epsilon = inf", "privacy.epsilon must be a positive finite number"},
      {"epsilon = 3.0", "epsilon = nan", "privacy.epsilon must be a positive finite number"},
      {"epsilon = 3.0", "epsilon = \"3\"", "privacy.epsilon must be a positive finite number"},
      {"epsilon = 3.0\n", "", "privacy.epsilon is missing"},
      {"delta = 1e-4", "delta = 0", "privacy.delta must be between 0 and 1"},
      {"delta = 1e-4", "delta = 1.0", "privacy.delta must be between 0 and 1"},
      {"delta = 1e-4", "delta = nan", "privacy.delta must be a finite number"},
      {"delta = 1e-4\n", "", "privacy.delta is missing"},
      {"delta = 1e-4", "delta = 1e-4\nepsilonn = 3", "privacy.epsilonn is not a known key"},
      {"version = 1", "version = 1\nname = 1", "name is not a known key"},
      {"[\"insecure-simulated\"]", "[]", "enclave.platforms must not be empty"},
      {"[\"insecure-simulated\"]", "[\"\"]", "enclave.platforms must be names"},
      {"[\"insecure-simulated\"]", "[\"tdx\", \"tdx\"]", "enclave.platforms must not repeat"},
      {"measurements = [\"", "measurements = []#", "enclave.measurements must not be empty"},
      {"measurements = [\"bb", "measurements = [\"", "enclave.measurements must be 32 to 64 bytes"},
      {"measurements = [\"bb", "measurements = [\"xx", "enclave.measurements must be 32 to 64"},
      {"[enclave]", "[enclave]\ndebug = true", "enclave.debug is not a known key"},
      {"[enclave]", "[enclaves]", "enclave is missing"},
      {"researcher = \"cc", "researcher = \"", "grant[0].researcher must be 32 bytes"},
      {"purposes = [\"train\"]", "purposes = []", "grant[0].purposes must not be empty"},
      {"purposes = [\"train\"]", "purposes = [\"copy\"]", "grant[0].purposes must hold only known"},
      {"epsilon = 1.5", "epsilon = 0.0", "grant[0].epsilon must be a positive finite number"},
      {"epsilon = 1.5", "epsilon = 1.5\nuntil = 1", "grant[0].until is not a known key"},
      {"[[grant]]", "[grant]", "grant must be an array of tables"},
      {"version = 1", "version = 1 1", "line 1: not valid TOML"},
  };
  ExpectEach(cases, ErrorCode::kInvalidInput);
}

TEST(Contract, RefusesADeltaThatProtectsNobody) {
  const Violation cases[] = {
      {"delta = 1e-4", "delta = 0.005", "privacy.delta must be below 1/public_rows"},
      {"public_rows = 200", "public_rows = 10000", "privacy.delta must be below 1/public_rows"}};
  ExpectEach(cases, ErrorCode::kPrivacyRefused);
  EXPECT_TRUE(Parse(Replace("delta = 1e-4", "delta = 0.0049")).ok());
}

TEST(Contract, RefusesOtherVersionsAndOversizedText) {
  EXPECT_EQ(Parse(Replace("version = 1", "version = 2")).error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(Parse(Replace("version = 1\n", "")).ok());
  const std::string large = std::string(kContract) + std::string(limits::kContractBytesMax, '#');
  EXPECT_EQ(Parse(large).error().code(), ErrorCode::kLimitExceeded);
}

TEST(Contract, RefusesRepeatedMeasurementsAndResearchers) {
  const std::string b(64, 'b');
  const std::string upper(64, 'B');
  EXPECT_FALSE(Parse(Replace("\"" + b + "\"", "\"" + b + "\", \"" + upper + "\"")).ok());
  const std::string grant(kContract.substr(kContract.find("[[grant]]")));
  const Result<Contract> c = Parse(std::string(kContract) + grant);
  ASSERT_FALSE(c.ok());
  EXPECT_NE(c.error().message().find("grant[1].researcher must not have a second grant"),
            std::string::npos);
}

TEST(Contract, RefusesTruncationUnlessOnlyGrantsAreLost) {
  const std::size_t grants = kContract.find("[[grant]]");
  for (std::size_t n = 0; n + 1 < grants; ++n) {
    EXPECT_FALSE(Parse(kContract.substr(0, n)).ok()) << n;
  }
}

TEST(Name, HasARule) {
  for (const char* good : {"a", "0", "a-b", "a--b-", "9lives"}) EXPECT_TRUE(CheckName(good).ok());
  for (const char* bad : {"", "-", "-a", "A", "a b", "a_b", "a.b", "a/b", "\xc3\xa9", "a\n"}) {
    EXPECT_FALSE(CheckName(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckName(std::string(64, 'a')).ok());
  EXPECT_FALSE(CheckName(std::string(65, 'a')).ok());
}

class AcceptTest : public testing::Test {
 protected:
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::Generate();
  crypto::Ed25519Signature signature_ = key_.Sign(kContractSignatureContext, AsBytes(kContract));
  UnixSeconds expiry_ = ParseTime("2027-01-31T00:00:00Z").value();

  Result<Contract> Accept(std::string_view text, UnixSeconds now) const {
    return AcceptContract(AsBytes(text), key_.public_key(), signature_, now);
  }
};

TEST_F(AcceptTest, UntilItExpires) {
  EXPECT_TRUE(Accept(kContract, UnixSeconds(expiry_.value() - 1)).ok());
  const Result<Contract> expired = Accept(kContract, expiry_);
  ASSERT_FALSE(expired.ok());
  EXPECT_EQ(expired.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(expired.error().message(),
            "contract: expired on 2027-01-31T00:00:00Z; ask the owner for a new contract");
}

TEST_F(AcceptTest, OnlyWithTheOwnersSignatureOverThisText) {
  const UnixSeconds now(expiry_.value() - 1);
  for (std::size_t i = 0; i < kContract.size(); ++i) {
    std::string changed(kContract);
    changed[i] = static_cast<char>(changed[i] ^ 1);
    ASSERT_EQ(Accept(changed, now).error().code(), ErrorCode::kIntegrity) << i;
  }
  EXPECT_EQ(Accept(std::string(kContract) + "\n", now).error().code(), ErrorCode::kIntegrity);
  const auto stranger = crypto::Ed25519PrivateKey::Generate().public_key();
  EXPECT_EQ(AcceptContract(AsBytes(kContract), stranger, signature_, now).error().code(),
            ErrorCode::kIntegrity);
  const auto other = key_.Sign("anchorhold tree head v1", AsBytes(kContract));
  EXPECT_EQ(AcceptContract(AsBytes(kContract), key_.public_key(), other, now).error().code(),
            ErrorCode::kIntegrity);
}

TEST_F(AcceptTest, ASignedTextMustStillBeAContract) {
  const std::string text = Replace("epsilon = 3.0", "epsilon = 0");
  const auto signature = key_.Sign(kContractSignatureContext, AsBytes(text));
  EXPECT_EQ(
      AcceptContract(AsBytes(text), key_.public_key(), signature, UnixSeconds(0)).error().code(),
      ErrorCode::kInvalidInput);
}

TEST_F(AcceptTest, SignatureFileRoundTrips) {
  const std::string text = FormatContractSignature({key_.public_key(), signature_});
  const Result<ContractSignature> parsed = ParseContractSignature(AsBytes(text));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(parsed->key, key_.public_key());
  EXPECT_EQ(parsed->signature, signature_);
  EXPECT_EQ(FormatContractSignature(*parsed), text);
  for (std::size_t n = 0; n + 1 < text.size(); ++n) {
    EXPECT_FALSE(ParseContractSignature(AsBytes(text.substr(0, n))).ok()) << n;
  }
  EXPECT_FALSE(ParseContractSignature(AsBytes(text + "more = 1\n")).ok());
  EXPECT_FALSE(ParseContractSignature(AsBytes(text + std::string(2000, '#'))).ok());
}

std::string ReadTestFile(const std::string& name) {
  std::ifstream file(ANCHORHOLD_SOURCE_DIR "/src/shared/wire/testdata/" + name, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// Written and signed once, with the private key 0x00 01 02 ... 1f. It must be accepted for as long
// as version 1 is read.
TEST(ContractGolden, IsAccepted) {
  const std::string text = ReadTestFile("contract-v1.toml");
  ASSERT_FALSE(text.empty());
  const Result<ContractSignature> signature =
      ParseContractSignature(AsBytes(ReadTestFile("contract-v1.toml.sig")));
  ASSERT_TRUE(signature.ok()) << signature.error().message();
  const Result<Contract> c =
      AcceptContract(AsBytes(text), signature->key, signature->signature, UnixSeconds(0));
  ASSERT_TRUE(c.ok()) << c.error().message();
  EXPECT_EQ(c->dataset, "cancer-centre");
  EXPECT_EQ(c->grants.size(), 2u);
  EXPECT_EQ(c->grants[1].epsilon.value(), 0.5);
}

}  // namespace
}  // namespace anchorhold::wire
