// A parser for a strict part of TOML 1.0. Every document that it accepts is TOML 1.0 and means the
// same to any other reader; what the product's documents have no use for is an error.
//
//   document = line*                  line = [header / pair] [comment] newline
//   header   = "[" key "]" / "[[" key "]]"
//   pair     = key "=" value
//   key      = 1*(A-Z a-z 0-9 "_" "-") / string                        no dotted keys
//   value    = string / integer / float / "true" / "false" / time / array / inline-table
//   string   = basic string in "" with TOML's escapes / literal string in ''   on one line
//   integer  = decimal, 64 bits, "_" between digits; float = decimal, "inf", "nan"
//   time     = offset date-time, as ParseTime takes it: in UTC and whole seconds
//   array    = "[" values, newlines and comments between them, a comma after the last allowed "]"
//   inline-table = "{" pairs on one line "}"
//   comment  = "#" to the end of the line; newline = LF / CRLF
// Text is UTF-8 without control characters but tab; spaces and tabs may stand between tokens.
//
// Internal to toml.h, which is what documents are read with.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace anchorhold::wire {

enum class TomlType { kString, kInteger, kFloat, kBool, kTime, kArray, kTable };

struct TomlValue {
  TomlType type = TomlType::kTable;
  std::size_t line = 1;  // where it stands, counted from 1
  std::string text;      // of a string; of a time, as it was written
  std::int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<std::unique_ptr<TomlValue>> items;                           // of an array
  std::map<std::string, std::unique_ptr<TomlValue>, std::less<>> members;  // of a table
  bool is_array_of_tables = false;  // made by [[key]], so that another [[key]] may add to it

  const TomlValue* Find(std::string_view key) const;
};

// The document as a table. kInvalidInput naming the line; kLimitExceeded for arrays and inline
// tables that nest deeper than limits::kJsonDepthMax.
Result<std::unique_ptr<TomlValue>> ParseToml(std::string_view text);

}  // namespace anchorhold::wire
