// Evidence that real machines produced, where it lies beside the repository: every case of every
// kind that there is a verifier for gets its verdicts and its claims, every one-byte change is
// refused by its check, and time ends every good one.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "client/core/evidence_kinds.h"
#include "shared/crypto/certificate_chain.h"
#include "shared/crypto/revocation_list.h"

namespace anchorhold::attest {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kShared = ANCHORHOLD_SOURCE_DIR "/../shared/evidence";

Bytes ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return CopyBytes(AsBytes(text));
}

// Everything that the case states is among ours, with the same value.
void ExpectClaims(const Json& stated, const Json& ours, const std::string& path) {
  if (!stated.is_object() || !ours.is_object()) {
    EXPECT_EQ(stated, ours) << path;
    return;
  }
  for (const auto& [name, value] : stated.items()) {
    if (ours.contains(name)) {
      ExpectClaims(value, ours[name], path + "." + name);
    } else {
      ADD_FAILURE() << path << "." << name << " is not among the claims";
    }
  }
}

class SharedEvidence : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!fs::exists(kShared)) GTEST_SKIP() << "there is no " << kShared;
  }
  using Files = std::map<std::string, Bytes>;

  std::vector<Json> Cases() {
    std::ifstream file(kShared / std::string(GetParam().name()) / "cases.json");
    EXPECT_TRUE(file.good()) << GetParam().name();
    return Json::parse(file)["cases"].get<std::vector<Json>>();
  }
  Files FilesOf(const Json& test_case) {
    Files files;
    for (const auto& [role, path] : test_case["files"].items()) {
      files[role] = ReadFile(kShared / std::string(GetParam().name()) / path.get<std::string>());
    }
    return files;
  }
  UnverifiedFiles Add(const Files& files) {
    UnverifiedFiles out;
    for (const auto& [role, bytes] : files) {
      const Status added = out.Add(GetParam().roles, role, bytes);
      EXPECT_TRUE(added.ok()) << added.error().message();
    }
    return out;
  }
  Result<AttestationResult> Judge(const Files& files, UnixSeconds now, bool strict) {
    const UnverifiedFiles added = Add(files);
    return Appraise(GetParam(), {.now = now, .files = added, .strict = strict});
  }
  // Some cases hold at any time.
  static UnixSeconds TimeOf(const Json& text) {
    return ParseTime(text.is_string() ? text.get<std::string>() : "2026-01-01T00:00:00Z").value();
  }
};

std::string Why(const Result<AttestationResult>& result) {
  return result.ok() ? "accepted" : result.error().message();
}

TEST_P(SharedEvidence, EveryCaseHasItsVerdicts) {
  for (const Json& test_case : Cases()) {
    SCOPED_TRACE(test_case["id"]);
    const Files files = FilesOf(test_case);
    const UnixSeconds now = TimeOf(test_case["verify_time"]);
    const Json& expect = test_case["expect"];
    const auto signatures = Judge(files, now, false);
    EXPECT_EQ(signatures.ok(), expect["crypto"] == "pass") << Why(signatures);
    const auto strict = Judge(files, now, true);
    EXPECT_EQ(strict.ok(), expect["strict_policy"] == "accept") << Why(strict);
    for (const auto* result : {&signatures, &strict}) {
      EXPECT_TRUE(result->ok() || !RefusedCheck(result->error()).empty()) << Why(*result);
    }
    if (signatures.ok()) {
      ExpectClaims(test_case["claims"], Json::parse(signatures->claims().ToJson()), "claims");
    }
    const auto shown = GetParam().show(Add(files));
    ASSERT_TRUE(shown.ok()) << shown.error().message();
    ExpectClaims(test_case["claims"], Json::parse(shown->unverified.ToJson()), "shown");
  }
}

// Of Intel's kinds: the status of the TCB, which strict alone judges.
TEST_P(SharedEvidence, EveryTcbHasItsStatus) {
  for (const Json& test_case : Cases()) {
    SCOPED_TRACE(test_case["id"]);
    const Json& expect = test_case["expect"];
    if (expect["crypto"] != "pass" || !expect.contains("tcb_status")) continue;
    const auto result = Judge(FilesOf(test_case), TimeOf(test_case["verify_time"]), false);
    ASSERT_TRUE(result.ok()) << Why(result);
    Json stated = expect["tcb_status"];
    // Of modules of version 1.0 it says only that there is nothing to say.
    if (!stated.contains("tdx_module") || !stated["tdx_module"].contains("isvsvn")) {
      stated.erase("tdx_module");
    } else {
      stated["tdx_module"].erase("identity_match");  // else it is refused
    }
    ExpectClaims(stated, Json::parse(result->claims().ToJson())["tcb_status"], "tcb_status");
  }
}

