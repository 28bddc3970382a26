#include "trusted/vault/dataset.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "shared/wire/safetensors.h"

namespace anchorhold::vault {
namespace {

enum class Label { kNone, kClasses, kRange };

wire::Schema SchemaOf(std::size_t features, Label label) {
  wire::Schema schema;
  for (std::size_t i = 0; i < features; ++i) {
    wire::Column column;
    column.name = "f" + std::to_string(i);
    column.role = wire::ColumnRole::kFeature;
    column.min = 0;
    column.max = 1;
    schema.columns.push_back(column);
  }
  wire::Column ignored;
  ignored.name = "id";
  schema.columns.push_back(ignored);
  if (label == Label::kNone) return schema;
  wire::Column column;
  column.name = "label";
  column.role = wire::ColumnRole::kLabel;
  if (label == Label::kClasses) column.classes = {"B", "M"};
  if (label == Label::kRange) column.max = 1;
  schema.columns.push_back(column);
  return schema;
}

// A file of three rows with two features, which tests change before it is written.
struct File {
  std::vector<std::int64_t> shape{3, 2};
  std::vector<float> features{-1, 1, 0, 0.25F, 1.0000005F, -1.0000005F};
  std::vector<std::int64_t> labels{0, 1, 1};
  std::vector<float> targets;
  std::vector<std::int64_t> targets_shape{3, 1};
  std::map<std::string, std::string> metadata;
  std::string extra;
  std::vector<float> extra_value{0};

  Bytes Write() const {
    wire::Safetensors file;
    const auto add = [&](const char* name, wire::TensorType type, std::vector<std::int64_t> sides,
                         ByteSpan data) {
      file.tensors.push_back({name, type, std::move(sides), data});
    };
    add("features", wire::TensorType::kF32, shape, std::as_bytes(std::span(features)));
    if (!labels.empty()) {
      add("labels", wire::TensorType::kI64, {static_cast<std::int64_t>(labels.size())},
          std::as_bytes(std::span(labels)));
    }
    if (!targets.empty()) {
      add("targets", wire::TensorType::kF32, targets_shape, std::as_bytes(std::span(targets)));
    }
    if (!extra.empty()) {
      add(extra.c_str(), wire::TensorType::kF32, {1}, std::as_bytes(std::span(extra_value)));
    }
    file.metadata = metadata;
    return wire::WriteSafetensors(file);
  }
};

Error RefusedAs(const File& file, const wire::Schema& schema) {
  const auto read = ReadDataset(file.Write(), schema);
  EXPECT_FALSE(read.ok());
  return read.ok() ? InternalError("") : read.error();
}

TEST(Dataset, ReadsClasses) {
  const auto examples = ReadDataset(File().Write(), SchemaOf(2, Label::kClasses));
  ASSERT_TRUE(examples.ok()) << examples.error().message();
  EXPECT_EQ(examples->rows, 3u);
  EXPECT_EQ(examples->feature_width, 2u);
  EXPECT_EQ(examples->features, File().features);
  EXPECT_EQ(examples->classes, File().labels);
  EXPECT_EQ(examples->target_width, 0u);
  EXPECT_TRUE(examples->targets.empty());
}

TEST(Dataset, ReadsTargetsAndUnlabelledRows) {
  File file;
  file.labels.clear();
  const auto unlabelled = ReadDataset(file.Write(), SchemaOf(2, Label::kNone));
  ASSERT_TRUE(unlabelled.ok()) << unlabelled.error().message();
  EXPECT_TRUE(unlabelled->classes.empty() && unlabelled->targets.empty());
  file.targets = {0.5F, -0.5F, 1};
  const auto examples = ReadDataset(file.Write(), SchemaOf(2, Label::kRange));
  ASSERT_TRUE(examples.ok()) << examples.error().message();
  EXPECT_EQ(examples->target_width, 1u);
  EXPECT_EQ(examples->targets, file.targets);
}

TEST(Dataset, RefusesNumbersOutsideTheRangeAndNeverShowsThem) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {1.25F, -1.25F, 1.00001F, inf, -inf, nan}) {
    File file;
    file.features[3] = bad;
    const Error error = RefusedAs(file, SchemaOf(2, Label::kClasses));
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_NE(error.message().find("row 1, feature 1"), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find("1.25"), std::string::npos);
    EXPECT_EQ(error.message().find("nan"), std::string::npos);
    File regression;
    regression.labels.clear();
    regression.targets = {0, bad, 0};
    EXPECT_EQ(RefusedAs(regression, SchemaOf(2, Label::kRange)).code(), ErrorCode::kInvalidInput);
  }
}

