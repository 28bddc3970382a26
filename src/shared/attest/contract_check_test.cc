#include "shared/attest/contract_check.h"

#include <gtest/gtest.h>

#include "shared/attest/test_support.h"

namespace anchorhold::attest {
namespace {

using testing::TestMeasurement;

wire::Contract Naming(std::vector<std::string> platforms, std::vector<Bytes> measurements) {
  wire::Contract contract;
  contract.platforms = std::move(platforms);
  contract.measurements = std::move(measurements);
  return contract;
}

void ExpectRefused(const wire::Contract& contract, const std::string& says) {
  const Status status =
      CheckContractAllows(contract, Platform::kInsecureSimulated, TestMeasurement());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kAttestationRefused);
  EXPECT_NE(status.error().message().find(says), std::string::npos) << status.error().message();
}

TEST(ContractCheck, BothMustBeNamed) {
  const Bytes ours = TestMeasurement();
  const Bytes other = TestMeasurement(1);
  EXPECT_TRUE(CheckContractAllows(Naming({"tdx", "insecure-simulated"}, {other, ours}),
                                  Platform::kInsecureSimulated, ours)
                  .ok());
  ExpectRefused(Naming({"tdx"}, {ours}), "the platform insecure-simulated");
  ExpectRefused(Naming({"insecure-simulated"}, {other}), "the measurement");
  ExpectRefused(Naming({"insecure-simulated"}, {other}), ToHex(ours));
  // A measurement's beginning names nothing.
  ExpectRefused(Naming({"insecure-simulated"}, {Bytes(ours.begin(), ours.end() - 1)}),
                "the measurement");
  ExpectRefused(Naming({}, {}), "the platform");
}

}  // namespace
}  // namespace anchorhold::attest
