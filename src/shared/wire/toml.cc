#include "shared/wire/toml.h"

#include <cmath>
#include <set>

#include "shared/wire/toml_parser.h"

namespace anchorhold::wire {
namespace {

// The document's own words go into error lines: control characters would forge lines, and a long
// key would hide the rest.
std::string Printable(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string out;
  for (const char c : text.substr(0, kShown)) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(u < 0x20 || u == 0x7f ? '?' : c);
  }
  if (text.size() > kShown) out += "...";
  return out;
}

}  // namespace

struct TomlTable::State {
  std::shared_ptr<const TomlValue> document;  // what `table` is part of
  const TomlValue* table = nullptr;
  std::string path;  // of the table: "", "privacy", "grant[1]"
  std::set<std::string, std::less<>> asked;

  const TomlValue* Find(std::string_view key) {
    asked.emplace(key);
    return table->Find(key);
  }
  std::string PathOf(std::string_view key) const {
    if (key.empty()) return path.empty() ? "the document" : path;
    return path.empty() ? Printable(key) : path + "." + Printable(key);
  }
};

TomlTable::TomlTable(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<TomlTable> TomlTable::Parse(ByteSpan text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return LimitExceeded("the document has " + std::to_string(text.size()) +
                         " bytes; the limit is " + std::to_string(max_bytes));
  }
  AH_ASSIGN_OR_RETURN(std::shared_ptr<const TomlValue> document, ParseToml(AsText(text)));
  const TomlValue* root = document.get();
  return TomlTable(std::make_shared<State>(State{std::move(document), root, "", {}}));
}

Result<const TomlValue*> TomlTable::Get(std::string_view key, TomlType type, const char* rule) {
  const TomlValue* value = state_->Find(key);
  if (value == nullptr) return Invalid(key, "is missing");
  if (value->type != type) return Invalid(key, rule);
  return value;
}

TomlTable TomlTable::Child(const TomlValue& table, std::string path) const {
  return TomlTable(std::make_shared<State>(State{state_->document, &table, std::move(path), {}}));
}

Error TomlTable::Invalid(std::string_view key, std::string_view rule) const {
  const TomlValue* value = key.empty() ? state_->table : state_->table->Find(key);
  if (value == nullptr) value = state_->table;
  return InvalidInput("line " + std::to_string(value->line) + ": " + state_->PathOf(key) + " " +
                      std::string(rule));
}

bool TomlTable::Has(std::string_view key) { return state_->Find(key) != nullptr; }

Result<std::string> TomlTable::String(std::string_view key) {
  AH_ASSIGN_OR_RETURN(const TomlValue* value, Get(key, TomlType::kString, "must be a string"));
  return value->text;
}

Result<std::int64_t> TomlTable::Integer(std::string_view key) {
  AH_ASSIGN_OR_RETURN(const TomlValue* value, Get(key, TomlType::kInteger, "must be an integer"));
  return value->integer;
}

Result<double> TomlTable::Number(std::string_view key) {
  const TomlValue* value = state_->Find(key);
  if (value == nullptr) return Invalid(key, "is missing");
  if (value->type == TomlType::kInteger) return static_cast<double>(value->integer);
  if (value->type != TomlType::kFloat) return Invalid(key, "must be a number");
  if (!std::isfinite(value->number)) return Invalid(key, "must be a finite number");
  return value->number;
}

Result<UnixSeconds> TomlTable::Time(std::string_view key) {
  const TomlValue* value = state_->Find(key);
  if (value == nullptr) return Invalid(key, "is missing");
  if (value->type == TomlType::kString || value->type == TomlType::kTime) {
    Result<UnixSeconds> time = ParseTime(value->text);
    if (time.ok()) return time;
  }
  return Invalid(key, "must be a time in UTC such as \"2027-01-31T00:00:00Z\"");
}

Result<std::vector<std::string>> TomlTable::Strings(std::string_view key) {
  constexpr const char* kRule = "must be a list of strings";
  AH_ASSIGN_OR_RETURN(const TomlValue* array, Get(key, TomlType::kArray, kRule));
  std::vector<std::string> out;
  out.reserve(array->items.size());
  for (const auto& item : array->items) {
    if (item->type != TomlType::kString) return Invalid(key, kRule);
    out.push_back(item->text);
  }
  return out;
}

Result<Bytes> TomlTable::HexBytes(std::string_view key) {
  AH_ASSIGN_OR_RETURN(const std::string text, String(key));
  Result<Bytes> bytes = FromHex(text);
  if (!bytes.ok()) return Invalid(key, "must be hexadecimal, two digits for each byte");
  return bytes;
}

Result<TomlTable> TomlTable::Table(std::string_view key) {
  AH_ASSIGN_OR_RETURN(const TomlValue* table, Get(key, TomlType::kTable, "must be a table"));
  return Child(*table, state_->PathOf(key));
}

Result<std::vector<TomlTable>> TomlTable::Tables(std::string_view key, std::size_t max_count) {
  constexpr const char* kRule = "must be an array of tables";
  std::vector<TomlTable> out;
  if (!Has(key)) return out;
  AH_ASSIGN_OR_RETURN(const TomlValue* array, Get(key, TomlType::kArray, kRule));
  if (array->items.size() > max_count) {
    return LimitExceeded(
        Invalid(key, "may appear at most " + std::to_string(max_count) + " times").message());
  }
  for (const auto& item : array->items) {
    if (item->type != TomlType::kTable) return Invalid(key, kRule);
    out.push_back(Child(*item, state_->PathOf(key) + "[" + std::to_string(out.size()) + "]"));
  }
  return out;
}

Status TomlTable::ExpectNoOthers() const {
  for (const auto& [key, value] : state_->table->members) {
    if (!state_->asked.contains(key)) {
      return Invalid(key, "is not a known key; check its spelling");
    }
  }
  return Ok();
}

}  // namespace anchorhold::wire
