#include "shared/base/log.h"

#include <unistd.h>

namespace anchorhold {
namespace {

constexpr std::size_t kPublicTextMax = 160;

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

}  // namespace

PublicText::PublicText(std::string_view text) : text_(text.substr(0, kPublicTextMax)) {
  for (char& c : text_) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
}

void Log::Write(LogLevel level, Event event, std::initializer_list<LogField> fields) const {
  std::string line = FormatTime(clock_->Now());
  line.append(" ").append(LevelName(level)).append(" ").append(part_);
  line.append(" ").append(event.text());
  for (const LogField& field : fields) {
    line.append(" ").append(field.name()).append("=").append(field.value());
  }
  line.push_back('\n');
  // One write a line keeps lines of several processes apart. A full or closed log must not stop the
  // enclave, so a failure is ignored.
  [[maybe_unused]] const auto written = ::write(fd_, line.data(), line.size());
}

}  // namespace anchorhold
