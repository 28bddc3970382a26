// A log that cannot leak: a line is a literal of the source and fields of types that carry no
// private data. There is no way to log a std::string; text that came from outside is passed as
// PublicText, greppable, at the places where it is public by design (names, fingerprints).
//
// A line reads: 2026-11-21T13:05:00Z info enclave job started job=3 rows=455
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "shared/base/bytes.h"
#include "shared/base/clock.h"

namespace anchorhold {

// Text that is public by design. Control characters are replaced and the length is bounded, so that
// nobody forges log lines.
class PublicText {
 public:
  explicit PublicText(std::string_view text);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class LogField {
 public:
  template <std::integral T>
  LogField(const char* name, T value) : name_(name), value_(std::to_string(value)) {}
  LogField(const char* name, ErrorCode code) : name_(name), value_(ErrorCodeName(code)) {}
  LogField(const char* name, const PublicText& text) : name_(name), value_(text.text()) {}
  template <typename Tag, std::size_t kSize>
  LogField(const char* name, const FixedBytes<Tag, kSize>& id) : name_(name), value_(id.hex()) {}

  const char* name() const { return name_; }
  const std::string& value() const { return value_; }

 private:
  const char* name_;
  std::string value_;
};

enum class LogLevel { kInfo, kWarning, kError };

class Log {
 public:
  // `part` names the speaker ("enclave", "host"); lines go to the file descriptor `fd`.
  Log(const char* part, int fd, const Clock& clock) : part_(part), fd_(fd), clock_(&clock) {}

  // consteval: only a literal of the source can be an event.
  class Event {
   public:
    consteval Event(const char* literal) : text_(literal) {}  // NOLINT: implicit
    const char* text() const { return text_; }

   private:
    const char* text_;
  };

  void Info(Event event, std::initializer_list<LogField> fields = {}) const {
    Write(LogLevel::kInfo, event, fields);
  }
  void Warning(Event event, std::initializer_list<LogField> fields = {}) const {
    Write(LogLevel::kWarning, event, fields);
  }
  void Error(Event event, std::initializer_list<LogField> fields = {}) const {
    Write(LogLevel::kError, event, fields);
  }

 private:
  void Write(LogLevel level, Event event, std::initializer_list<LogField> fields) const;

  const char* part_;
  int fd_;
  const Clock* clock_;
};

}  // namespace anchorhold
