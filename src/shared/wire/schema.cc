#include "shared/wire/schema.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "shared/base/limits.h"
#include "shared/wire/toml.h"

namespace anchorhold::wire {
namespace {

Status CheckColumnName(const TomlTable& table, std::string_view name) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; };
  if (name.empty()) return table.Invalid("name", "must not be empty");
  if (std::any_of(name.begin(), name.end(), control)) {
    return table.Invalid("name", "must not contain control characters");
  }
  return Ok();
}

Result<ColumnRole> ParseRole(TomlTable& table) {
  AH_ASSIGN_OR_RETURN(const std::string role, table.String("role"));
  if (role == "feature") return ColumnRole::kFeature;
  if (role == "label") return ColumnRole::kLabel;
  if (role == "ignored") return ColumnRole::kIgnored;
  return table.Invalid("role", "must be \"feature\", \"label\" or \"ignored\"");
}

Status ParseRange(TomlTable& table, Column& column) {
  AH_ASSIGN_OR_RETURN(column.min, table.Number("min"));
  AH_ASSIGN_OR_RETURN(column.max, table.Number("max"));
  if (!(column.min < column.max)) return table.Invalid("max", "must be above min");
  if (!std::isfinite(column.max - column.min)) {
    return table.Invalid("max", "is too far from min: max - min is no finite number");
  }
  AH_ASSIGN_OR_RETURN(const std::string out_of_range, table.String("out_of_range"));
  if (out_of_range == "clamp") {
    column.out_of_range = OutOfRange::kClamp;
  } else if (out_of_range == "refuse") {
    column.out_of_range = OutOfRange::kRefuse;
  } else {
    return table.Invalid("out_of_range", "must be \"clamp\" or \"refuse\"");
  }
  return Ok();
}

Status ParseClasses(TomlTable& table, Column& column) {
  for (const char* key : {"min", "max", "out_of_range"}) {
    if (table.Has(key)) {
      return table.Invalid(key, "must not stand beside classes: a label has classes or a range");
    }
  }
  AH_ASSIGN_OR_RETURN(column.classes, table.Strings("classes"));
  if (column.classes.size() < 2) return table.Invalid("classes", "must name 2 or more classes");
  if (column.classes.size() > limits::kClassesMax) {
    return LimitExceeded(
        table
            .Invalid("classes",
                     "must name at most " + std::to_string(limits::kClassesMax) + " classes")
            .message());
  }
  std::set<std::string_view> seen;
  for (const std::string& name : column.classes) {
    if (name.empty()) return table.Invalid("classes", "must not contain an empty name");
    if (!seen.insert(name).second) return table.Invalid("classes", "must not repeat a name");
  }
  return Ok();
}

Result<Column> ParseColumn(TomlTable& table) {
  Column column;
  AH_ASSIGN_OR_RETURN(column.name, table.String("name"));
  AH_RETURN_IF_ERROR(CheckColumnName(table, column.name));
  AH_ASSIGN_OR_RETURN(column.role, ParseRole(table));
  if (column.role == ColumnRole::kLabel && table.Has("classes")) {
    AH_RETURN_IF_ERROR(ParseClasses(table, column));
  } else if (column.role != ColumnRole::kIgnored) {
    AH_RETURN_IF_ERROR(ParseRange(table, column));
  }
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  return column;
}

Result<Schema> Parse(ByteSpan toml) {
  AH_ASSIGN_OR_RETURN(TomlTable table, TomlTable::Parse(toml, limits::kSchemaBytesMax));
  AH_ASSIGN_OR_RETURN(const std::int64_t version, table.Integer("version"));
  if (version != 1) return Unsupported(table.Invalid("version", "must be 1").message());
  AH_ASSIGN_OR_RETURN(std::vector<TomlTable> tables, table.Tables("column", limits::kColumnsMax));
  AH_RETURN_IF_ERROR(table.ExpectNoOthers());
  Schema schema;
  std::set<std::string> names;
  for (TomlTable& one : tables) {
    AH_ASSIGN_OR_RETURN(Column column, ParseColumn(one));
    if (!names.insert(column.name).second) {
      return one.Invalid("name", "must not repeat an earlier column's");
    }
    if (column.role == ColumnRole::kLabel && schema.label() != nullptr) {
      return one.Invalid("role", "must not be \"label\" again: a table has at most one label");
    }
    schema.columns.push_back(std::move(column));
  }
  if (schema.feature_count() == 0) {
    return InvalidInput("no [[column]] has role = \"feature\"; at least one is needed");
  }
  return schema;
}

}  // namespace

std::size_t Schema::feature_count() const {
  return static_cast<std::size_t>(
      std::count_if(columns.begin(), columns.end(),
                    [](const Column& c) { return c.role == ColumnRole::kFeature; }));
}

const Column* Schema::label() const {
  for (const Column& column : columns) {
    if (column.role == ColumnRole::kLabel) return &column;
  }
  return nullptr;
}

Result<Schema> ParseSchema(ByteSpan toml) {
  Result<Schema> schema = Parse(toml);
  if (!schema.ok()) return schema.error().At("schema");
  return schema;
}

}  // namespace anchorhold::wire
