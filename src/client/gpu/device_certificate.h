// What the certificate of an NVIDIA device's attestation key says of the device. The boot ROM
// issues it, so the digest of the firmware in it is the hardware's own word.
//
//   Hopper      2.23.133.5.4.1    SEQUENCE { version, SubjectPublicKeyInfo, fwid }
//   Blackwell   2.23.133.5.4.1.1  DiceTcbInfo (TCG DICE Attestation Architecture): SEQUENCE of
//   tagged
//                                 fields, of which [6] is fwids: the first one counts
//   fwid = SEQUENCE { hash OBJECT IDENTIFIER (SHA-384), digest OCTET STRING (48 bytes) }
#pragma once

#include "shared/crypto/certificate.h"

namespace anchorhold::client {

inline constexpr std::size_t kFwidBytes = 48;

// kInvalidInput if it has no such extension, or one of another form.
Result<Bytes> DeviceFwid(const crypto::CertificateFields& certificate);

// The subject, with numbers for attributes that RFC 4514 has no name for: "CN=...,2.5.4.5=53C2".
std::string DeviceSubject(const crypto::CertificateFields& certificate);

// "GH100" of "GH100 A01 GSP FMC LF"; underscores, which RIMs do not write, left out.
std::string DeviceProduct(const crypto::CertificateFields& certificate);

}  // namespace anchorhold::client
