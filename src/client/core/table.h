// From a table on the owner's disk to the rows that a model reads, by the public schema alone:
//   feature, regression target   2 (x - min) / (max - min) - 1, in [-1, 1]
//   class label                  its index in the schema's list
// No statistic of the rows is used, so the scaling costs no privacy.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/base/limits.h"
#include "shared/wire/schema.h"
#include "trusted/train/example_set.h"

namespace anchorhold::client {

inline constexpr std::size_t kCsvBytesMax = 4 * limits::kGiB;

struct ClampedColumn {
  std::string column;
  std::size_t cells = 0;
};

struct Table {
  train::ExampleSet examples;
  // Columns in which values outside the public range were moved to its edge. For the owner's eyes:
  // the counts are computed from private rows.
  std::vector<ClampedColumn> clamped;
};

// Reads CSV text whose first line is a header with exactly the schema's columns, in its order.
// Every refusal is "file:line: column 'x': what is wrong; what to do" and never the cell itself.
// `name` is the file's name.
Result<Table> ReadTable(ByteSpan csv, const std::string& name, const wire::Schema& schema);
Result<Table> ReadTableFile(const std::string& path, const wire::Schema& schema);

// The plaintext of a dataset: safetensors with "features" and "labels" or "targets".
Bytes SerializeExamples(const train::ExampleSet& examples,
                        std::map<std::string, std::string> metadata);

// Reads a schema file; also its bytes, for their hash is in the contract.
struct SchemaFile {
  Bytes text;
  wire::Schema schema;
};
Result<SchemaFile> ReadSchemaFile(const std::string& path);

}  // namespace anchorhold::client
