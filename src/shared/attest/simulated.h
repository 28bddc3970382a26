// insecure-simulated: the development platform. Evidence has a type of its own that no policy
// accepts unless it names the platform, and is signed by a root key thrown away with the process.
//   body = "AHSIM1\0\0" measurement(sized) report_data(64) root_key(32) signature(64)
//   signature: Ed25519 by root_key, context "anchorhold insecure-simulated v1", over the bytes
//   ahead of it
#pragma once

#include "shared/attest/evidence.h"

namespace anchorhold::attest {

class SimulatedAttester final : public Attester {
 public:
  // `sealing_secret` stands in for the secret fused into a CPU. The host holds it: that is why this
  // platform protects nothing.
  static Result<SimulatedAttester> Create(Measurement measurement,
                                          crypto::SecretBytes sealing_secret);
  Platform platform() const override { return Platform::kInsecureSimulated; }
  const Measurement& measurement() const override { return measurement_; }
  Result<UnverifiedEvidence> Attest(const ReportData& report_data) override;
  // HKDF of the secret and the measurement: another enclave gets another root.
  Result<crypto::SecretBytes> SealingRoot() override;

 private:
  SimulatedAttester(Measurement measurement, crypto::SecretBytes sealing_secret,
                    crypto::Ed25519PrivateKey root);
  Measurement measurement_;
  crypto::SecretBytes sealing_secret_;
  crypto::Ed25519PrivateKey root_;
};

// What simulated evidence says, once its signature holds.
struct SimulatedClaims {
  Measurement measurement;
  ReportData report_data;
};
Result<SimulatedClaims> VerifySimulated(ByteSpan body);

// SHA-384 of an executable's bytes: the measurement of this platform.
Measurement MeasureExecutable(ByteSpan file);

}  // namespace anchorhold::attest
