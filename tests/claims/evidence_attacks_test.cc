// Attacks 3 to 6: tokens, weak configurations, what is out of date or absent, and parsers.
#include <sstream>

#include "shared/attest/ear.h"
#include "shared/attest/kinds.h"
#include "shared/attest/snp.h"
#include "shared/base/base64.h"
#include "shared/channel/certificate_extension.h"
#include "tests/claims/hardware.h"

namespace anchorhold::testing {
namespace {

using attest::testing::kSnpNow;
using attest::testing::SnpPlatform;
using Files = std::map<std::string, Bytes>;

// Judges files as the channel does, over the report data that SnpPlatform writes.
Result<attest::AttestationResult> Judge(const Files& files, const attest::AppraisalPolicy& policy,
                                        UnixSeconds now = kSnpNow) {
  std::vector<attest::CarriedFile> carried;
  for (const auto& [role, bytes] : files) carried.push_back({role, bytes});
  AH_ASSIGN_OR_RETURN(Bytes body, attest::SerializeCarried(std::move(carried)));
  attest::ReportData data;
  data.value.fill(std::byte{0xda});
  return attest::Appraise(now, {attest::Platform::kSevSnp, std::move(body)}, policy, data);
}

TEST(Attack3, TokensWhoseKeyComesFromTheTokenItselfWrongAudienceExpired) {
  const SnpPlatform platform;
  const auto result = Judge(platform.Files(), platform.Policy()).value();
  const auto appraiser = crypto::Ed25519PrivateKey::Generate();
  const auto forger = crypto::Ed25519PrivateKey::Generate();
  const attest::EarTerms terms{
      .build = "1", .audience = "registry", .policy_id = "p", .lifetime_seconds = 60};
  const std::string token = attest::SignEar(appraiser, result, terms);
  const auto verify = [&](std::string_view candidate, std::string_view audience, UnixSeconds now) {
    return attest::VerifyEar(now, candidate, appraiser.public_key(), audience);
  };
  ASSERT_TRUE(verify(token, "registry", kSnpNow).ok());
  // Signed by a key that only the token vouches for, in its header.
  const std::string forged = attest::SignEar(forger, result, terms);
  ExpectRefused(verify(forged, "registry", kSnpNow), "token_signature: ");
  const std::string header =
      R"({"alg":"EdDSA","typ":"JWT","jwk":{"kty":"OKP","crv":"Ed25519","x":")" +
      EncodeBase64(forger.public_key().span(), Base64::kUrl) + "\"}}";
  const std::string payload = forged.substr(forged.find('.'), forged.rfind('.') - forged.find('.'));
  for (const std::string& text : {header, std::string(R"({"alg":"none"})")}) {
    const std::string signed_part = EncodeBase64(AsBytes(text), Base64::kUrl) + payload;
    for (const std::string& end : {forged.substr(forged.rfind('.')), std::string(".")}) {
      ExpectRefused(verify(signed_part + end, "registry", kSnpNow), "token_signature: ");
    }
  }
  ExpectRefused(verify(token, "bank", kSnpNow), "token_audience: ");
  ExpectRefused(verify(token, "", kSnpNow), "token_audience: ");
  ExpectRefused(verify(token, "registry", UnixSeconds(kSnpNow.value() + 61)), "token_expired: ");
  ExpectRefused(verify(token, "registry", UnixSeconds(kSnpNow.value() - 1)),
                "token_not_yet_valid: ");
}

TEST(Attack4, DebugBitSimulatedEvidenceVmplOtherThanExpectedMigrationAgentAllowed) {
  const SnpPlatform good;
  const auto policy = good.Policy();
  const Files files = good.Files();
  ASSERT_TRUE(Judge(files, policy).ok());
  SnpPlatform debug = good;
  debug.report[0x00a] |= std::byte{1 << 3};
  ExpectRefused(Judge(debug.WithReport(files), policy), "no_debug: ");
  SnpPlatform migration = good;
  migration.report[0x00a] |= std::byte{1 << 2};
  ExpectRefused(Judge(migration.WithReport(files), policy), "no_migration_agent: ");
  for (const unsigned vmpl : {0u, 1u, 3u}) {
    SnpPlatform other = good;
    other.report[0x030] = static_cast<std::byte>(vmpl);
    ExpectRefused(Judge(other.WithReport(files), policy), "vmpl: ");
  }
  // Simulated evidence, of the very measurement that is listed, under a policy that names hardware;
  // and the same bytes called hardware.
  auto simulated =
      attest::SimulatedAttester::Create(policy.measurements[0], crypto::SecretBytes(32)).value();
  attest::ReportData data;
  data.value.fill(std::byte{0xda});
  auto evidence = simulated.Attest(data).value();
  ExpectRefused(attest::Appraise(kSnpNow, evidence, policy, data), "platform: ");
  evidence.platform = attest::Platform::kSevSnp;
  ExpectRefused(attest::Appraise(kSnpNow, evidence, policy, data), "evidence_is_well_formed: ");
}

TEST(Attack5, TcbOutOfDateExpiredCollateralRevokedCertificatesAbsentFieldTakenAsAMatch) {
  const SnpPlatform good;
  const auto policy = good.Policy();
  const Files files = good.Files();
  // Any component of any TCB one below the floor.
  constexpr std::pair<std::size_t, const char*> kTcbs[] = {{0x038, "current_tcb_floor: "},
                                                           {0x1e0, "committed_tcb_floor: "},
                                                           {0x1f0, "launch_tcb_floor: "}};
  for (std::uint8_t attest::SnpTcb::*component :
       {&attest::SnpTcb::boot_loader, &attest::SnpTcb::tee, &attest::SnpTcb::snp,
        &attest::SnpTcb::microcode}) {
    auto low = good.tcb;
    --(low.*component);
    SnpPlatform reported = good;
    reported.SetAllTcbs(low);
    ExpectRefused(Judge(reported.Files(), policy), "reported_tcb_floor: ");
    for (const auto& [offset, check] : kTcbs) {
      SnpPlatform other = good;
      other.SetTcb(offset, low);
      ExpectRefused(Judge(other.WithReport(files), policy), check);
    }
  }
  const auto expired = [&](auto bend, std::string_view check) {
    SnpPlatform other = good;
    bend(other);
    ExpectRefused(Judge(other.Files(), policy), check);
  };
  const UnixSeconds before(kSnpNow.value() - 1);
  expired([&](SnpPlatform& p) { p.vek_spec.not_after = before; }, "certificate_expired: ");
  expired([&](SnpPlatform& p) { p.intermediate_spec.not_after = before; }, "certificate_expired: ");
  expired([&](SnpPlatform& p) { p.crl_spec.next_update = before; }, "crl_current: ");
  expired([&](SnpPlatform& p) { p.crl_spec.serials = {p.intermediate_spec.serial}; },
          "intermediate_not_revoked: ");
  // What is absent: the list that the policy requires, and fields of zeros.
  Files without = files;
  without.erase("crl");
  ExpectRefused(Judge(without, policy), "crl_is_given: ");
  without = files;
  without.erase("report");
  ExpectRefused(Judge(without, policy), "report_is_given: ");
  constexpr std::pair<std::size_t, std::size_t> kFields[] = {{0x050, 64}, {0x090, 48}, {0x0c0, 32},
                                                             {0x0e0, 48}, {0x110, 48}, {0x1a0, 64}};
  for (const auto& [at, size] : kFields) {
    SnpPlatform absent = good;
    std::fill_n(absent.report.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{0});
    EXPECT_FALSE(Judge(absent.WithReport(files), policy).ok()) << at;
  }
  // A policy that asks for nothing is none.
  auto empty = policy;
  empty.measurements.clear();
  ExpectRefused(Judge(files, empty), "measurement: ");
  empty = policy;
  empty.sev_snp.reset();
  ExpectRefused(Judge(files, empty), "policy: ");
}

// What reads evidence before anything of it is believed.
void ReadAnything(ByteSpan bytes) {
  for (const attest::Kind& kind : attest::Kinds()) {
    for (const attest::Role& role : kind.roles) {
      attest::UnverifiedFiles files;
      ASSERT_TRUE(files.Add(kind.roles, role.name, CopyBytes(bytes)).ok());
      (void)kind.show(files);
      (void)attest::Appraise(kind, {.now = kSnpNow, .files = files});
    }
  }
}

TEST(Attack6,
     ParsersTruncationAtEveryLengthLengthOverflowWrongTypeMixedVersionsSignedButDifferent) {
  const SnpPlatform platform;
  const auto policy = platform.Policy();
  const Files files = platform.Files();
  // Truncation at every length, and bytes after the end: of each file, of what carries them, and of
  // the certificate's extension around that.
  for (const auto& [role, bytes] : files) {
    const std::size_t step = role == "report" ? 1 : 7;
    for (std::size_t size = 0; size < bytes.size(); size += step) {
      Files cut = files;
      cut[role].resize(size);
      EXPECT_FALSE(Judge(cut, policy).ok()) << role << " " << size;
    }
    Files longer = files;
    longer[role].push_back(std::byte{0});
    EXPECT_FALSE(Judge(longer, policy).ok()) << role;
  }
  const Bytes body = attest::SerializeCarried({{"report", files.at("report")}}).value();
  const channel::CertifiedEvidence certified{{attest::Platform::kSevSnp, body},
                                             attest::testing::MakeKeys()};
  const Bytes extension = channel::EncodeEvidenceExtension(certified);
  for (std::size_t size = 0; size < extension.size(); ++size) {
    EXPECT_FALSE(channel::ParseEvidenceExtension(ByteSpan(extension).first(size)).ok()) << size;
  }
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(attest::ParseCarried(ByteSpan(body).first(size)).ok()) << size;
  }
  // Lengths that point outside, or wrap around: every field of 32 bits that could be one.
  for (std::size_t at = 8; at + 4 <= 40; ++at) {
    Bytes huge = body;
    std::fill_n(huge.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0xff});
    const auto carried = attest::ParseCarried(huge);
    if (!carried.ok()) continue;
    EXPECT_EQ(attest::SerializeCarried(*carried).value(), huge) << at;
  }
  // The wrong type: every file of ours under every role of every kind, garbage, and nothing.
  for (const auto& [role, bytes] : files) ReadAnything(bytes);
  ReadAnything(extension);
  ReadAnything(Bytes(4096, std::byte{0xff}));
  ReadAnything(Bytes());
  // Mixed versions: the report says another than its layout has. It is signed all the same.
  for (const unsigned version : {0u, 1u, 6u, 255u}) {
    SnpPlatform other = platform;
    other.report[0] = static_cast<std::byte>(version);
    ExpectRefused(Judge(other.WithReport(files), policy), "report_is_well_formed: ");
  }
  // Signed, but different: what the signature covers is what is read.
  for (std::size_t at = 0; at < files.at("report").size(); ++at) {
    Files flipped = files;
    flipped["report"][at] ^= std::byte{1};
    EXPECT_FALSE(Judge(flipped, policy).ok()) << at;
  }
  // Genuine pieces of two machines.
  Files mixed = files;
  mixed["vek"] = SnpPlatform(attest::SnpProduct::kGenoa).Files().at("vek");
  EXPECT_FALSE(Judge(mixed, policy).ok());
}

}  // namespace
}  // namespace anchorhold::testing
