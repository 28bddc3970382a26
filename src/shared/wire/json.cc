#include "shared/wire/json.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "shared/wire/utf8.h"

namespace anchorhold::wire {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool HasDuplicateKeys(const std::vector<JsonMember>& members) {
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const JsonMember& member : members) keys.push_back(member.key);
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

}  // namespace

// Recursive descent; the recursion is bounded by limits::kJsonDepthMax.
class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Result<JsonValue> Document() {
    JsonValue value;
    AH_RETURN_IF_ERROR(Value(value, 0));
    SkipSpace();
    if (at_ != text_.size()) return Bad("unexpected text after the value");
    return value;
  }

 private:
  Error Bad(std::string_view what) const {
    return InvalidInput("byte " + std::to_string(at_) + ": " + std::string(what));
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void SkipSpace() {
    while (at_ < text_.size() &&
           std::string_view(" \t\n\r").find(text_[at_]) != std::string::npos) {
      ++at_;
    }
  }

  Status Value(JsonValue& out, std::size_t depth) {
    if (++values_ > kJsonValuesMax) {
      return LimitExceeded("more than " + std::to_string(kJsonValuesMax) + " JSON values");
    }
    SkipSpace();
    switch (Peek()) {
      case '{':
      case '[':
        if (depth == limits::kJsonDepthMax) {
          return LimitExceeded("byte " + std::to_string(at_) + ": nested deeper than " +
                               std::to_string(limits::kJsonDepthMax));
        }
        return Peek() == '{' ? Object(out, depth + 1) : Array(out, depth + 1);
      case '"':
        out.type_ = JsonType::kString;
        return String(out.text_);
      case 't':
      case 'f':
        out.type_ = JsonType::kBool;
        out.bool_ = Peek() == 't';
        return Take(out.bool_ ? "true" : "false") ? Ok() : Bad("not a JSON value");
      case 'n':
        return Take("null") ? Ok() : Bad("not a JSON value");
      default:
        return Number(out);
    }
  }

  Status Object(JsonValue& out, std::size_t depth) {
    out.type_ = JsonType::kObject;
    ++at_;
    SkipSpace();
    if (Take("}")) return Ok();
    while (true) {
      JsonMember& member = out.members_.emplace_back();
      SkipSpace();
      if (Peek() != '"') return Bad("a key in quotes is expected");
      AH_RETURN_IF_ERROR(String(member.key));
      SkipSpace();
      if (!Take(":")) return Bad("a colon is expected");
      SkipSpace();
      member.begin = at_;
      AH_RETURN_IF_ERROR(Value(member.value, depth));
      member.end = at_;
      SkipSpace();
      if (Take(",")) continue;
      if (!Take("}")) return Bad("a comma or a closing brace is expected");
      if (HasDuplicateKeys(out.members_)) return Bad("duplicate key in the object that ends here");
      return Ok();
    }
  }

  Status Array(JsonValue& out, std::size_t depth) {
    out.type_ = JsonType::kArray;
    ++at_;
    SkipSpace();
    if (Take("]")) return Ok();
    while (true) {
      AH_RETURN_IF_ERROR(Value(out.items_.emplace_back(), depth));
      SkipSpace();
      if (Take(",")) continue;
      return Take("]") ? Ok() : Bad("a comma or a closing bracket is expected");
    }
  }

  // number = ["-"] (0 / 1-9 *digit) ["." 1*digit] [("e" / "E") ["+" / "-"] 1*digit]
  Status Number(JsonValue& out) {
    const std::size_t begin = at_;
    const auto digits = [&] {
      const std::size_t first = at_;
      while (IsDigit(Peek())) ++at_;
      return at_ > first;
    };
    Take("-");
    if (!Take("0") && !digits()) return Bad("not a JSON value");
    if (Take(".") && !digits()) return Bad("a digit is expected");
    if (Take("e") || Take("E")) {
      if (!Take("+")) Take("-");
      if (!digits()) return Bad("a digit is expected");
    }
    out.type_ = JsonType::kNumber;
    out.text_ = std::string(text_.substr(begin, at_ - begin));
    return Ok();
  }

  Status String(std::string& out) {
    ++at_;  // the opening quote
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return Ok();
      }
      if (static_cast<unsigned char>(c) < 0x20) return Bad("a control character in a string");
      if (c == '\\') {
        AH_RETURN_IF_ERROR(Escape(out));
        continue;
      }
      const std::size_t bytes = Utf8SequenceBytes(text_.substr(at_));
      if (bytes == 0) return Bad("not UTF-8");
      out.append(text_.substr(at_, bytes));
      at_ += bytes;
    }
    return Bad("a string without an end");
  }

  Status Escape(std::string& out) {
    ++at_;  // the backslash
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t which = at_ < text_.size() ? kLetters.find(Peek()) : std::string::npos;
    if (which != std::string::npos) {
      out.push_back(kMeanings[which]);
      ++at_;
      return Ok();
    }
    AH_ASSIGN_OR_RETURN(std::uint32_t code, Utf16Unit());
    if (code >= 0xdc00 && code <= 0xdfff) return Bad("half a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
      if (!Take("\\")) return Bad("half a surrogate pair");
      AH_ASSIGN_OR_RETURN(const std::uint32_t low, Utf16Unit());
      if (low < 0xdc00 || low > 0xdfff) return Bad("half a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    AppendUtf8(out, code);
    return Ok();
  }

  // What follows a backslash: "u" and four hexadecimal digits.
  Result<std::uint32_t> Utf16Unit() {
    if (!Take("u") || text_.size() - at_ < 4) return Bad("not an escape sequence");
    const char* begin = text_.data() + at_;
    std::uint32_t unit = 0;
    const auto [end, error] = std::from_chars(begin, begin + 4, unit, 16);
    if (error != std::errc() || end != begin + 4) return Bad("not an escape sequence");
    at_ += 4;
    return unit;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

Result<JsonValue> ParseJson(ByteSpan text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return LimitExceeded("JSON of " + std::to_string(text.size()) + " bytes; the limit is " +
                         std::to_string(max_bytes));
  }
  return JsonParser(AsText(text)).Document();
}

Result<bool> JsonValue::Bool() const {
  if (type_ != JsonType::kBool) return InvalidInput("must be true or false");
  return bool_;
}

Result<std::string_view> JsonValue::String() const {
  if (type_ != JsonType::kString) return InvalidInput("must be a string");
  return std::string_view(text_);
}

Result<std::string_view> JsonValue::NumberText() const {
  if (type_ != JsonType::kNumber) return InvalidInput("must be a number");
  return std::string_view(text_);
}

Result<std::int64_t> JsonValue::Int64() const {
  std::int64_t value = 0;
  const char* end = text_.data() + text_.size();
  const auto [stop, error] = std::from_chars(text_.data(), end, value);
  if (type_ != JsonType::kNumber || error != std::errc() || stop != end) {
    return InvalidInput("must be an integer of at most 63 bits");
  }
  return value;
}

Result<std::span<const JsonValue>> JsonValue::Array() const {
  if (type_ != JsonType::kArray) return InvalidInput("must be an array");
  return std::span<const JsonValue>(items_);
}

Result<std::span<const JsonMember>> JsonValue::Object() const {
  if (type_ != JsonType::kObject) return InvalidInput("must be an object");
  return std::span<const JsonMember>(members_);
}

const JsonValue* JsonValue::Find(std::string_view key) const {
  for (const JsonMember& member : members_) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Result<const JsonValue*> JsonValue::Member(std::string_view key) const {
  const JsonValue* value = Find(key);
  if (value == nullptr) return InvalidInput(std::string(key) + ": is missing");
  return value;
}

Result<bool> JsonValue::Bool(std::string_view key) const {
  AH_ASSIGN_OR_RETURN(const JsonValue* member, Member(key));
  Result<bool> value = member->Bool();
  if (!value.ok()) return value.error().At(key);
  return value;
}

Result<std::string_view> JsonValue::String(std::string_view key) const {
  AH_ASSIGN_OR_RETURN(const JsonValue* member, Member(key));
  Result<std::string_view> value = member->String();
  if (!value.ok()) return value.error().At(key);
  return value;
}

Result<std::int64_t> JsonValue::Int64(std::string_view key) const {
  AH_ASSIGN_OR_RETURN(const JsonValue* member, Member(key));
  Result<std::int64_t> value = member->Int64();
  if (!value.ok()) return value.error().At(key);
  return value;
}

Result<std::span<const JsonValue>> JsonValue::Array(std::string_view key) const {
  AH_ASSIGN_OR_RETURN(const JsonValue* member, Member(key));
  Result<std::span<const JsonValue>> value = member->Array();
  if (!value.ok()) return value.error().At(key);
  return value;
}

std::string QuoteJson(std::string_view text) {
  AH_CHECK(IsUtf8(text));
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (u < 0x20 || u == 0x7f) {
      out += "\\u00";
      out.push_back(kHex[u >> 4]);
      out.push_back(kHex[u & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace anchorhold::wire
