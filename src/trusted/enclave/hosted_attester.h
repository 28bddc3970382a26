// The platform's hardware, asked through the host (wire/window.h, kEvidence). Evidence is signed by
// the hardware, so a host that carries it can refuse it, but not forge it; and the enclave needs no
// device, so its walls stay closed. What the host answers is checked to be about what was asked,
// not verified: that is for those who are to be convinced.
#pragma once

#include <memory>

#include "shared/attest/carried.h"
#include "trusted/enclave/window.h"

namespace anchorhold::enclave {

class HostedAttester final : public attest::Attester {
 public:
  // Asks once, to learn the measurement. kUnsupported for a platform that is not one of hardware.
  // `store` outlives the attester.
  static Result<std::unique_ptr<HostedAttester>> Create(attest::Platform platform,
                                                        StoreClient& store);

  attest::Platform platform() const override { return platform_; }
  const attest::Measurement& measurement() const override { return measurement_; }
  // kIntegrity if the host's answer is about other report data or another measurement.
  Result<attest::UnverifiedEvidence> Attest(const attest::ReportData& report_data) override;
  // Random bytes that live as long as the process: nothing that this enclave seals can be opened
  // after it has ended, by anybody.
  Result<crypto::SecretBytes> SealingRoot() override;

 private:
  HostedAttester(attest::Platform platform, StoreClient& store)
      : platform_(platform), store_(store) {}
  struct Answer {
    attest::UnverifiedEvidence evidence;
    attest::Measurement measurement;
  };
  Result<Answer> Ask(const attest::ReportData& report_data);

  attest::Platform platform_;
  StoreClient& store_;
  attest::Measurement measurement_;
  crypto::SecretBytes root_;
};

}  // namespace anchorhold::enclave
