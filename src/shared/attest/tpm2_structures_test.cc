// What a TPM and its firmware write, read strictly.
#include <gtest/gtest.h>

#include "shared/attest/test_tpm2.h"
#include "shared/attest/tpm2_pcrs.h"

namespace anchorhold::attest {
namespace {

using testing::AgileLog;
using testing::OldLog;
using testing::Tpm;
using testing::TpmEvent;

Bytes Extend(Tpm2Hash hash, Bytes value, ByteSpan data) {
  AppendBytes(value, Tpm2Digest(hash, data));
  return Tpm2Digest(hash, value);
}

TpmEvent Locality(std::uint8_t locality) {
  TpmEvent event{.pcr = 0, .type = 3, .data = {}};
  event.data = CopyBytes(AsBytes(std::string_view("StartupLocality\0", 16)));
  event.data.push_back(std::byte{locality});
  return event;
}

TEST(Tpm2Hash, HasNamesAndNumbers) {
  for (const auto& [name, size] : {std::pair<const char*, std::size_t>("sha1", 20),
                                   {"sha256", 32},
                                   {"sha384", 48},
                                   {"sha512", 64}}) {
    const Tpm2Hash hash = ParseTpm2Hash(name).value();
    EXPECT_EQ(Tpm2HashName(hash), name);
    EXPECT_EQ(Tpm2HashBytes(hash), size);
    EXPECT_EQ(Tpm2Digest(hash, AsBytes("abc")).size(), size);
    EXPECT_EQ(Tpm2HashFromId(static_cast<std::uint16_t>(hash)).value(), hash);
  }
  // FIPS 180-4's example.
  EXPECT_EQ(ToHex(Tpm2Digest(Tpm2Hash::kSha1, AsBytes("abc"))),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_FALSE(ParseTpm2Hash("sm3").ok());
  EXPECT_FALSE(Tpm2HashFromId(0x12).ok());
}

TEST(Tpm2Signature, EveryPrefixAndMoreIsRefused) {
  for (const Tpm2Scheme scheme : {Tpm2Scheme::kRsassa, Tpm2Scheme::kEcdsa}) {
    const Tpm tpm(scheme);
    const Bytes good = tpm.Sign(tpm.Attest());
    EXPECT_TRUE(Tpm2Signature::Parse(good).ok());
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(Tpm2Signature::Parse(ByteSpan(good).first(size)).ok());
    }
    Bytes longer = good;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(Tpm2Signature::Parse(longer).ok());
  }
  for (const char* hex :
       {"0010000b0000", "0019000b00010100010100", "001400120000", "0014000bffff"}) {
    EXPECT_FALSE(Tpm2Signature::Parse(FromHex(hex).value()).ok()) << hex;
  }
}

TEST(Tpm2Signature, IsOfOneKeyAndForm) {
  const Tpm rsa, ecc(Tpm2Scheme::kEcdsa);
  const Bytes message = rsa.Attest();
  const auto by_rsa = Tpm2Signature::Parse(rsa.Sign(message)).value();
  const auto by_ecc = Tpm2Signature::Parse(ecc.Sign(message)).value();
  EXPECT_TRUE(by_rsa.Verify(rsa.ak().public_key(), message).ok());
  EXPECT_TRUE(by_ecc.Verify(ecc.ak().public_key(), message).ok());
  EXPECT_FALSE(by_rsa.Verify(ecc.ak().public_key(), message).ok());
  EXPECT_FALSE(by_ecc.Verify(rsa.ak().public_key(), message).ok());
  EXPECT_FALSE(by_rsa.Verify(Tpm(Tpm2Scheme::kRsassa, 1).ak().public_key(), message).ok());
  // RSASSA named as RSAPSS, and SHA-256 as SHA-1 or SHA-384.
  for (const char* head : {"0016000b", "00140004", "0014000c", "00160004"}) {
    Bytes other = FromHex(head).value();
    AppendBytes(other, ByteSpan(rsa.Sign(message)).subspan(4));
    const auto parsed = Tpm2Signature::Parse(other);
    ASSERT_TRUE(parsed.ok());
    EXPECT_FALSE(parsed->Verify(rsa.ak().public_key(), message).ok()) << head;
  }
}

TEST(Tpm2Public, IsTheKeyItself) {
  for (const Tpm2Scheme scheme : {Tpm2Scheme::kRsassa, Tpm2Scheme::kEcdsa}) {
    const Tpm tpm(scheme);
    const Bytes bytes = tpm.Public();
    const auto parsed = ParseTpm2Public(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(parsed->key, tpm.ak().public_key());
    EXPECT_TRUE(parsed->IsAttestationKey());
    Bytes name = FromHex("000b").value();
    AppendBytes(name, crypto::Sha256(bytes).span());
    EXPECT_EQ(parsed->name, name);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(ParseTpm2Public(ByteSpan(bytes).first(size)).ok());
    }
    for (const auto& [at, value] : {std::pair<std::size_t, int>(1, 0x08),  // a keyed hash
                                    {3, 0x12},                             // SM3
                                    {11, 0x06}}) {                         // AES
      Bytes other = bytes;
      other[at] = static_cast<std::byte>(value);
      EXPECT_FALSE(ParseTpm2Public(other).ok()) << at;
    }
  }
}

TEST(Tpm2Attest, EveryPrefixAndMoreIsRefused) {
  for (const Tpm2AttestType type :
       {Tpm2AttestType::kQuote, Tpm2AttestType::kCertify, Tpm2AttestType::kCreation}) {
    Tpm tpm;
    tpm.type = type;
    const Bytes good = tpm.Attest();
    const auto parsed = UnverifiedTpm2Attest::Parse(good);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(parsed->unverified().firmware_version, 0x2016051100162800u);
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(UnverifiedTpm2Attest::Parse(ByteSpan(good).first(size)).ok());
    }
    Bytes longer = good;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(UnverifiedTpm2Attest::Parse(longer).ok());
  }
  Tpm tpm;
  tpm.selections = {{Tpm2Hash::kSha256, {0}}, {Tpm2Hash::kSha256, {7}}};
  EXPECT_FALSE(UnverifiedTpm2Attest::Parse(tpm.Attest()).ok());  // one bank twice
}

TEST(Tpm2EventLog, ReplaysBothForms) {
  const std::vector<TpmEvent> events = {{0, 8, Bytes(3, std::byte{1})},
                                        {23, 0x80000008, Bytes(1000, std::byte{2})},
                                        {0, 4, Bytes(4)},
                                        {0, 3, Bytes(9)}};
  for (const bool agile : {false, true}) {
    const auto log = ReplayTpm2EventLog(agile ? AgileLog(events) : OldLog(events));
    ASSERT_TRUE(log.ok()) << log.error().message();
    EXPECT_EQ(log->events, agile ? 5u : 4u);
    EXPECT_EQ(log->replayed.size(), agile ? 2u : 1u);
    for (const auto& [hash, registers] : log->replayed) {
      Bytes zero = Extend(hash, Bytes(Tpm2HashBytes(hash)), events[0].data);
      zero = Extend(hash, zero, events[2].data);
      EXPECT_EQ(registers.at(0), zero);
      EXPECT_EQ(registers.at(23), Extend(hash, Bytes(Tpm2HashBytes(hash)), events[1].data));
      EXPECT_EQ(registers.size(), 2u);
    }
  }
}

TEST(Tpm2EventLog, StartsWithTheLocality) {
  const TpmEvent event{0, 8, Bytes(3, std::byte{1})};
  const auto log = ReplayTpm2EventLog(AgileLog({Locality(3), event}));
  ASSERT_TRUE(log.ok()) << log.error().message();
  Bytes start(32);
  start.back() = std::byte{3};
  EXPECT_EQ(log->replayed.at(Tpm2Hash::kSha256).at(0),
            Extend(Tpm2Hash::kSha256, start, event.data));
  EXPECT_FALSE(ReplayTpm2EventLog(AgileLog({event, Locality(3)})).ok());
}

TEST(Tpm2EventLog, RefusesWhatIsNone) {
  const TpmEvent event{0, 8, Bytes(3, std::byte{1})};
  const Bytes good = AgileLog({event, event});
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < good.size(); ++size) {
    if (ReplayTpm2EventLog(ByteSpan(good).first(size)).ok()) ++accepted;
  }
  EXPECT_EQ(accepted, 2u);  // after the header, and after an event
  EXPECT_FALSE(ReplayTpm2EventLog(AgileLog({{24, 8, {}}})).ok());
  EXPECT_TRUE(ReplayTpm2EventLog(AgileLog({{0xffffffff, 3, {}}})).ok());
  // The header, from 32 on: after 24 bytes the number of banks, then pairs of hash and size.
  const std::size_t banks = 32 + 24;
  const std::pair<std::size_t, int> changes[] = {{banks, 0},      {banks, 3},     {banks, 17},
                                                 {banks + 6, 19}, {banks + 8, 4}, {banks + 10, 0},
                                                 {banks + 12, 1}, {banks + 13, 0}};
  for (const auto& [at, value] : changes) {
    Bytes other = good;
    if (other[at] == static_cast<std::byte>(value)) continue;
    other[at] = static_cast<std::byte>(value);
    EXPECT_FALSE(ReplayTpm2EventLog(other).ok()) << at << " " << value;
  }
  // A size that nothing stands behind.
  Bytes huge = OldLog({event});
  huge[31] = std::byte{0xff};
  EXPECT_FALSE(ReplayTpm2EventLog(huge).ok());
}

}  // namespace
}  // namespace anchorhold::attest
