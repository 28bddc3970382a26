#include "client/core/table.h"

#include <algorithm>
#include <bit>

#include "client/core/csv.h"
#include "client/core/files.h"
#include "client/core/number.h"
#include "shared/wire/safetensors.h"

namespace anchorhold::client {
namespace {

using Cells = std::vector<std::string_view>;

std::string Quoted(const std::string& column) { return "column '" + column + "'"; }

// The header may be missing, and then the first line is somebody's data: its text is not repeated.
Status CheckHeader(const Cells& header, const wire::Schema& schema, const std::string& place) {
  for (std::size_t i = 0; i < header.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (header[i] != header[j]) continue;
      return InvalidInput("columns " + std::to_string(j + 1) + " and " + std::to_string(i + 1) +
                          " of the header bear the same name; the first line must name the "
                          "schema's columns, each once")
          .At(place);
    }
  }
  if (header.size() != schema.columns.size()) {
    return InvalidInput("the header has " + std::to_string(header.size()) +
                        " columns and the schema " + std::to_string(schema.columns.size()) +
                        "; the first line must name the schema's columns, in its order")
        .At(place);
  }
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] == schema.columns[i].name) continue;
    return InvalidInput("the header's column " + std::to_string(i + 1) + " is not '" +
                        schema.columns[i].name +
                        "'; the first line must name the schema's columns, in its order")
        .At(place);
  }
  return Ok();
}

class TableReader {
 public:
  TableReader(const wire::Schema& schema) : schema_(schema), clamped_(schema.columns.size(), 0) {
    table_.examples.feature_width = schema.feature_count();
    if (schema.label()->classes.empty()) table_.examples.target_width = 1;
  }

  Status AddRow(const Cells& cells, const std::string& place) {
    if (cells.size() != schema_.columns.size()) {
      return InvalidInput("the row has " + std::to_string(cells.size()) + " cells and the schema " +
                          std::to_string(schema_.columns.size()) + " columns; mend the row")
          .At(place);
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const Status added = AddCell(i, cells[i]);
      if (!added.ok()) return added.error().At(Quoted(schema_.columns[i].name)).At(place);
    }
    ++table_.examples.rows;
    const std::size_t row_bytes =
        sizeof(float) * table_.examples.feature_width + sizeof(std::int64_t);
    if (table_.examples.rows > limits::kRowsMax ||
        table_.examples.rows * row_bytes > limits::kDatasetBytesMax) {
      return LimitExceeded("more rows than a dataset may have; split it").At(place);
    }
    return Ok();
  }

  Table Take() && {
    for (std::size_t i = 0; i < clamped_.size(); ++i) {
      if (clamped_[i] > 0) table_.clamped.push_back({schema_.columns[i].name, clamped_[i]});
    }
    return std::move(table_);
  }

 private:
  Status AddCell(std::size_t index, std::string_view cell) {
    const wire::Column& column = schema_.columns[index];
    if (column.role == wire::ColumnRole::kIgnored) return Ok();
    if (cell.empty()) {
      return InvalidInput("the cell is empty; fill it in or leave the row out");
    }
    if (!column.classes.empty()) return AddClass(column, cell);
    AH_ASSIGN_OR_RETURN(const double value, ParseNumber(cell));
    AH_ASSIGN_OR_RETURN(const float scaled, Scale(index, value));
    auto& out = column.role == wire::ColumnRole::kFeature ? table_.examples.features
                                                          : table_.examples.targets;
    out.push_back(scaled);
    return Ok();
  }

  Status AddClass(const wire::Column& column, std::string_view cell) {
    const auto found = std::find(column.classes.begin(), column.classes.end(), cell);
    if (found == column.classes.end()) {
      return InvalidInput("the label is none of the schema's classes; mend the cell or the schema");
    }
    table_.examples.classes.push_back(found - column.classes.begin());
    return Ok();
  }

  Result<float> Scale(std::size_t index, double value) {
    const wire::Column& column = schema_.columns[index];
    if (value < column.min || value > column.max) {
      if (column.out_of_range == wire::OutOfRange::kRefuse) {
        return InvalidInput("the value lies outside the public range " + FormatNumber(column.min) +
                            " to " + FormatNumber(column.max) +
                            " and the schema says out_of_range = \"refuse\"");
      }
      ++clamped_[index];
      value = std::clamp(value, column.min, column.max);
    }
    // Halves first: max - min alone could overflow for ranges near the largest double.
    const double half_width = column.max / 2 - column.min / 2;
    const double scaled = (value / 2 - column.min / 2) / half_width * 2 - 1;
    return static_cast<float>(std::clamp(scaled, -1.0, 1.0));
  }

  const wire::Schema& schema_;
  Table table_;
  std::vector<std::size_t> clamped_;
};

template <typename T>
ByteSpan LittleEndianBytes(const std::vector<T>& values) {
  static_assert(std::endian::native == std::endian::little);
  return std::as_bytes(std::span<const T>(values));
}

}  // namespace

Result<Table> ReadTable(ByteSpan csv, const std::string& name, const wire::Schema& schema) {
  if (schema.feature_count() == 0) {
    return InvalidInput("the schema has no feature column; give one column role = \"feature\"");
  }
  if (schema.label() == nullptr) {
    return InvalidInput("the schema has no label column; give one column role = \"label\"");
  }
  CsvReader reader(csv, name);
  AH_ASSIGN_OR_RETURN(const bool has_header, reader.Next());
  if (!has_header) {
    return InvalidInput("the file is empty; the first line must name the schema's columns")
        .At(name);
  }
  AH_RETURN_IF_ERROR(CheckHeader(reader.fields(), schema, reader.Place()));
  TableReader table(schema);
  std::size_t rows = 0;
  while (true) {
    AH_ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) break;
    AH_RETURN_IF_ERROR(table.AddRow(reader.fields(), reader.Place()));
    ++rows;
  }
  if (rows == 0) return InvalidInput("the file has a header and no rows; add rows").At(name);
  return std::move(table).Take();
}

Result<Table> ReadTableFile(const std::string& path, const wire::Schema& schema) {
  AH_ASSIGN_OR_RETURN(const Bytes text, ReadWholeFile(path, kCsvBytesMax));
  return ReadTable(text, path, schema);
}

Bytes SerializeExamples(const train::ExampleSet& examples,
                        std::map<std::string, std::string> metadata) {
  const auto rows = static_cast<std::int64_t>(examples.rows);
  wire::Safetensors file;
  file.metadata = std::move(metadata);
  file.tensors.push_back({"features",
                          wire::TensorType::kF32,
                          {rows, static_cast<std::int64_t>(examples.feature_width)},
                          LittleEndianBytes(examples.features)});
  if (examples.target_width == 0) {
    file.tensors.push_back(
        {"labels", wire::TensorType::kI64, {rows}, LittleEndianBytes(examples.classes)});
  } else {
    file.tensors.push_back({"targets",
                            wire::TensorType::kF32,
                            {rows, static_cast<std::int64_t>(examples.target_width)},
                            LittleEndianBytes(examples.targets)});
  }
  return wire::WriteSafetensors(file);
}

Result<SchemaFile> ReadSchemaFile(const std::string& path) {
  SchemaFile file;
  AH_ASSIGN_OR_RETURN(file.text, ReadWholeFile(path, limits::kSchemaBytesMax));
  auto schema = wire::ParseSchema(file.text);
  if (!schema.ok()) return schema.error().At(path);
  file.schema = *std::move(schema);
  return file;
}

}  // namespace anchorhold::client
