#include "shared/base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace anchorhold {
namespace {

// Days from 1970-01-01 to year-month-day of the proleptic Gregorian calendar (Hinnant, "chrono-
// compatible low-level date algorithms", days_from_civil).
std::int64_t DaysFromCivil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

struct CivilDate {
  std::int64_t year, month, day;
};

std::int64_t FloorDivide(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// The inverse of DaysFromCivil (Hinnant, civil_from_days).
CivilDate CivilFromDays(std::int64_t days) {
  days += 719468;
  const std::int64_t era = FloorDivide(days, 146097);
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;  // March is 0
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

// The decimal number in text[at, at + count), or -1.
std::int64_t Digits(std::string_view text, std::size_t at, std::size_t count) {
  std::int64_t v = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    v = v * 10 + (text[i] - '0');
  }
  return v;
}

}  // namespace

UnixSeconds SystemClock::Now() const {
  struct timespec now = {};
  AH_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  return UnixSeconds(now.tv_sec);
}

// gmtime_r would open /etc/localtime, which the enclave's sandbox answers with death.
std::string FormatTime(UnixSeconds time) {
  const std::int64_t days = FloorDivide(time.value(), 86400);
  const std::int64_t second_of_day = time.value() - days * 86400;
  const CivilDate date = CivilFromDays(days);
  std::array<char, 96> out = {};
  std::snprintf(out.data(), out.size(), "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ",
                static_cast<long long>(date.year), static_cast<long long>(date.month),
                static_cast<long long>(date.day), static_cast<long long>(second_of_day / 3600),
                static_cast<long long>(second_of_day / 60 % 60),
                static_cast<long long>(second_of_day % 60));
  return out.data();
}

Result<UnixSeconds> ParseTime(std::string_view text) {
  const Error bad = InvalidInput("not a UTC time like 2027-01-31T00:00:00Z");
  if (text.size() != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text[19] != 'Z') {
    return bad;
  }
  const std::int64_t year = Digits(text, 0, 4), month = Digits(text, 5, 2);
  const std::int64_t day = Digits(text, 8, 2), hour = Digits(text, 11, 2);
  const std::int64_t minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59) {
    return bad;
  }
  const UnixSeconds time((DaysFromCivil(year, month, day) * 24 + hour) * 3600 + minute * 60 +
                         second);
  // A day past the month's end would come out as a day of the next month.
  if (FormatTime(time) != text) return bad;
  return time;
}

}  // namespace anchorhold
