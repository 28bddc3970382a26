// A small strict JSON reader (RFC 8259) for headers and collateral. It accepts exactly the grammar
// and refuses what readers are known to disagree on: duplicate keys, lone surrogates, bytes that
// are no UTF-8, anything after the value. Size, depth and number of values are bounded.
//
//   Result<JsonValue> json = ParseJson(bytes, limits::kPolicyBytesMax);
//   AH_ASSIGN_OR_RETURN(const std::int64_t version, json->Int64("version"));
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::wire {

// Values in one document: bounds memory at about 100 bytes each.
inline constexpr std::size_t kJsonValuesMax = 1 << 20;

enum class JsonType { kNull, kBool, kNumber, kString, kArray, kObject };
struct JsonMember;

class JsonValue {
 public:
  JsonType type() const { return type_; }

  // kInvalidInput if the value has another type.
  Result<bool> Bool() const;
  Result<std::string_view> String() const;  // UTF-8, escapes resolved; may contain '\0'
  Result<std::string_view> NumberText() const;
  // A number without fraction or exponent that fits.
  Result<std::int64_t> Int64() const;
  Result<std::span<const JsonValue>> Array() const;
  Result<std::span<const JsonMember>> Object() const;  // in the order of the text; keys are unique

  // The member of that name; null if there is none or this is no object.
  const JsonValue* Find(std::string_view key) const;
  // The same, but kInvalidInput naming the key if the member is missing or has another type.
  Result<bool> Bool(std::string_view key) const;
  Result<std::string_view> String(std::string_view key) const;
  Result<std::int64_t> Int64(std::string_view key) const;
  Result<std::span<const JsonValue>> Array(std::string_view key) const;
  Result<const JsonValue*> Member(std::string_view key) const;

 private:
  friend class JsonParser;
  JsonType type_ = JsonType::kNull;
  bool bool_ = false;
  std::string text_;  // a string's content or a number as it was written
  std::vector<JsonValue> items_;
  std::vector<JsonMember> members_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
  // Where the value stands in the text that was parsed: its bytes as they are, for signatures.
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Errors name the byte: "byte 17: duplicate key". They never repeat the document's content.
// kLimitExceeded over `max_bytes`, limits::kJsonDepthMax or kJsonValuesMax.
Result<JsonValue> ParseJson(ByteSpan text, std::size_t max_bytes);

// The text as a JSON string, quotes included. Precondition: UTF-8 (utf8.h).
std::string QuoteJson(std::string_view text);

}  // namespace anchorhold::wire
