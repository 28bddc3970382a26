// Evidence of hardware as it travels in the channel and in receipts: the files of its kind, each
// under its role (kind.h). What the platform hands over is carried as it is; no field of it is
// rewritten.
//
//   body = "AHFILES1" count(u8) count * file        file = sized role, sized bytes
//
// count is 1 to 16. A role has 1 to 32 characters of a-z 0-9 _; roles ascend, so that there is one
// way to write a set of files. The whole keeps to limits::kEvidenceBytesMax.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/evidence.h"

namespace anchorhold::attest {

struct CarriedFile {
  std::string role;
  Bytes bytes;
};

// In any order. kLimitExceeded if the files are too many or too long to be carried, kInvalidInput
// for a role that is none or is there twice.
Result<Bytes> SerializeCarried(std::vector<CarriedFile> files);
// Exactly what SerializeCarried makes; kInvalidInput or kLimitExceeded otherwise.
Result<std::vector<CarriedFile>> ParseCarried(ByteSpan body);

// The register of a TPM that the host extends by the enclave before it starts it, in the bank of
// SHA-256: by SHA-256 of its executable file, from zeros. It cannot be reset before the next boot.
inline constexpr std::uint8_t kTpm2EnclavePcr = 15;
// Its value with this enclave running: the measurement on that platform.
Measurement Tpm2Measurement(ByteSpan executable);

// What evidence says of itself, for those who carry it: the measurement, and what it was made over.
// Verified by nobody.
struct UnverifiedStatement {
  Measurement measurement;
  Bytes report_data;
};
// kUnsupported for a platform without an Attester, kInvalidInput for evidence that is none.
Result<UnverifiedStatement> ReadUnverifiedStatement(const UnverifiedEvidence& evidence);

}  // namespace anchorhold::attest
