// A GPU and a maker of RIMs for tests: roots and keys of our own, reports and RIMs that they sign.
// Every part can be bent before it is made.
#pragma once

#include <map>

#include "client/gpu/spdm_report.h"
#include "shared/attest/kind.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::client::testing {

inline constexpr UnixSeconds kGpuNow{1'750'000'000};
inline constexpr const char* kTestDriverVersion = "590.12";
inline constexpr const char* kTestVbiosVersion = "96.00.9F.00.01";

struct RimSpec {
  std::string id = kTestDriverVersion;
  std::string product = "GT100";
  std::map<int, std::vector<Bytes>> active = {};  // by index
  std::string extra = "";                         // put after the Payload, and signed
  crypto::testing::CertificateSpec leaf = {.subject = "RIM signer", .issuer = "RIM root"};
};

class TestGpu {
 public:
  // There are two, 0 and 1, with keys of their own.
  explicit TestGpu(std::size_t which = 0);

  // The report, unsigned, as it is bent.
  Bytes UnsignedReport() const;
  Bytes Sign(ByteSpan report) const;
  Bytes Report() const { return Sign(UnsignedReport()); }
  // In PEM: the attestation key's, the boot ROM's, the root's.
  std::vector<std::string> Certificates() const;
  // A RIM in canonical form, so that what has to be signed is known without a library.
  std::string Rim(const RimSpec& spec) const;
  RimSpec DriverRim() const;  // of the blocks 2 and 3
  RimSpec VbiosRim() const;   // of block 1
  // Files by role: report, cert_chain, driver_rim, vbios_rim.
  std::map<std::string, Bytes> Files() const;
  // The same evidence as a list of devices.
  static std::string EvidenceJson(const std::vector<std::map<std::string, Bytes>>& devices,
                                  ByteSpan nonce);
  // Names our roots; every rule is set, and holds for the files.
  attest::AppraisalPolicy Policy() const;

  Bytes nonce = Bytes(kSpdmNonceBytes, std::byte{0xda});
  Bytes fwid = Bytes(48, std::byte{0xf1});
  std::map<std::uint8_t, Bytes> measurements;
  std::vector<std::pair<GpuField, Bytes>> opaque;
  bool blackwell = false;  // which extension states the digest
  crypto::testing::CertificateSpec leaf_spec, brom_spec, root_spec;

 private:
  const crypto::testing::TestKey& Key(std::size_t i) const;
  std::size_t which_;
};

}  // namespace anchorhold::client::testing
