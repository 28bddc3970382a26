// The values of a TPM's registers (PCRs), and logs of the events that they were extended by.
//
// Values come as JSON: {"sha256": {"0": "hex", ...}, ...}. A log is what firmware keeps (TCG "PC
// Client Platform Firmware Profile Specification"), integers little-endian. The old form, SHA-1:
//
//   event = pcr(4) type(4) digest(20) size(4) data
//
// The crypto-agile one begins with an event of that form, of type 3, whose data lists the banks,
//
//   "Spec ID Event03\0" class(4) minor(1) major(1) errata(1) word size(1)
//   count(4) count * { hash(2) digest bytes(2) } size(1) vendor's data
//   event = pcr(4) type(4) count(4) count * { hash(2) digest } size(4) data     after that
//
// A register starts from zeros and becomes H(register || digest) with each event, except those of
// type 3, which say something without extending: of PCR 0, "StartupLocality\0" locality(1), that
// its last byte started with the locality. Whether an event's data has the digest that was
// extended depends on its type, and is not judged here: digests are what a log is believed for.
#pragma once

#include <map>
#include <span>

#include "shared/attest/tpm2_attest.h"

namespace anchorhold::attest {

using Tpm2PcrValues = std::map<Tpm2Hash, std::map<std::uint8_t, Bytes>>;

// kInvalidInput unless every bank, number and value is one that there is.
Result<Tpm2PcrValues> ReadTpm2PcrValues(ByteSpan json);
// What a quote of these registers has as its digest; kInvalidInput if one is missing.
Result<Bytes> DigestPcrs(std::span<const Tpm2PcrSelection> selections, const Tpm2PcrValues& values,
                         Tpm2Hash hash);
// Whether there is a value for a register that was not selected.
bool HasOthers(std::span<const Tpm2PcrSelection> selections, const Tpm2PcrValues& values);

// {"sha256": {"0": "hex", ...}}
Claim Tpm2PcrClaims(const Tpm2PcrValues& values);

struct Tpm2EventLog {
  std::size_t events = 0;
  Tpm2PcrValues replayed;  // of the banks that are known here, registers with an event alone
};
// kInvalidInput, kLimitExceeded.
Result<Tpm2EventLog> ReplayTpm2EventLog(ByteSpan log);

}  // namespace anchorhold::attest
