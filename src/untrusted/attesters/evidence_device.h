// What the machine has that makes evidence. It is the host that asks it: evidence is signed, so
// whoever carries it can lose it but not change it, and the enclave's walls stay closed.
#pragma once

#include <vector>

#include "shared/attest/carried.h"

namespace anchorhold::host {

class EvidenceDevice {
 public:
  virtual ~EvidenceDevice() = default;
  virtual attest::Platform platform() const = 0;
  // Told before the enclave is started, for platforms on which the host measures it.
  virtual Status Launching([[maybe_unused]] ByteSpan executable) { return Ok(); }
  // Evidence over attest::BoundBytes of the report data, and the endorsements that the platform
  // hands over with it, by role. kUnavailable if the platform has none now.
  virtual Result<std::vector<attest::CarriedFile>> Quote(const attest::ReportData& report_data) = 0;
};

}  // namespace anchorhold::host
