#include "shared/wire/toml_parser.h"

#include <charconv>

#include "shared/base/clock.h"
#include "shared/base/limits.h"
#include "shared/wire/utf8.h"

namespace anchorhold::wire {
namespace {

using ValuePtr = std::unique_ptr<TomlValue>;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBareKey(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

// [+-] (0 / 1-9 *digit) ["." 1*digit] [("e" / "E") [+-] 1*digit], without its underscores; sets
// `is_float` if there is a fraction or an exponent.
bool IsDecimal(std::string_view token, bool& is_float) {
  std::size_t at = 0;
  const auto peek = [&] { return at < token.size() ? token[at] : '\0'; };
  const auto digits = [&] {
    const std::size_t first = at;
    while (IsDigit(peek())) ++at;
    return at > first;
  };
  if (peek() == '+' || peek() == '-') ++at;
  const std::size_t whole = at;
  if (!digits()) return false;
  if (token[whole] == '0' && at > whole + 1) return false;  // 01
  is_float = false;
  if (peek() == '.') {
    is_float = true;
    ++at;
    if (!digits()) return false;
  }
  if (peek() == 'e' || peek() == 'E') {
    is_float = true;
    ++at;
    if (peek() == '+' || peek() == '-') ++at;
    if (!digits()) return false;
  }
  return at == token.size();
}

// Drops the underscores; false if one does not stand between two digits.
bool DropUnderscores(std::string_view token, std::string& out) {
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '_') {
      out.push_back(token[i]);
    } else if (i == 0 || i + 1 == token.size() || !IsDigit(token[i - 1]) ||
               !IsDigit(token[i + 1])) {
      return false;
    }
  }
  return true;
}

// A date or a time of day, which no number looks like: "2027-..." or "12:...".
bool LooksLikeTime(std::string_view token) {
  const auto digits = token.find_first_not_of("0123456789");
  return digits != std::string_view::npos && digits > 0 &&
         (token[digits] == '-' || token[digits] == ':');
}

// from_chars knows no "+".
std::string_view WithoutPlus(std::string_view token) {
  if (!token.empty() && token[0] == '+') token.remove_prefix(1);
  return token;
}

template <typename T>
bool ReadNumber(std::string_view token, T& out) {
  const char* end = token.data() + token.size();
  const auto [stop, error] = std::from_chars(token.data(), end, out);
  return error == std::errc() && stop == end;
}

}  // namespace

// Recursive descent over values only; the recursion is bounded by limits::kJsonDepthMax.
class TomlParser {
 public:
  explicit TomlParser(std::string_view text) : text_(text) {}

  Result<ValuePtr> Document() {
    if (!IsUtf8(text_)) return Bad("not UTF-8 text");
    auto root = std::make_unique<TomlValue>();
    TomlValue* table = root.get();
    while (at_ < text_.size()) {
      SkipSpace();
      if (Peek() == '[') {
        AH_ASSIGN_OR_RETURN(table, Header(*root));
      } else if (at_ < text_.size() && Peek() != '#' && !AtNewline()) {
        AH_RETURN_IF_ERROR(Pair(*table, 0));
      }
      AH_RETURN_IF_ERROR(EndOfLine());
    }
    return root;
  }

 private:
  Error Bad(std::string_view what) const {
    return InvalidInput("line " + std::to_string(line_) + ": not valid TOML: " + std::string(what));
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  bool AtNewline() const { return Peek() == '\n' || text_.substr(at_, 2) == "\r\n"; }
  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t') ++at_;
  }
  bool IsControl(char c) const {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f';
  }

  // [comment] newline, or the end of the text.
  Status EndOfLine() {
    SkipSpace();
    if (Peek() == '#') {
      while (at_ < text_.size() && !AtNewline()) {
        if (IsControl(text_[at_])) return Bad("a control character in a comment");
        ++at_;
      }
    }
    if (at_ == text_.size()) return Ok();
    if (!Take("\r\n") && !Take("\n")) return Bad("unexpected text at the end of the line");
    ++line_;
    return Ok();
  }

  // The table that the header opens.
  Result<TomlValue*> Header(TomlValue& root) {
    const bool in_array = Take("[[");
    if (!in_array) Take("[");
    SkipSpace();
    const std::size_t line = line_;
    AH_ASSIGN_OR_RETURN(const std::string key, Key());
    SkipSpace();
    if (Peek() == '.') return Bad("tables inside tables are not read here");
    if (!Take(in_array ? "]]" : "]")) return Bad("a closing bracket is expected");
    ValuePtr& slot = root.members[key];
    if (!in_array) {
      if (slot != nullptr) return Bad("a table whose name is taken");
      slot = NewValue(TomlType::kTable, line);
      return slot.get();
    }
    if (slot == nullptr) {
      slot = NewValue(TomlType::kArray, line);
      slot->is_array_of_tables = true;
    }
    if (!slot->is_array_of_tables) return Bad("a table whose name is taken");
    slot->items.push_back(NewValue(TomlType::kTable, line));
    return slot->items.back().get();
  }

  Status Pair(TomlValue& table, std::size_t depth) {
    AH_ASSIGN_OR_RETURN(const std::string key, Key());
    SkipSpace();
    if (Peek() == '.') return Bad("dotted keys are not read here; write a [table]");
    if (!Take("=")) return Bad("\"=\" is expected after a key");
    SkipSpace();
    AH_ASSIGN_OR_RETURN(ValuePtr value, Value(depth));
    ValuePtr& slot = table.members[key];
    if (slot != nullptr) return Bad("a key that is there already");
    slot = std::move(value);
    return Ok();
  }

