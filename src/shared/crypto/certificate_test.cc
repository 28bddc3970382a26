// Chains and revocation lists of a test authority: what holds is taken, and each fault has its
// name.
#include "shared/crypto/certificate.h"

#include <gtest/gtest.h>

#include "shared/crypto/certificate_chain.h"
#include "shared/crypto/revocation_list.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::crypto {
namespace {

using testing::CertificateSpec;
using testing::MakeCertificate;
using testing::MakeRevocationList;
using testing::RevocationListSpec;
using testing::TestKey;

constexpr UnixSeconds kNow{1'750'000'000};

// leaf <- middle <- root, each of which a test may bend.
class Chain : public ::testing::Test {
 protected:
  Chain() : leaf_key_(Key(0)), middle_key_(Key(1)), root_key_(Key(2)) {}
  static const TestKey& Key(std::size_t i) {
    static const TestKey keys[] = {TestKey::Generate(KeyType::kEcP256),
                                   TestKey::Generate(KeyType::kEcP384),
                                   TestKey::Generate(KeyType::kRsa)};
    return keys[i];
  }
  std::vector<UnverifiedCertificate> Make() const {
    std::vector<UnverifiedCertificate> out;
    for (const Bytes& der : {MakeCertificate(leaf_, leaf_key_, middle_key_),
                             MakeCertificate(middle_, middle_key_, root_key_),
                             MakeCertificate(root_, root_key_, root_key_)}) {
      out.push_back(UnverifiedCertificate::FromDer(der).value());
    }
    return out;
  }
  Result<std::vector<VerifiedCertificate>> Verify(
      const std::vector<UnverifiedCertificate>& chain, UnixSeconds now = kNow,
      std::span<const std::string_view> understood = {}) {
    return VerifyChain(now, chain, {.pins = pins_, .understood = understood}, &fault_);
  }
  void ExpectFault(ChainCheck check, std::size_t at, UnixSeconds now = kNow) {
    const auto verified = Verify(Make(), now);
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.error().code(), ErrorCode::kIntegrity);
    EXPECT_EQ(fault_.check, check) << verified.error().message();
    EXPECT_EQ(fault_.at, at) << verified.error().message();
  }

  CertificateSpec leaf_{.subject = "leaf", .issuer = "middle"};
  CertificateSpec middle_{.subject = "middle", .issuer = "root", .ca = true, .pss = true};
  CertificateSpec root_{.subject = "root", .issuer = "root", .ca = true, .pss = true};
  TestKey leaf_key_, middle_key_, root_key_;
  std::vector<Sha256Digest> pins_ = {Key(2).public_key().Fingerprint()};
  ChainFault fault_;
};

TEST_F(Chain, HoldsAndSaysWhatItSays) {
  leaf_.serial = 0;
  leaf_.extensions = {{"1.2.3.4", false, CopyBytes(AsBytes("value"))}};
  const auto verified = Verify(Make());
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  ASSERT_EQ(verified->size(), 3u);
  const CertificateFields& fields = verified->front().fields();
  EXPECT_EQ(verified->front().key(), leaf_key_.public_key());
  EXPECT_EQ(fields.common_name, "leaf");
  EXPECT_EQ(fields.issuer, "CN=middle");
  EXPECT_TRUE(fields.serial.empty());
  EXPECT_EQ(fields.not_before, leaf_.not_before);
  EXPECT_EQ(fields.not_after, leaf_.not_after);
  ASSERT_NE(fields.Find("1.2.3.4"), nullptr);
  EXPECT_EQ(AsText(fields.Find("1.2.3.4")->value), "value");
  EXPECT_EQ(fields.Find("1.2.3.5"), nullptr);
}

TEST_F(Chain, HoldsOnlyAsLongAsEveryPartDoes) {
  middle_.not_before = UnixSeconds(1'740'000'000);
  leaf_.not_after = UnixSeconds(1'760'000'000);
  EXPECT_TRUE(Verify(Make(), middle_.not_before).ok());
  EXPECT_TRUE(Verify(Make(), leaf_.not_after).ok());
  ExpectFault(ChainCheck::kNotYetValid, 1, UnixSeconds(1'739'999'999));
  ExpectFault(ChainCheck::kExpired, 0, UnixSeconds(1'760'000'001));
}

TEST_F(Chain, TrustsAKeyAndNoName) {
  root_key_ = TestKey::Generate(KeyType::kRsa);
  ExpectFault(ChainCheck::kRootPinned, 2);
  pins_.clear();
  root_key_ = Key(2);
  ExpectFault(ChainCheck::kRootPinned, 2);
}

TEST_F(Chain, NamesEachFault) {
  leaf_.issuer = "somebody";
  ExpectFault(ChainCheck::kIssuer, 0);
  leaf_.issuer = "middle";
  leaf_.extensions = {{"1.2.3.4", true, CopyBytes(AsBytes("value"))}};
  ExpectFault(ChainCheck::kCriticalExtension, 0);
  leaf_.extensions.clear();
  middle_.ca = false;
  ExpectFault(ChainCheck::kNotACertifier, 1);
  middle_.ca = true;
  middle_.key_usage = "-";
  ExpectFault(ChainCheck::kKeyUsage, 1);
  middle_.key_usage = "critical,digitalSignature";
  ExpectFault(ChainCheck::kKeyUsage, 1);
  middle_.key_usage = "";
  root_.path_length = 0;
  ExpectFault(ChainCheck::kPathLength, 2);
  root_.path_length = 1;
  EXPECT_TRUE(Verify(Make()).ok());
  leaf_.sha1 = true;
  ExpectFault(ChainCheck::kAlgorithm, 0);
}

TEST_F(Chain, ACriticalExtensionMayBeTheCallersOwn) {
  leaf_.extensions = {{"1.2.3.4", true, CopyBytes(AsBytes("value"))}};
  constexpr std::string_view kOwn[] = {"1.2.3.4"};
  EXPECT_TRUE(Verify(Make(), kNow, kOwn).ok());
}

TEST_F(Chain, RefusesAnotherSigner) {
  auto chain = Make();
  middle_key_ = TestKey::Generate(KeyType::kEcP384);
  chain[1] = Make()[1];  // as the first one, but for its key
  EXPECT_FALSE(Verify(chain).ok());
  EXPECT_EQ(fault_.check, ChainCheck::kSignature);
  EXPECT_EQ(fault_.at, 0u);
}

TEST_F(Chain, RefusesOtherLengths) {
  auto chain = Make();
  EXPECT_FALSE(Verify({}).ok());
  EXPECT_EQ(fault_.check, ChainCheck::kLength);
  EXPECT_FALSE(Verify({chain[0], chain[1]}).ok());
  EXPECT_EQ(fault_.check, ChainCheck::kRootPinned);
  EXPECT_FALSE(Verify({chain[0], chain[2]}).ok());
  EXPECT_EQ(fault_.check, ChainCheck::kIssuer);
  EXPECT_TRUE(Verify({chain[2]}).ok());
  chain.insert(chain.begin(), 6, chain[0]);
  EXPECT_FALSE(Verify(chain).ok());
  EXPECT_EQ(fault_.check, ChainCheck::kLength);
}

// Every byte is signed, is the signature, or says how it is to be read.
TEST_F(Chain, NoChangedByteOfALeafPasses) {
  const Bytes der = MakeCertificate(leaf_, leaf_key_, middle_key_);
  auto chain = Make();
  for (std::size_t at = 0; at < der.size(); ++at) {
    for (const unsigned mask : {0x01u, 0x80u, 0xffu}) {
      Bytes other = der;
      other[at] ^= static_cast<std::byte>(mask);
      const auto parsed = UnverifiedCertificate::FromDer(other);
      if (!parsed.ok()) continue;
      chain[0] = *parsed;
      EXPECT_FALSE(Verify(chain).ok()) << at;
    }
  }
}

TEST_F(Chain, NoTruncatedCertificateParses) {
  Bytes der = MakeCertificate(leaf_, leaf_key_, middle_key_);
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(UnverifiedCertificate::FromDer(ByteSpan(der).first(size)).ok()) << size;
  }
  der.push_back(std::byte{0});
  EXPECT_FALSE(UnverifiedCertificate::FromDer(der).ok());
}

TEST_F(Chain, ReadsPemStrictly) {
  const Bytes der = MakeCertificate(leaf_, leaf_key_, middle_key_);
  const std::string block = testing::ToPem(der, "CERTIFICATE");
  const auto read = [](const std::string& text, std::size_t max) {
    return ReadCertificates(AsBytes(text), max);
  };
  ASSERT_TRUE(read(block + "\r\n " + block, 2).ok());
  EXPECT_EQ(read(block + block, 2)->size(), 2u);
  EXPECT_EQ(read(block, 1)->front().unverified().der, der);
  EXPECT_FALSE(read(block + block, 1).ok());
  EXPECT_FALSE(read(block + "x", 2).ok());
  EXPECT_FALSE(read("Proc-Type: 4,ENCRYPTED\n" + block, 2).ok());
  EXPECT_FALSE(read(testing::ToPem(der, "X509 CRL"), 2).ok());
  EXPECT_FALSE(read(block.substr(0, block.size() - 5), 2).ok());
  EXPECT_FALSE(read("", 2).ok());
}

class Revocation : public Chain {
 protected:
  Result<VerifiedRevocationList> VerifyList(const RevocationListSpec& spec, const TestKey& key) {
    const auto chain = Verify(Make());
    AH_CHECK(chain.ok());
    leaf_verified_ = (*chain)[0];
    const auto list = UnverifiedRevocationList::FromDer(MakeRevocationList(spec, key));
    AH_CHECK(list.ok());
    return VerifiedRevocationList::Verify(*list, (*chain)[1], &check_);
  }
  RevocationListSpec spec_{.issuer = "middle"};
  RevocationCheck check_ = RevocationCheck::kDates;
  std::optional<VerifiedCertificate> leaf_verified_;
};

TEST_F(Revocation, KnowsTheRevokedOnes) {
  leaf_.serial = 70000;
  spec_.serials = {3, 70000, 5};
  auto list = VerifyList(spec_, middle_key_);
  ASSERT_TRUE(list.ok()) << list.error().message();
  EXPECT_EQ(list->revoked_count(), 3u);
  EXPECT_TRUE(list->Revokes(*leaf_verified_));
  spec_.serials = {3, 70001, 5};
  list = VerifyList(spec_, middle_key_);
  ASSERT_TRUE(list.ok());
  EXPECT_FALSE(list->Revokes(*leaf_verified_));
  EXPECT_TRUE(list->IsCurrent(spec_.this_update));
  EXPECT_TRUE(list->IsCurrent(spec_.next_update));
  EXPECT_FALSE(list->IsCurrent(UnixSeconds(spec_.this_update.value() - 1)));
  EXPECT_FALSE(list->IsCurrent(UnixSeconds(spec_.next_update.value() + 1)));
}

TEST_F(Revocation, NamesEachFault) {
  EXPECT_FALSE(VerifyList(spec_, root_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kSignature);
  spec_.sha1 = true;
  EXPECT_FALSE(VerifyList(spec_, middle_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kSignature);
  spec_.sha1 = false;
  spec_.issuer = "root";
  EXPECT_FALSE(VerifyList(spec_, middle_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kIssuer);
  spec_.issuer = "middle";
  spec_.critical_extension = true;
  EXPECT_FALSE(VerifyList(spec_, middle_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kExtension);
  spec_.critical_extension = false;
  spec_.has_next_update = false;
  EXPECT_FALSE(VerifyList(spec_, middle_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kDates);
  spec_.has_next_update = true;
  middle_.key_usage = "critical,keyCertSign";
  EXPECT_FALSE(VerifyList(spec_, middle_key_).ok());
  EXPECT_EQ(check_, RevocationCheck::kKeyUsage);
}

TEST_F(Revocation, NoChangedByteOfAListPasses) {
  spec_.serials = {1, 2};
  const Bytes der = MakeRevocationList(spec_, middle_key_);
  const auto chain = Verify(Make());
  ASSERT_TRUE(chain.ok());
  for (std::size_t at = 0; at < der.size(); ++at) {
    Bytes other = der;
    other[at] ^= std::byte{1};
    const auto parsed = UnverifiedRevocationList::FromDer(other);
    EXPECT_FALSE(parsed.ok() && VerifiedRevocationList::Verify(*parsed, (*chain)[1]).ok()) << at;
    EXPECT_FALSE(UnverifiedRevocationList::FromDer(ByteSpan(der).first(at)).ok()) << at;
  }
}

}  // namespace
}  // namespace anchorhold::crypto
