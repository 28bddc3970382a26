// Which of the machine's interfaces makes the evidence.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "untrusted/attesters/evidence_device.h"

namespace anchorhold::host {

inline constexpr const char* kAutomatic = "auto";

struct DeviceChoice {
  std::string platform;               // the name of one with hardware, or kAutomatic
  std::string device = {};            // where its interface lies; empty: where Linux has it
  std::optional<unsigned> vmpl = {};  // SEV-SNP: the privilege level that reports state
  std::filesystem::path root = "/";   // under which kAutomatic looks, for tests
};

// kNotFound if the machine has no such interface, saying what was looked for. kAutomatic takes the
// first that is there, and stops at one that is there and cannot be used; it never means
// insecure-simulated, which has no device and has to be asked for by its name.
Result<std::unique_ptr<EvidenceDevice>> OpenDevice(const DeviceChoice& choice);

}  // namespace anchorhold::host
