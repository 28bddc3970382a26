// NVIDIA GPUs (Hopper, Blackwell) and switches with confidential computing: a report over a nonce,
// signed by a key whose certificate the device's boot ROM issued, in a chain up to NVIDIA's root;
// and RIMs with the measurements that it should state. The measurement is the digest of the
// firmware in that certificate (FWID), the report data is the nonce of the request.
//
// Of each device, from `report` and `cert_chain` or from an entry of `evidence_json`:
//   device_root_is_the_given_one (if it was handed over), root_is_nvidia_device_identity_ca,
//   chain_signatures, certificate_* (chain_checks.h), chain_has_leaf_device_key, spdm_signature,
//   fwid_equals_leaf_dice_fwid, evidence_json_nonce
// and of all together nonces_are_equal, report_is_in_evidence_json. `rim`, a RIM for itself: the
// checks of nvidia_rims.h. By a policy or when strict, driver_rim_ and vbios_rim_ with those, and
// rims_own_different_measurements; by a policy driver_version, vbios_version, measurement.
//
// A client's alone: RIMs are XML, and the library for that stays out of the enclave.
#pragma once

#include "shared/attest/kind.h"

namespace anchorhold::client {

Result<attest::Findings> VerifyNvidiaGpu(const attest::AppraisalInput& input,
                                         attest::Appraiser& appraiser);
Result<attest::UnverifiedClaims> ShowNvidiaGpu(const attest::UnverifiedFiles& files);

inline constexpr attest::Role kNvidiaGpuRoles[] = {
    {"report", "", attest::RolePart::kEvidence, "the SPDM request and the response to it"},
    {"cert_chain", "", attest::RolePart::kEvidence, "the device's certificates, leaf first"},
    {"evidence_json", "", attest::RolePart::kEvidence,
     "reports and chains of several devices, as NVIDIA's service takes them"},
    {"driver_rim", "", attest::RolePart::kEndorsement, "reference values of the driver"},
    {"vbios_rim", "", attest::RolePart::kEndorsement, "reference values of the VBIOS"},
    {"rim", "", attest::RolePart::kEndorsement, "a RIM to be judged for itself"},
    {"device_root", "", attest::RolePart::kEndorsement,
     "NVIDIA's device identity root, to compare; it need not be given"},
    {"rim_root", "", attest::RolePart::kEndorsement,
     "the root of NVIDIA's RIMs, to compare; it need not be given"},
};

inline constexpr attest::Kind kNvidiaGpuKind = {attest::Platform::kNvidiaGpu, kNvidiaGpuRoles,
                                                VerifyNvidiaGpu, ShowNvidiaGpu};

}  // namespace anchorhold::client
