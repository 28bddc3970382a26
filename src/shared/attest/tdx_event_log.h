// Event logs of a TD: what was extended into its runtime measurement registers, by whom it claims.
// A log is worth as much as its replay: registers start at 48 zero bytes, and each event makes
// RTMR = SHA-384(RTMR || digest).
//
// CCEL (TCG PC Client Platform Firmware Profile, crypto-agile log), little-endian:
//   log    = first event2* filler      filler: all 0xff, or all zero, to the end
//   first  = index(4) 3(4) zeros(20) size(4) "Spec ID Event03\0"(16) class(4) minor(1) major(1)
//            errata(1) uintn(1) algorithms(4) {id(2) bytes(2)}* vendor size(1) vendor
//   event2 = index(4) type(4) count(4) {id(2) digest}* size(4) event
// Index i + 1 is RTMR i. An event of type 3 (EV_NO_ACTION) extends nothing.
// A TPM's log has the same form (tpm2_pcrs.h) and is read apart, because other rules hold for it:
// every event has one digest for each bank, all banks that are known are replayed, nothing follows
// the last event, there is an older form, and a register may start with a locality.
//
// dstack: [{"imr": i, "event_type": n, "digest": "hex", "event": "name", "event_payload": "hex"}].
// An event of type 0x08000001 was made at run time, and its digest states its content:
// SHA-384(type(4, little-endian) || ":" || name || ":" || payload).
#pragma once

#include "shared/attest/result.h"
#include "shared/attest/td_report.h"

namespace anchorhold::attest {

inline constexpr std::size_t kEventsMax = 16 * 1024;

class UnverifiedEventLog {
 public:
  // kInvalidInput, kUnsupported (a log without SHA-384), kLimitExceeded.
  static Result<UnverifiedEventLog> ParseCcel(ByteSpan bytes);
  static Result<UnverifiedEventLog> ParseDstack(ByteSpan json);

  // Checks event_log_digests (of events that state their content) and rtmr0_replay to rtmr3_replay:
  // every register holds what the log gives.
  Status VerifiedBy(Appraiser& appraiser, const TdReportFields& report) const;
  // {"format": "dstack", "events": 28, "runtime_events": [{"event": "app-id", "payload": "..."}]}
  Claim Claims() const;

 private:
  struct Event {
    std::size_t rtmr = 0;
    Bytes digest;
    bool states_content = false;
    std::uint32_t type = 0;
    std::string name;
    Bytes payload;
  };
  UnverifiedEventLog() = default;
  std::string_view format_;
  std::vector<Event> events_;
};

// The ACPI table that says where the firmware's log lies (ACPI 6.5, CCEL): 56 bytes that sum up to
// zero, of a TD, and long enough a log.
Status CheckCcelTable(ByteSpan table, std::size_t log_bytes);

}  // namespace anchorhold::attest
