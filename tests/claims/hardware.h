// An enclave on hardware of our own making: SEV-SNP reports through a kernel's file interface, as
// the claims' tests attack it.
#pragma once

#include <gtest/gtest.h>

#include "shared/attest/test_snp.h"
#include "shared/channel/test_support.h"
#include "untrusted/attesters/configfs_tsm.h"
#include "untrusted/attesters/test_tsm.h"

namespace anchorhold::testing {

class SnpClock final : public Clock {
 public:
  UnixSeconds Now() const override { return attest::testing::kSnpNow; }
};

// A machine: its kernel's configfs-tsm, and the endorsements that a client keeps of it.
class Machine final : public attest::EndorsementSource {
 public:
  explicit Machine(attest::testing::SnpPlatform platform = attest::testing::SnpPlatform());
  ~Machine() override;

  // What an enclave on this machine asks for evidence. The machine outlives it.
  std::unique_ptr<attest::Attester> Attester();
  attest::AppraisalPolicy Policy() const { return platform_.Policy(); }
  Result<std::vector<attest::CarriedFile>> Find(
      UnixSeconds now, const attest::Kind& kind,
      const attest::UnverifiedFiles& evidence) const override;
  // What the client keeps; may be bent.
  std::map<std::string, Bytes> endorsements;

 private:
  attest::testing::SnpPlatform platform_;
  std::filesystem::path folder_;
  host::testing::TsmBehaviour behaviour_;
};

// Both appraisals of a client that holds `policy` and the machine's endorsements.
inline Result<channel::ClientChannel> Connect(const channel::testing::LoopbackServer& server,
                                              const attest::AppraisalPolicy& policy,
                                              const attest::EndorsementSource& endorsements) {
  return channel::ClientChannel::Connect(server.address(), crypto::Ed25519PrivateKey::Generate(),
                                         policy, SnpClock(), &endorsements);
}

// The refusal's message holds `part`, and the error is a refusal.
template <typename T>
void ExpectRefused(const Result<T>& result, std::string_view part) {
  ASSERT_FALSE(result.ok()) << part;
  EXPECT_EQ(result.error().code(), ErrorCode::kAttestationRefused) << result.error().message();
  EXPECT_NE(result.error().message().find(part), std::string::npos) << result.error().message();
}

}  // namespace anchorhold::testing
