// The table that an owner reads: CSV text against a schema. Whatever it holds, the reader ends with
// rows that fit their declared shape or with an error of one line.
#include <cstdint>
#include <cstdlib>

#include "client/core/table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  static const wire::Schema schema = [] {
    constexpr std::string_view kText =
        "version = 1\n"
        "[[column]]\nname = \"id\"\nrole = \"ignored\"\n"
        "[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = -1.0\nmax = 4.0\n"
        "out_of_range = \"clamp\"\n"
        "[[column]]\nname = \"b\"\nrole = \"feature\"\nmin = 0.0\nmax = 1e300\n"
        "out_of_range = \"refuse\"\n"
        "[[column]]\nname = \"y\"\nrole = \"label\"\nclasses = [\"B\", \"M\"]\n";
    auto parsed = wire::ParseSchema(AsBytes(kText));
    if (!parsed.ok()) std::abort();
    return *std::move(parsed);
  }();
  const ByteSpan text = std::as_bytes(std::span(data, size));
  const auto table = client::ReadTable(text, "fuzz.csv", schema);
  if (!table.ok()) {
    if (table.error().message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  const auto& examples = table->examples;
  if (examples.rows == 0 || examples.features.size() != examples.rows * 2 ||
      examples.classes.size() != examples.rows) {
    std::abort();
  }
  for (const float value : examples.features) {
    if (!(value >= -1 && value <= 1)) std::abort();
  }
  return 0;
}
