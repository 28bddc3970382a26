#include "client/core/table.h"

#include <gtest/gtest.h>

#include "shared/wire/safetensors.h"

namespace anchorhold::client {
namespace {

constexpr std::string_view kSchema = R"(version = 1
[[column]]
name = "id"
role = "ignored"
[[column]]
name = "size"
role = "feature"
min = 0.0
max = 10.0
out_of_range = "clamp"
[[column]]
name = "age"
role = "feature"
min = -1.0
max = 1.0
out_of_range = "refuse"
[[column]]
name = "diagnosis"
role = "label"
classes = ["B", "M"]
)";

wire::Schema Schema() { return *wire::ParseSchema(AsBytes(kSchema)); }
Result<Table> Read(const std::string& csv) { return ReadTable(AsBytes(csv), "t.csv", Schema()); }

TEST(Table, ScalesByThePublicRange) {
  const auto table = Read("id,size,age,diagnosis\nx,0,0.5,M\n,10,-1,B\n\"a,b\",2.5,1,M\n");
  ASSERT_TRUE(table.ok()) << table.error().message();
  EXPECT_EQ(table->examples.rows, 3u);
  EXPECT_EQ(table->examples.feature_width, 2u);
  EXPECT_EQ(table->examples.features, (std::vector<float>{-1, 0.5F, 1, -1, -0.5F, 1}));
  EXPECT_EQ(table->examples.classes, (std::vector<std::int64_t>{1, 0, 1}));
  EXPECT_EQ(table->examples.target_width, 0u);
  EXPECT_TRUE(table->clamped.empty());
}

TEST(Table, CountsWhatItClamps) {
  const auto table = Read("id,size,age,diagnosis\r\n1,-5,0,M\r\n2,11,0,B\r\n3,4,0,B\r\n");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->examples.features[0], -1);
  EXPECT_EQ(table->examples.features[2], 1);
  ASSERT_EQ(table->clamped.size(), 1u);
  EXPECT_EQ(table->clamped[0].column, "size");
  EXPECT_EQ(table->clamped[0].cells, 2u);
}

struct Refusal {
  const char* what;
  std::string csv;
  std::string begins;
};

TEST(Table, RefusesEachKindOfBadRow) {
  const std::string header = "id,size,age,diagnosis\n";
  // 731 stands for a private value; no error may repeat it.
  const Refusal refusals[] = {
      {"empty file", "", "t.csv: "},
      {"header only", header, "t.csv: "},
      {"no header", "1,731,0,M\n1,731,0,M\n", "t.csv:1: "},
      {"other order", "id,age,size,diagnosis\n1,2,0,M\n", "t.csv:1: "},
      {"unknown column", "id,size,731,diagnosis\n1,2,0,M\n", "t.csv:1: "},
      {"missing column", "id,size,diagnosis\n1,2,M\n", "t.csv:1: "},
      {"duplicate column", "id,731,731,diagnosis\n1,2,0,M\n", "t.csv:1: "},
      {"missing cell", header + "1,,0,M\n", "t.csv:2: column 'size': "},
      {"missing label", header + "1,2,0,\n", "t.csv:2: column 'diagnosis': "},
      {"text", header + "1,5,0,M\n1,x731,0,M\n", "t.csv:3: column 'size': "},
      {"nan", header + "1,nan,0,M\n", "t.csv:2: column 'size': "},
      {"infinity", header + "1,inf,0,M\n", "t.csv:2: column 'size': "},
      {"hexadecimal", header + "1,0x731,0,M\n", "t.csv:2: column 'size': "},
      {"space", header + "1, 731,0,M\n", "t.csv:2: column 'size': "},
      {"comma as point", header + "1,731,5,0,M\n", "t.csv:2: "},
      {"too few cells", header + "1,731,0\n", "t.csv:2: "},
      {"out of range", header + "1,2,731,M\n", "t.csv:2: column 'age': "},
      {"unknown class", header + "1,2,0,731\n", "t.csv:2: column 'diagnosis': "},
      {"class with a space", header + "1,2,0,M \n", "t.csv:2: column 'diagnosis': "},
      {"empty line", header + "1,2,0,M\n\n1,731,0,M\n", "t.csv:3: "},
      {"open quote", header + "1,\"731,0,M\n", "t.csv:3: "},
  };
  for (const Refusal& refusal : refusals) {
    const auto table = Read(refusal.csv);
    ASSERT_FALSE(table.ok()) << refusal.what;
    const std::string& message = table.error().message();
    EXPECT_EQ(ExitStatus(table.error().code()), 2) << refusal.what;
    EXPECT_EQ(message.rfind(refusal.begins, 0), 0u) << refusal.what << ": " << message;
    EXPECT_EQ(message.find("731"), std::string::npos) << refusal.what << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << refusal.what;
  }
}

TEST(Table, NeedsFeaturesAndALabel) {
  const std::string_view no_label =
      "version = 1\n[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = 0.0\nmax = 1.0\n"
      "out_of_range = \"clamp\"\n";
  const auto schema = wire::ParseSchema(AsBytes(no_label));
  // Where the schema's parser lets such a schema pass, the table's reader does not.
  if (schema.ok()) {
    EXPECT_FALSE(ReadTable(AsBytes("a\n1\n"), "t.csv", *schema).ok());
  }
}

TEST(Table, RegressionTargetsAreScaled) {
  const std::string_view text =
      "version = 1\n[[column]]\nname = \"a\"\nrole = \"feature\"\nmin = 0.0\nmax = 1.0\n"
      "out_of_range = \"clamp\"\n[[column]]\nname = \"y\"\nrole = \"label\"\nmin = 0.0\n"
      "max = 4.0\nout_of_range = \"refuse\"\n";
  const auto schema = wire::ParseSchema(AsBytes(text));
  ASSERT_TRUE(schema.ok()) << schema.error().message();
  const auto table = ReadTable(AsBytes("a,y\n1,3\n"), "t.csv", *schema);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->examples.target_width, 1u);
  EXPECT_EQ(table->examples.targets, std::vector<float>{0.5F});
  EXPECT_TRUE(table->examples.classes.empty());
  const Bytes file = SerializeExamples(table->examples, {});
  EXPECT_NE(wire::ParseSafetensors(file)->Find("targets"), nullptr);
}

TEST(Table, SerializesAsSafetensors) {
  const auto table = Read("id,size,age,diagnosis\n1,0,0.5,M\n2,10,-1,B\n");
  ASSERT_TRUE(table.ok());
  const Bytes bytes = SerializeExamples(table->examples, {});
  const auto file = wire::ParseSafetensors(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message();
  const auto* features = file->Find("features");
  ASSERT_NE(features, nullptr);
  EXPECT_EQ(features->shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(features->type, wire::TensorType::kF32);
  const auto* labels = file->Find("labels");
  ASSERT_NE(labels, nullptr);
  EXPECT_EQ(labels->shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(std::to_integer<int>(labels->data[0]), 1);
  EXPECT_EQ(std::to_integer<int>(labels->data[8]), 0);
}

}  // namespace
}  // namespace anchorhold::client
