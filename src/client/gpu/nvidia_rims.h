// RIMs (rim.h) beside the report of a device: what they say together, and whether that is good.
#pragma once

#include "client/gpu/rim.h"
#include "client/gpu/spdm_report.h"
#include "shared/attest/kind.h"

namespace anchorhold::client {

// A device, as far as a RIM has to be for it.
struct RimSubject {
  std::string product;  // "GH100"
  std::string version;  // of the driver or of the VBIOS, whichever the RIM is about
  const SpdmReportFields& report;
};

// How a report's measurements compare with a RIM's active ones. The video decoder's, index 35,
// does not count as a mismatch when the report says that the decoder is off.
struct RimMatch {
  std::size_t matching = 0;
  std::vector<std::uint8_t> mismatching;  // indices of the RIM
  std::vector<std::uint8_t> left_out;
};
RimMatch MatchRim(const RimFields& rim, const SpdmReportFields& report);

// What the RIM says and which of its signatures hold, at any time; nobody's judgement. `report` may
// be null.
Result<attest::Claim> RimClaims(const UnverifiedRim& rim,
                                std::span<const crypto::Sha256Digest> pins,
                                const SpdmReportFields* report);

// That the RIM is genuine now: PREFIXroot_is_nvidia_corim_root, PREFIXchain_signatures, those of
// chain_checks.h, PREFIXxml_reference_digest, PREFIXxml_signature_value. `root`: the root that was
// handed over to compare with, or null.
Result<RimFields> CheckRim(attest::Appraiser& appraiser, const UnverifiedRim& rim,
                           std::span<const crypto::Sha256Digest> pins, const Bytes* root,
                           const std::string& prefix);

// That it is for the device, and that the device measured what it says: PREFIXis_for_this_device,
// PREFIXmeasurements.
Status CheckRimFits(attest::Appraiser& appraiser, const RimFields& rim, const RimSubject& subject,
                    const std::string& prefix);

}  // namespace anchorhold::client