TEST(Dataset, RefusesLabelsOutsideTheClasses) {
  for (const std::int64_t bad :
       {std::int64_t{-1}, std::int64_t{2}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    File file;
    file.labels[2] = bad;
    const Error error = RefusedAs(file, SchemaOf(2, Label::kClasses));
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_NE(error.message().find("row 2"), std::string::npos);
  }
}

TEST(Dataset, RefusesShapesThatDoNotFit) {
  const wire::Schema schema = SchemaOf(2, Label::kClasses);
  EXPECT_EQ(RefusedAs(File(), SchemaOf(3, Label::kClasses)).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(RefusedAs(File(), SchemaOf(0, Label::kClasses)).code(), ErrorCode::kInvalidInput);
  File flat;
  flat.shape = {6};
  EXPECT_EQ(RefusedAs(flat, schema).code(), ErrorCode::kInvalidInput);
  File deep;
  deep.shape = {3, 2, 1};
  EXPECT_EQ(RefusedAs(deep, schema).code(), ErrorCode::kInvalidInput);
  File few;
  few.labels.pop_back();
  EXPECT_EQ(RefusedAs(few, schema).code(), ErrorCode::kInvalidInput);
  File flat_targets;
  flat_targets.labels.clear();
  flat_targets.targets = {0, 0, 0};
  flat_targets.targets_shape = {3};
  EXPECT_EQ(RefusedAs(flat_targets, SchemaOf(2, Label::kRange)).code(), ErrorCode::kInvalidInput);
}

TEST(Dataset, RefusesNoRows) {
  File file;
  file.shape = {0, 2};
  file.features.clear();
  file.labels.clear();
  EXPECT_EQ(RefusedAs(file, SchemaOf(2, Label::kNone)).code(), ErrorCode::kInvalidInput);
}

TEST(Dataset, RefusesTensorsTooManyOrTooFew) {
  const File file;
  EXPECT_EQ(RefusedAs(file, SchemaOf(2, Label::kNone)).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(RefusedAs(file, SchemaOf(2, Label::kRange)).code(), ErrorCode::kInvalidInput);
  File unlabelled;
  unlabelled.labels.clear();
  EXPECT_EQ(RefusedAs(unlabelled, SchemaOf(2, Label::kClasses)).code(), ErrorCode::kInvalidInput);
  File extra;
  extra.extra = "notes";
  EXPECT_EQ(RefusedAs(extra, SchemaOf(2, Label::kClasses)).code(), ErrorCode::kInvalidInput);
}

TEST(Dataset, RefusesTruncatedFiles) {
  const Bytes file = File().Write();
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ReadDataset(ByteSpan(file).first(size), SchemaOf(2, Label::kClasses)).ok())
        << size;
  }
}

TEST(Dataset, DeltaIsBelowOneOverRows) {
  train::ExampleSet examples;
  examples.rows = 1000;
  wire::Contract contract;
  contract.dataset = "cancer-centre";
  contract.public_rows = 1000;
  for (const double delta : {1e-3, 2e-3, 0.5}) {
    contract.delta = Delta(delta);
    const Status fits = CheckContractFits(examples, contract);
    ASSERT_FALSE(fits.ok());
    EXPECT_EQ(fits.error().code(), ErrorCode::kPrivacyRefused);
  }
  contract.delta = Delta(9.9e-4);
  EXPECT_TRUE(CheckContractFits(examples, contract).ok());
}

TEST(Dataset, HasNoMoreRowsThanTheContractTellsAndAtLeastHalf) {
  train::ExampleSet examples;
  wire::Contract contract;
  contract.dataset = "cancer-centre";
  contract.delta = Delta(1e-6);
  contract.public_rows = 1000;
  examples.rows = 1001;
  EXPECT_EQ(CheckContractFits(examples, contract).error().code(), ErrorCode::kPrivacyRefused);
  examples.rows = 499;
  EXPECT_EQ(CheckContractFits(examples, contract).error().code(), ErrorCode::kInvalidInput);
  for (const std::size_t rows : {500u, 777u, 1000u}) {
    examples.rows = rows;
    EXPECT_TRUE(CheckContractFits(examples, contract).ok()) << rows;
  }
}

TEST(Dataset, IsSealedForOneOwnerAndContract) {
  const ByteSpan contract = AsBytes("version = 1\n");
  crypto::Ed25519PublicKey owner, other;
  other.value[31] = std::byte{1};
  File file;
  EXPECT_EQ(CheckSealedFor(file.Write(), owner, contract).error().code(), ErrorCode::kIntegrity);
  file.metadata[std::string(wire::kSealedForMetadataKey)] = wire::SealedForValue(owner, contract);
  EXPECT_TRUE(CheckSealedFor(file.Write(), owner, contract).ok());
  EXPECT_EQ(CheckSealedFor(file.Write(), other, contract).error().code(), ErrorCode::kIntegrity);
  EXPECT_EQ(CheckSealedFor(file.Write(), owner, AsBytes("version = 2\n")).error().code(),
            ErrorCode::kIntegrity);
}

}  // namespace
}  // namespace anchorhold::vault
