#include "shared/wire/schema.h"

#include <gtest/gtest.h>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

constexpr std::string_view kFeature =
    "[[column]]\nname = \"radius\"\nrole = \"feature\"\nmin = 5\nmax = 30.0\n"
    "out_of_range = \"clamp\"\n";
constexpr std::string_view kLabel =
    "[[column]]\nname = \"diagnosis\"\nrole = \"label\"\nclasses = [\"B\", \"M\"]\n";

Result<Schema> Parse(const std::string& text) { return ParseSchema(AsBytes(text)); }
Result<Schema> ParseColumns(std::string_view columns) {
  return Parse("version = 1\n" + std::string(columns));
}
std::string Both() { return std::string(kFeature) + std::string(kLabel); }

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  AH_CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST(Schema, ReadsFeaturesLabelsAndIgnoredColumns) {
  const Result<Schema> schema =
      ParseColumns(Both() + "[[column]]\nname = \"id\"\nrole = \"ignored\"\n");
  ASSERT_TRUE(schema.ok()) << schema.error().message();
  ASSERT_EQ(schema->columns.size(), 3u);
  EXPECT_EQ(schema->feature_count(), 1u);
  EXPECT_EQ(schema->columns[0].min, 5.0);
  EXPECT_EQ(schema->columns[0].max, 30.0);
  EXPECT_EQ(schema->columns[0].out_of_range, OutOfRange::kClamp);
  ASSERT_NE(schema->label(), nullptr);
  EXPECT_EQ(schema->label()->classes, (std::vector<std::string>{"B", "M"}));
  EXPECT_EQ(schema->columns[2].role, ColumnRole::kIgnored);
  EXPECT_EQ(ParseColumns(kFeature)->label(), nullptr);
}

TEST(Schema, ALabelMayBeARange) {
  const Result<Schema> schema = ParseColumns(
      Replace(Both(), "classes = [\"B\", \"M\"]", "min = 0\nmax = 1\nout_of_range = \"refuse\""));
  ASSERT_TRUE(schema.ok()) << schema.error().message();
  EXPECT_TRUE(schema->label()->classes.empty());
  EXPECT_EQ(schema->label()->out_of_range, OutOfRange::kRefuse);
}

TEST(Schema, EachViolationHasItsOwnError) {
  const struct {
    const char* from;
    const char* to;
    const char* message;
  } cases[] = {
      {"min = 5", "min = 30", "must be above min"},
      {"min = 5", "min = nan", "column[0].min must be a finite number"},
      {"max = 30.0", "max = inf", "column[0].max must be a finite number"},
      {"min = 5\nmax = 30.0", "min = -1e308\nmax = 1e308", "too far from min"},
      {"min = 5\n", "", "column[0].min is missing"},
      {"out_of_range = \"clamp\"\n", "", "column[0].out_of_range is missing"},
      {"\"clamp\"", "\"wrap\"", "must be \"clamp\" or \"refuse\""},
      {"\"feature\"", "\"target\"", "column[0].role must be"},
      {"name = \"radius\"", "name = \"\"", "column[0].name must not be empty"},
      {"name = \"radius\"", "name = \"a\\n\"", "control characters"},
      {"name = \"radius\"", "name = \"diagnosis\"", "must not repeat an earlier column's"},
      {"name = \"radius\"", "nam = \"radius\"", "column[0].name is missing"},
      {"min = 5", "min = 5\nunit = \"mm\"", "column[0].unit is not a known key"},
      {"[\"B\", \"M\"]", "[\"B\"]", "must name 2 or more classes"},
      {"[\"B\", \"M\"]", "[\"B\", \"B\"]", "must not repeat a name"},
      {"[\"B\", \"M\"]", "[\"B\", \"\"]", "must not contain an empty name"},
      {"[\"B\", \"M\"]", "[\"B\", 1]", "must be a list of strings"},
      {"[\"B\", \"M\"]", "[\"B\", \"M\"]\nmin = 0", "must not stand beside classes"},
      {"classes = [\"B\", \"M\"]\n", "", "column[1].min is missing"},
      {"role = \"label\"\n", "role = \"ignored\"\n", "column[1].classes is not a known key"},
      {"role = \"feature\"", "role = \"feature\"\nclasses = [\"a\", \"b\"]",
       "column[0].classes is not a known key"},
  };
  for (const auto& c : cases) {
    const Result<Schema> schema = ParseColumns(Replace(Both(), c.from, c.to));
    ASSERT_FALSE(schema.ok()) << c.to;
    EXPECT_EQ(schema.error().code(), ErrorCode::kInvalidInput);
    EXPECT_NE(schema.error().message().find(c.message), std::string::npos)
        << schema.error().message();
  }
}

TEST(Schema, RefusesWrongDocuments) {
  EXPECT_EQ(Parse("version = 2\n" + Both()).error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(Parse(Both()).ok());
  EXPECT_FALSE(Parse("version = 1\nrows = 3\n" + Both()).ok());
  EXPECT_FALSE(Parse("version = 1\n").ok());
  EXPECT_FALSE(ParseColumns(kLabel).ok());  // no feature
  EXPECT_FALSE(ParseColumns(Both() + Replace(std::string(kLabel), "diagnosis", "second")).ok());
  std::string many;
  for (std::size_t i = 0; i <= limits::kColumnsMax; ++i) {
    many += "[[column]]\nname=\"" + std::to_string(i) + "\"\nrole=\"ignored\"\n";
  }
  EXPECT_EQ(ParseColumns(many).error().code(), ErrorCode::kLimitExceeded);
  const std::string large(limits::kSchemaBytesMax + 1, '#');
  EXPECT_EQ(Parse(large).error().code(), ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace anchorhold::wire