  Result<std::string> Key() {
    if (Peek() == '"' || Peek() == '\'') return String();
    const std::size_t begin = at_;
    while (IsBareKey(Peek())) ++at_;
    if (at_ == begin) return Bad("a key is expected");
    return std::string(text_.substr(begin, at_ - begin));
  }

  static ValuePtr NewValue(TomlType type, std::size_t line) {
    auto value = std::make_unique<TomlValue>();
    value->type = type;
    value->line = line;
    return value;
  }

  Result<ValuePtr> Value(std::size_t depth) {
    const char c = Peek();
    if (c == '[' || c == '{') {
      if (depth == limits::kJsonDepthMax) {
        return LimitExceeded("line " + std::to_string(line_) + ": nested deeper than " +
                             std::to_string(limits::kJsonDepthMax));
      }
      return c == '[' ? Array(depth + 1) : InlineTable(depth + 1);
    }
    if (c == '"' || c == '\'') {
      auto value = NewValue(TomlType::kString, line_);
      AH_ASSIGN_OR_RETURN(value->text, String());
      return value;
    }
    return Scalar();
  }

  Result<ValuePtr> Array(std::size_t depth) {
    auto array = NewValue(TomlType::kArray, line_);
    Take("[");
    while (true) {
      AH_RETURN_IF_ERROR(SkipLines());
      if (Take("]")) return array;
      AH_ASSIGN_OR_RETURN(ValuePtr item, Value(depth));
      array->items.push_back(std::move(item));
      AH_RETURN_IF_ERROR(SkipLines());
      if (Take("]")) return array;
      if (!Take(",")) return Bad("a comma or a closing bracket is expected");
    }
  }

  // Space, comments and newlines inside an array.
  Status SkipLines() {
    SkipSpace();
    while (Peek() == '#' || AtNewline()) {
      AH_RETURN_IF_ERROR(EndOfLine());
      SkipSpace();
    }
    return Ok();
  }

  Result<ValuePtr> InlineTable(std::size_t depth) {
    auto table = NewValue(TomlType::kTable, line_);
    Take("{");
    SkipSpace();
    if (Take("}")) return table;
    while (true) {
      SkipSpace();
      AH_RETURN_IF_ERROR(Pair(*table, depth));
      SkipSpace();
      if (Take("}")) return table;
      if (!Take(",")) return Bad("a comma or a closing brace is expected");
    }
  }

  // Everything that is written without quotes or brackets.
  Result<ValuePtr> Scalar() {
    const std::size_t begin = at_;
    while (IsBareKey(Peek()) || Peek() == '+' || Peek() == '.' || Peek() == ':') ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    auto value = NewValue(TomlType::kBool, line_);
    if (token.empty()) return Bad("a value is expected");
    if (token == "true" || token == "false") {
      value->boolean = token == "true";
      return value;
    }
    if (LooksLikeTime(token)) {
      if (!ParseTime(token).ok()) {
        return Bad("times are written in UTC and whole seconds: 2027-01-31T00:00:00Z");
      }
      value->type = TomlType::kTime;
      value->text = std::string(token);
      return value;
    }
    AH_RETURN_IF_ERROR(Number(token, *value));
    return value;
  }

  Status Number(std::string_view token, TomlValue& value) const {
    const std::string_view unsigned_token =
        token.substr(token[0] == '+' || token[0] == '-' ? 1 : 0);
    value.type = TomlType::kFloat;
    if (unsigned_token == "inf" || unsigned_token == "nan") {
      return ReadNumber(WithoutPlus(token), value.number) ? Ok() : Bad("not a value");
    }
    std::string plain;
    bool is_float = false;
    if (!DropUnderscores(token, plain) || !IsDecimal(plain, is_float)) {
      return Bad("not a value; text stands in quotes, numbers are decimal");
    }
    if (is_float) {
      if (!ReadNumber(WithoutPlus(plain), value.number)) return Bad("a number out of range");
      return Ok();
    }
    value.type = TomlType::kInteger;
    if (!ReadNumber(WithoutPlus(plain), value.integer)) return Bad("an integer out of range");
    return Ok();
  }

  Result<std::string> String() {
    const char quote = Peek();
    if (text_.substr(at_, 3) == std::string(3, quote)) {
      return Bad("strings of several lines are not read here");
    }
    ++at_;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) return out;
      if (IsControl(c)) return Bad("a string without an end, or with a control character in it");
      if (c == '\\' && quote == '"') {
        AH_RETURN_IF_ERROR(Escape(out));
      } else {
        out.push_back(c);
      }
    }
    return Bad("a string without an end");
  }

  // What follows the backslash of a basic string.
  Status Escape(std::string& out) {
    constexpr std::string_view kLetters = "btnfr\"\\";
    constexpr std::string_view kMeanings = "\b\t\n\f\r\"\\";
    const char c = Peek();
    ++at_;
    const std::size_t which = c == '\0' ? std::string_view::npos : kLetters.find(c);
    if (which != std::string_view::npos) {
      out.push_back(kMeanings[which]);
      return Ok();
    }
    const std::size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    std::uint32_t code = 0;
    if (digits == 0 || at_ > text_.size() || text_.size() - at_ < digits) {
      return Bad("an unknown escape in a string");
    }
    const char* begin = text_.data() + at_;
    const auto [stop, error] = std::from_chars(begin, begin + digits, code, 16);
    if (error != std::errc() || stop != begin + digits || !IsUnicodeScalar(code)) {
      return Bad("an escape in a string that is no character");
    }
    at_ += digits;
    AppendUtf8(out, code);
    return Ok();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

const TomlValue* TomlValue::Find(std::string_view key) const {
  const auto it = members.find(key);
  return it == members.end() ? nullptr : it->second.get();
}

Result<ValuePtr> ParseToml(std::string_view text) { return TomlParser(text).Document(); }

}  // namespace anchorhold::wire