// Where a case says with which nonce a quote was asked for, that one counts and no other.
TEST_P(SharedEvidence, EveryNonceIsCompared) {
  for (const Json& test_case : Cases()) {
    SCOPED_TRACE(test_case["id"]);
    const Json& claims = test_case["claims"];
    if (test_case["expect"]["crypto"] != "pass" || !claims.contains("expected_nonce_hex")) continue;
    Bytes nonce = FromHex(claims["expected_nonce_hex"].get<std::string>()).value();
    const UnverifiedFiles files = Add(FilesOf(test_case));
    const auto judge = [&] {
      return Appraise(
          GetParam(),
          {.now = TimeOf(test_case["verify_time"]), .files = files, .report_data = nonce});
    };
    if (!nonce.empty()) {
      EXPECT_TRUE(judge().ok()) << Why(judge());
      nonce.back() ^= std::byte{1};
    }
    // A quote over no nonce at all is nobody's answer, and no nonce is never the same as one.
    ASSERT_FALSE(judge().ok());
    EXPECT_EQ(RefusedCheck(judge().error()), "report_data");
    nonce.push_back(std::byte{0});
    ASSERT_FALSE(judge().ok());
    EXPECT_EQ(RefusedCheck(judge().error()), "report_data");
  }
}

TEST_P(SharedEvidence, EveryDerivedNegativeIsRefusedByItsCheck) {
  for (const Json& test_case : Cases()) {
    for (const Json& change : test_case["derived_negatives"]) {
      SCOPED_TRACE(test_case["id"].get<std::string>() + " " + change.dump());
      Files files = FilesOf(test_case);
      Bytes& bytes = files[change["file"]];
      const std::size_t offset = change["offset"];
      ASSERT_LT(offset, bytes.size());
      bytes[offset] ^= FromHex(change["xor"].get<std::string>()).value().at(0);
      const auto result = Judge(files, TimeOf(test_case["verify_time"]), false);
      ASSERT_FALSE(result.ok());
      // The expectation names each check that fails; the first one met refuses.
      const std::string check(RefusedCheck(result.error()));
      EXPECT_NE(change["expect"].get<std::string>().find(check), std::string::npos) << Why(result);
      EXPECT_FALSE(check.empty());
    }
  }
}

TEST_P(SharedEvidence, TimeEndsEveryGoodCase) {
  for (const Json& test_case : Cases()) {
    if (test_case["expect"]["strict_policy"] != "accept" || test_case["validity"].is_null())
      continue;
    SCOPED_TRACE(test_case["id"]);
    const Files files = FilesOf(test_case);
    const UnixSeconds from = TimeOf(test_case["validity"]["not_before"]);
    const UnixSeconds to = TimeOf(test_case["validity"]["not_after"]);
    EXPECT_TRUE(Judge(files, from, true).ok()) << Why(Judge(files, from, true));
    EXPECT_TRUE(Judge(files, to, true).ok()) << Why(Judge(files, to, true));
    const auto before = Judge(files, UnixSeconds(from.value() - 1), true);
    ASSERT_FALSE(before.ok());
    EXPECT_FALSE(RefusedCheck(before.error()).empty()) << Why(before);
    const auto after = Judge(files, UnixSeconds(to.value() + 1), true);
    ASSERT_FALSE(after.ok());
    EXPECT_FALSE(RefusedCheck(after.error()).empty()) << Why(after);
  }
}

// The revocation cases are no kind's: NIST's certificates and lists (PKITS), judged directly.
TEST(SharedRevocation, EveryCaseIsRefusedForItsReason) {
  const fs::path folder = kShared / "x509-crl";
  if (!fs::exists(folder)) GTEST_SKIP() << "there is no " << folder;
  std::ifstream file(folder / "cases.json");
  const Json cases = Json::parse(file)["cases"];
  EXPECT_EQ(cases.size(), 2u);
  for (const Json& test_case : cases) {
    SCOPED_TRACE(test_case["id"]);
    const auto read = [&](const char* role) {
      return ReadFile(folder / test_case["files"][role].get<std::string>());
    };
    std::vector<crypto::UnverifiedCertificate> chain;
    for (const char* role : {"leaf", "intermediates", "root"}) {
      const auto certificates = crypto::ReadCertificates(read(role), 4);
      ASSERT_TRUE(certificates.ok()) << certificates.error().message();
      chain.insert(chain.end(), certificates->begin(), certificates->end());
    }
    const std::vector<crypto::Sha256Digest> pins = {chain.back().unverified().key.Fingerprint()};
    const UnixSeconds now = ParseTime(test_case["verify_time"].get<std::string>()).value();
    // PKITS marks its certificate policies critical; this test stands in for who judges them.
    constexpr std::string_view kPolicies[] = {"2.5.29.32", "2.5.29.36"};
    const auto verified = crypto::VerifyChain(now, chain, {.pins = pins, .understood = kPolicies});
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    const auto lists = crypto::ReadRevocationLists(read("crls"), 4);
    ASSERT_TRUE(lists.ok()) << lists.error().message();
    std::size_t issuers_with_list = 0;
    std::size_t revoked = 0;
    for (std::size_t i = 0; i + 1 < verified->size(); ++i) {
      for (const auto& list : *lists) {
        const auto good = crypto::VerifiedRevocationList::Verify(list, (*verified)[i + 1]);
        if (!good.ok() || !good->IsCurrent(now)) continue;
        ++issuers_with_list;
        if (good->Revokes((*verified)[i])) ++revoked;
      }
    }
    const Json& checks = test_case["expect"]["checks"];
    EXPECT_EQ(revoked == 0, checks.value("leaf_not_revoked", true));
    EXPECT_EQ(issuers_with_list == verified->size() - 1,
              checks.value("crl_for_every_issuer", true));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SharedEvidence, testing::ValuesIn(client::AllKinds()),
                         [](const auto& kind) {
                           std::string name(kind.param.name());
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace anchorhold::attest
