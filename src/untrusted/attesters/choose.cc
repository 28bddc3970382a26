#include "untrusted/attesters/choose.h"

#include <array>

#include "untrusted/attesters/configfs_tsm.h"
#include "untrusted/attesters/gramine.h"
#include "untrusted/attesters/tpm2_device.h"

namespace anchorhold::host {
namespace {

using Opened = Result<std::unique_ptr<EvidenceDevice>>;

template <typename T>
Opened Upcast(Result<std::unique_ptr<T>> device) {
  if (!device.ok()) return device.error();
  return std::unique_ptr<EvidenceDevice>(std::move(device).value());
}

// Where an interface lies that Linux has at `usual`.
std::filesystem::path Place(const DeviceChoice& choice, const char* usual) {
  if (!choice.device.empty()) return choice.device;
  return choice.root / std::filesystem::path(usual).relative_path();
}

Opened OpenTsm(const DeviceChoice& choice) {
  return Upcast(
      ConfigfsTsm::Open({.root = Place(choice, kConfigfsTsmRoot), .privlevel = choice.vmpl},
                        std::make_unique<DeviceFiles>()));
}

Opened OpenGramine(const DeviceChoice& choice) {
  return Upcast(Gramine::Open(Place(choice, kGramineRoot), std::make_unique<DeviceFiles>()));
}

Opened OpenTpm(const DeviceChoice& choice) {
  if (!choice.device.empty()) return Upcast(Tpm2Device::Open(choice.device));
  const std::filesystem::path path = Place(choice, kTpm2Device);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return NotFound("no " + path.string());
  return Upcast(Tpm2Device::Open("device:" + path.string()));
}

struct Interface {
  const char* name;
  Opened (*open)(const DeviceChoice&);
};

constexpr std::array kInterfaces = {
    Interface{"SEV-SNP or TDX by configfs-tsm", OpenTsm},
    Interface{"SGX by Gramine's /dev/attestation", OpenGramine},
    // Last: it says what was started, and keeps nobody out of the memory.
    Interface{"a TPM 2.0", OpenTpm},
};

Opened Automatic(const DeviceChoice& choice) {
  if (!choice.device.empty()) {
    return InvalidInput("name the platform whose interface lies at " + choice.device);
  }
  std::string looked_for;
  for (const Interface& interface : kInterfaces) {
    Opened device = interface.open(choice);
    if (device.ok()) return device;
    if (device.error().code() != ErrorCode::kNotFound) {
      return device.error().At(std::string("found ") + interface.name);
    }
    looked_for += std::string(interface.name) + " (" + device.error().message() + "); ";
  }
  return NotFound("this machine has no hardware that attests. Looked for: " + looked_for +
                  "to run without any, for development, ask for insecure-simulated by name: it "
                  "protects against nobody who owns the machine");
}

Opened Named(const DeviceChoice& choice) {
  AH_ASSIGN_OR_RETURN(const attest::Platform platform, attest::ParsePlatform(choice.platform));
  Opened device = Unsupported("no enclave runs on " + choice.platform + " in this version");
  if (platform == attest::Platform::kSevSnp || platform == attest::Platform::kTdx) {
    device = OpenTsm(choice);
  } else if (platform == attest::Platform::kSgxDcap) {
    device = OpenGramine(choice);
  } else if (platform == attest::Platform::kTpm2) {
    device = OpenTpm(choice);
  }
  if (!device.ok()) return device.error().At("platform " + choice.platform);
  if ((*device)->platform() != platform) {
    return NotFound("this machine is " + std::string(attest::PlatformName((*device)->platform())) +
                    ", not " + choice.platform)
        .At("platform " + choice.platform);
  }
  return device;
}

}  // namespace

Result<std::unique_ptr<EvidenceDevice>> OpenDevice(const DeviceChoice& choice) {
  Opened device = choice.platform == kAutomatic ? Automatic(choice) : Named(choice);
  if (!device.ok()) return device;
  if (choice.vmpl.has_value() && (*device)->platform() != attest::Platform::kSevSnp) {
    return InvalidInput("a privilege level (VMPL) is for sev-snp; this is " +
                        std::string(attest::PlatformName((*device)->platform())));
  }
  return device;
}

}  // namespace anchorhold::host
