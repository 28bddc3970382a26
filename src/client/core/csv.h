// Comma-separated records (RFC 4180), strictly.
//
//   file   = record *(newline record) [newline]     newline = LF or CRLF
//   record = field *("," field)
//   field  = *(any but comma, quote, CR, LF, NUL) / quote *(any but quote, NUL / quote quote) quote
//
// A UTF-8 byte order mark ahead of the first record is skipped. Empty lines are errors: they hide
// missing rows. Errors say the line and what to do, and never repeat what a cell holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/limits.h"

namespace anchorhold::client {

inline constexpr std::size_t kCsvRecordBytesMax = 1 * limits::kMiB;

class CsvReader {
 public:
  // `text` outlives the reader; `name` is the file's, for errors.
  CsvReader(ByteSpan text, std::string name);

  // Reads the next record; false at the end.
  Result<bool> Next();
  // The fields of the record that Next read last. The views live until the next call of Next.
  const std::vector<std::string_view>& fields() const { return fields_; }
  // "name:line" of the record that Next read last.
  std::string Place() const { return name_ + ":" + std::to_string(record_line_); }

 private:
  Status ReadField();
  Status ReadQuotedField();
  Status ReadPlainField();
  // Consumes a separator. True after a comma, false after the record's end.
  Result<bool> AnotherField();
  Error Broken(std::string what) const;

  std::string name_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t record_start_ = 0;
  std::size_t line_ = 1;
  std::size_t record_line_ = 0;
  // Fields of the present record, unquoted, one after the other.
  std::string cells_;
  std::vector<std::size_t> ends_;
  std::vector<std::string_view> fields_;
};

}  // namespace anchorhold::client
