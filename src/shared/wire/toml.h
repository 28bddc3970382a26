// Strict, typed reading of TOML documents (toml++ underneath, without exceptions). A reader asks
// for every key that it knows; ExpectNoOthers then refuses whatever is left, so that a misspelt key
// is an error and never a default. Errors name line and key: "line 7: privacy.epsilon must be a
// number". They repeat keys but never values.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/clock.h"

namespace anchorhold::wire {

struct TomlValue;
enum class TomlType;

class TomlTable {
 public:
  // `max_bytes` bounds the text before it is parsed (kLimitExceeded); values may nest up to
  // limits::kJsonDepthMax deep.
  static Result<TomlTable> Parse(ByteSpan text, std::size_t max_bytes);

  // Every question about a key counts as asking for it.
  bool Has(std::string_view key);
  // kInvalidInput if the key is missing or holds another type.
  Result<std::string> String(std::string_view key);
  Result<std::int64_t> Integer(std::string_view key);
  Result<double> Number(std::string_view key);  // an integer or a float; NaN and infinity refused
  Result<UnixSeconds> Time(std::string_view key);  // a string as ParseTime takes it, or a TOML
                                                   // offset date-time in UTC, in whole seconds
  Result<std::vector<std::string>> Strings(std::string_view key);
  Result<Bytes> HexBytes(std::string_view key);
  Result<TomlTable> Table(std::string_view key);
  // An array of tables; empty if the key is missing.
  Result<std::vector<TomlTable>> Tables(std::string_view key, std::size_t max_count);

  // kInvalidInput naming the first key that nobody asked for, in this table (not below it).
  Status ExpectNoOthers() const;

  // An error about a key's value, for rules that only the caller knows:
  // Invalid("epsilon", "must be positive") says "line 7: privacy.epsilon must be positive". An
  // empty key speaks of the table itself.
  Error Invalid(std::string_view key, std::string_view rule) const;

 private:
  struct State;
  explicit TomlTable(std::shared_ptr<State> state);
  // The value of that key and type, or an error that says it is missing or breaks `rule`.
  Result<const TomlValue*> Get(std::string_view key, TomlType type, const char* rule);
  TomlTable Child(const TomlValue& table, std::string path) const;
  std::shared_ptr<State> state_;
};

}  // namespace anchorhold::wire
