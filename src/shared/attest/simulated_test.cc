#include "shared/attest/simulated.h"

#include <gtest/gtest.h>

#include "shared/attest/test_support.h"
#include "shared/base/reader.h"

namespace anchorhold::attest {
namespace {

using namespace std::string_view_literals;
using testing::MakeAttester;
using testing::MakeKeys;
using testing::TestMeasurement;

TEST(Simulated, EvidenceSaysWhatWasAttested) {
  SimulatedAttester attester = MakeAttester();
  const ReportData data = BindKeys(MakeKeys());
  const auto evidence = attester.Attest(data);
  ASSERT_TRUE(evidence.ok());
  EXPECT_EQ(evidence->platform, Platform::kInsecureSimulated);
  const auto claims = VerifySimulated(evidence->body);
  ASSERT_TRUE(claims.ok()) << claims.error().message();
  EXPECT_EQ(claims->measurement, TestMeasurement());
  EXPECT_EQ(claims->report_data, data);
}

TEST(Simulated, NoFlippedBitPasses) {
  const Bytes body = MakeAttester().Attest(BindKeys(MakeKeys())).value().body;
  for (std::size_t bit = 0; bit < 8 * body.size(); ++bit) {
    Bytes other = body;
    other[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(VerifySimulated(other).ok()) << bit;
  }
}

TEST(Simulated, NoTruncationPasses) {
  Bytes body = MakeAttester().Attest(BindKeys(MakeKeys())).value().body;
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(VerifySimulated(ByteSpan(body).first(size)).ok()) << size;
  }
  body.push_back(std::byte{0});
  EXPECT_FALSE(VerifySimulated(body).ok());
}

// Signed by the right key in the right context, yet of a shape that Create would not make.
TEST(Simulated, RefusesAMeasurementOfAnotherSize) {
  const auto root = crypto::Ed25519PrivateKey::Generate();
  for (const std::size_t size : {0u, 31u, 65u}) {
    ByteWriter writer;
    writer.WriteBytes(AsBytes("AHSIM1\0\0"sv));
    writer.WriteSized(Bytes(size));
    writer.WriteBytes(Bytes(64));
    writer.WriteBytes(root.public_key().span());
    writer.WriteBytes(root.Sign("anchorhold insecure-simulated v1", writer.bytes()).span());
    EXPECT_FALSE(VerifySimulated(writer.bytes()).ok()) << size;
  }
}

TEST(Simulated, CreateRefusesBadSizes) {
  EXPECT_FALSE(SimulatedAttester::Create({}, crypto::SecretBytes(32)).ok());
  EXPECT_FALSE(SimulatedAttester::Create(Bytes(31), crypto::SecretBytes(32)).ok());
  EXPECT_FALSE(SimulatedAttester::Create(Bytes(65), crypto::SecretBytes(32)).ok());
  EXPECT_FALSE(SimulatedAttester::Create(Bytes(48), crypto::SecretBytes(31)).ok());
}

TEST(Simulated, SealingRootIsTheEnclavesOwn) {
  const auto root = [](std::uint8_t fill, std::uint8_t secret) {
    const Bytes fused(32, std::byte{secret});
    auto attester =
        SimulatedAttester::Create(TestMeasurement(fill), crypto::SecretBytes::CopyOf(fused));
    return std::move(attester).value().SealingRoot().value();
  };
  EXPECT_EQ(root(1, 1).size(), 32u);
  EXPECT_TRUE(root(1, 1) == root(1, 1));
  EXPECT_FALSE(root(1, 1) == root(2, 1));
  EXPECT_FALSE(root(1, 1) == root(1, 2));
}

TEST(Simulated, MeasuresWithSha384) {
  EXPECT_EQ(ToHex(MeasureExecutable(AsBytes("abc"))),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
}

}  // namespace
}  // namespace anchorhold::attest
