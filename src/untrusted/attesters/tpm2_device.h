// A TPM 2.0 by tpm2-tss. The host measures the enclave as every stage of a measured start measures
// the next: it extends PCR 15 by SHA-256 of the executable before it starts it. A quote of that
// register, and of those of the firmware and the system, then says what was started, in the order
// in which the parts vouch for one another; it says nothing of who can read the memory.
//
// The attestation key is a primary key of the endorsement hierarchy (restricted, ECC P-256): the
// TPM makes the same one from its seed each time, so nothing has to be stored.
#pragma once

#include <memory>
#include <string>

#include "untrusted/attesters/evidence_device.h"

namespace anchorhold::host {

inline constexpr const char* kTpm2Device = "/dev/tpmrm0";

class Tpm2Device final : public EvidenceDevice {
 public:
  // `tcti`: where the TPM is, as tpm2-tss writes it: "device:/dev/tpmrm0". kUnavailable, with what
  // the library says, if there is none or it does not answer.
  static Result<std::unique_ptr<Tpm2Device>> Open(const std::string& tcti);
  ~Tpm2Device() override;

  attest::Platform platform() const override { return attest::Platform::kTpm2; }
  // Extends PCR 15 by the executable, unless that is just what was done since the machine started.
  // kUnavailable if something else was: then the register can never say which enclave runs.
  Status Launching(ByteSpan executable) override;
  Result<std::vector<attest::CarriedFile>> Quote(const attest::ReportData& report_data) override;

 private:
  class Session;
  explicit Tpm2Device(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace anchorhold::host
