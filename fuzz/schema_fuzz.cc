// Schemas.
#include "shared/base/check.h"
#include "shared/wire/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  const Result<wire::Schema> schema = wire::ParseSchema(std::as_bytes(std::span(data, size)));
  if (!schema.ok()) return 0;
  AH_CHECK(schema->feature_count() >= 1);
  for (const wire::Column& column : schema->columns) {
    const bool ranged = column.role == wire::ColumnRole::kFeature ||
                        (column.role == wire::ColumnRole::kLabel && column.classes.empty());
    AH_CHECK(!ranged || column.min < column.max);
  }
  return 0;
}
