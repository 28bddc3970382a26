// A schema: what the columns of a table mean, in public. It is declared by the owner before any row
// is looked at; features are scaled by the ranges that it states, so scaling costs no privacy.
//
//   version = 1
//   [[column]]
//   name = "radius_mean"
//   role = "feature"              # "feature", "label" or "ignored"
//   min = 5.0                     # features: the public range, mapped to [-1, 1]
//   max = 30.0
//   out_of_range = "clamp"        # or "refuse"; must be said
//   [[column]]
//   name = "diagnosis"
//   role = "label"                # at most one; classes or min/max
//   classes = ["B", "M"]          # class indices in this order
//
// Columns stand in the order of the CSV file, with names of their own; at least one is a feature.
// min and max are finite, min < max. A label has either classes (two or more, each of its own) or
// min, max and out_of_range: then it is a regression target, scaled like a feature. An ignored
// column has neither. An unknown key, a missing key or a value out of range is an error.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::wire {

enum class ColumnRole { kFeature, kLabel, kIgnored };
enum class OutOfRange { kClamp, kRefuse };

struct Column {
  std::string name;
  ColumnRole role = ColumnRole::kIgnored;
  double min = 0;
  double max = 0;
  OutOfRange out_of_range = OutOfRange::kRefuse;
  std::vector<std::string> classes;  // label by class only
};

struct Schema {
  std::vector<Column> columns;  // 1..limits::kColumnsMax
  std::size_t feature_count() const;
  const Column* label() const;  // null if there is none
};

// kInvalidInput naming line and key; kLimitExceeded; kUnsupported for another version.
Result<Schema> ParseSchema(ByteSpan toml);

}  // namespace anchorhold::wire
