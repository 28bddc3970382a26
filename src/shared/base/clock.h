// Time is a parameter: nothing below `main` asks the system for it. The host sets an enclave's
// clock, so the ledger refuses to let time run backward (trusted/ledger).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/strong.h"

namespace anchorhold {

// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
using UnixSeconds = Strong<struct UnixSecondsTag, std::int64_t>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixSeconds Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  UnixSeconds Now() const override;
};

// RFC 3339, always in UTC: "2026-11-21T13:05:00Z".
std::string FormatTime(UnixSeconds time);
// Accepts exactly what FormatTime prints, for the years 1970 to 9999.
Result<UnixSeconds> ParseTime(std::string_view text);

}  // namespace anchorhold
