#include "shared/wire/safetensors.h"

#include <gtest/gtest.h>

#include "shared/base/limits.h"

namespace anchorhold::wire {
namespace {

Bytes File(std::string_view header, std::size_t data_bytes) {
  Bytes out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.push_back(static_cast<std::byte>((header.size() >> (8 * i)) & 0xff));
  }
  AppendBytes(out, AsBytes(header));
  out.resize(out.size() + data_bytes, std::byte{7});
  return out;
}

Status Check(std::string_view header, std::size_t data_bytes) {
  const Bytes file = File(header, data_bytes);
  AH_RETURN_IF_ERROR(ParseSafetensors(file));
  return Ok();
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const Bytes features(2 * 3 * 4, std::byte{1});
  const Bytes labels(2 * 8, std::byte{2});
  Safetensors in;
  in.tensors = {{"features", TensorType::kF32, {2, 3}, features},
                {"labels", TensorType::kI64, {2}, labels},
                {"empty \"\n", TensorType::kF32, {0, 5}, {}},
                {"scalar", TensorType::kF32, {}, ByteSpan(features).first(4)}};
  in.metadata = {{"format", "anchorhold"}, {"a", "b"}};
  const Bytes file = WriteSafetensors(in);
  EXPECT_EQ(file, WriteSafetensors(in));
  const Result<Safetensors> out = ParseSafetensors(file);
  ASSERT_TRUE(out.ok()) << out.error().message();
  EXPECT_EQ(out->metadata, in.metadata);
  ASSERT_EQ(out->tensors.size(), 4u);
  ASSERT_NE(out->Find("features"), nullptr);
  EXPECT_EQ(out->Find("features")->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(BytesEqual(out->Find("features")->data, features));
  EXPECT_EQ(out->Find("labels")->type, TensorType::kI64);
  EXPECT_TRUE(BytesEqual(out->Find("labels")->data, labels));
  EXPECT_TRUE(out->Find("empty \"\n")->data.empty());
  EXPECT_EQ(out->Find("scalar")->data.size(), 4u);
  EXPECT_EQ(out->Find("absent"), nullptr);
  EXPECT_EQ((out->tensors[0].data.data() - file.data()) % 8, 0);
}

// The very bytes: the format is the one that other programs read.
TEST(Safetensors, WritesTheExpectedBytes) {
  const Bytes data(4, std::byte{0x3f});
  Safetensors in;
  in.tensors = {{"w", TensorType::kF32, {1}, data}};
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const Bytes file = WriteSafetensors(in);
  EXPECT_EQ(AsText(ByteSpan(file).subspan(8, header.size())), header);
  EXPECT_EQ(std::to_integer<std::size_t>(file[0]), (header.size() + 7) / 8 * 8);
  EXPECT_TRUE(ParseSafetensors(WriteSafetensors({})).ok());
}

TEST(Safetensors, RefusesTruncationAtEveryLengthAndAppendedBytes) {
  Bytes file = File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  ASSERT_TRUE(ParseSafetensors(file).ok());
  for (std::size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(ParseSafetensors(ByteSpan(file).first(n)).ok()) << n;
  }
  file.push_back(std::byte{0});
  EXPECT_FALSE(ParseSafetensors(file).ok());
}

TEST(Safetensors, TensorsCoverTheDataExactly) {
  const auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)") + a +
           R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + b + "}}";
  };
  EXPECT_TRUE(Check(two("[0,4]", "[4,8]"), 8).ok());
  EXPECT_TRUE(Check(two("[4,8]", "[0,4]"), 8).ok());
  EXPECT_FALSE(Check(two("[0,4]", "[0,4]"), 4).ok());  // the same bytes twice
  EXPECT_FALSE(Check(two("[0,4]", "[2,6]"), 6).ok());  // overlap
  EXPECT_FALSE(Check(two("[0,4]", "[5,9]"), 9).ok());  // gap
  EXPECT_FALSE(Check(two("[1,5]", "[5,9]"), 9).ok());  // gap at the start
  EXPECT_FALSE(Check(two("[0,4]", "[4,8]"), 9).ok());  // bytes left over
  EXPECT_FALSE(Check(two("[0,4]", "[4,8]"), 7).ok());  // beyond the end
  EXPECT_FALSE(Check(two("[4,0]", "[4,8]"), 8).ok());  // backwards
  EXPECT_FALSE(Check(two("[-4,0]", "[0,4]"), 4).ok());
  EXPECT_FALSE(Check(two("[0,4]", "[4,9223372036854775807]"), 8).ok());
  EXPECT_FALSE(Check(two("[0,4]", "[4]"), 8).ok());
  EXPECT_FALSE(Check(two("[0,4]", "[4,8,8]"), 8).ok());
  EXPECT_FALSE(Check(two("[0,4]", "[4.0,8]"), 8).ok());
}

std::string Shaped(const std::string& shape, const std::string& dtype = "F32") {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[0,8]}})";
}

TEST(Safetensors, RefusesShapesThatLie) {
  EXPECT_TRUE(Check(Shaped("[2]"), 8).ok());
  EXPECT_TRUE(Check(Shaped("[1]", "I64"), 8).ok());
  EXPECT_TRUE(Check(Shaped("[1,1,1,1,1,1,1,2]"), 8).ok());
  for (const char* shape : {"[]", "[3]", "[-2]", "[-1,-2]", "[2.0]", "[\"2\"]", "2", "null", "[0]",
                            "[4294967296,4294967296]", "[4611686018427387906]",
                            "[9223372036854775807,2]", "[1,1,1,1,1,1,1,1,2]"}) {
    EXPECT_FALSE(Check(Shaped(shape), 8).ok()) << shape;
  }
  EXPECT_EQ(Check(Shaped("[2]", "F64"), 8).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(Check(Shaped("[2]", "f32"), 8).error().code(), ErrorCode::kUnsupported);
}

TEST(Safetensors, RefusesHeadersThatAreNone) {
  for (const char* header :
       {"", "[]", " {}", "{\"a\":1}", "{\"a\":{}}", "{\"__metadata__\":[]}",
        "{\"__metadata__\":{\"k\":1}}", "{} x",
        R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":1}})",
        R"({"a":{"dtype":"F32","shape":[0]}})", R"({"a":{"shape":[0],"data_offsets":[0,0]}})",
        R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
            "a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})"}) {
    EXPECT_FALSE(Check(header, 0).ok()) << header;
  }
  EXPECT_TRUE(Check("{}   ", 0).ok());
  Bytes large(16, std::byte{0xff});
  EXPECT_EQ(ParseSafetensors(large).error().code(), ErrorCode::kLimitExceeded);
}

TEST(Safetensors, ErrorsNameTheTensor) {
  EXPECT_EQ(Check(Shaped("[3]"), 8).error().message(),
            "safetensors: tensor \"a\": data_offsets: 8 bytes do not fit the shape");
}

TEST(SafetensorsDeathTest, WriterRefusesInconsistentInput) {
  const Bytes data(4);
  Safetensors in;
  in.tensors = {{"w", TensorType::kF32, {2}, data}};
  EXPECT_DEATH(WriteSafetensors(in), "invariant broken");
  in.tensors = {{"w", TensorType::kF32, {1}, data}, {"w", TensorType::kF32, {1}, data}};
  EXPECT_DEATH(WriteSafetensors(in), "invariant broken");
}

}  // namespace
}  // namespace anchorhold::wire
