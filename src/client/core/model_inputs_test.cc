#include "client/core/model_inputs.h"

#include <gtest/gtest.h>

#include <cmath>

namespace anchorhold::client {
namespace {

using graph::ElementType;

Array Reals(const graph::Shape& shape, std::vector<double> values,
            ElementType element = ElementType::kFloat64) {
  return {element, shape, std::move(values), {}};
}
Array Integers(const graph::Shape& shape, std::vector<std::int64_t> values,
               ElementType element = ElementType::kInt64) {
  return {element, shape, {}, std::move(values)};
}

std::string ConvertError(ElementType element, const Array& array) {
  const Result<Array> converted = ConvertTo(element, array);
  EXPECT_FALSE(converted.ok());
  return converted.ok() ? "" : converted.error().message();
}

TEST(ModelInputs, RealsAreRounded) {
  EXPECT_EQ(ConvertTo(ElementType::kFloat32, Reals({1}, {0.1}))->reals[0], 0.1F);
  EXPECT_EQ(ConvertTo(ElementType::kFloat64, Reals({1}, {0.1}))->reals[0], 0.1);
  EXPECT_EQ(ConvertTo(ElementType::kFloat16, Reals({1}, {2049.0}))->reals[0], 2048);
  EXPECT_EQ(ConvertTo(ElementType::kBFloat16, Reals({1}, {257.0}))->reals[0], 256);
  EXPECT_TRUE(std::isinf(ConvertTo(ElementType::kFloat32, Reals({1}, {1e300}))->reals[0]));
}

TEST(ModelInputs, IntegersMustFit) {
  EXPECT_EQ(ConvertTo(ElementType::kInt32, Integers({1}, {-5}))->integers[0], -5);
  EXPECT_NE(ConvertError(ElementType::kInt32, Integers({1}, {1LL << 31})).find("does not fit"),
            std::string::npos);
  ConvertError(ElementType::kUInt8, Integers({1}, {-1}));
  ConvertError(ElementType::kInt8, Integers({1}, {128}));
  ConvertError(ElementType::kUInt16, Integers({1}, {65536}));
  ConvertError(ElementType::kUInt64, Integers({1}, {-1}));
  // 2^64 - 1, held as -1.
  ConvertError(ElementType::kInt64, Integers({1}, {-1}, ElementType::kUInt64));
  EXPECT_TRUE(ConvertTo(ElementType::kUInt64, Integers({1}, {-1}, ElementType::kUInt64)).ok());
}

TEST(ModelInputs, KindsAreNotMixed) {
  EXPECT_NE(ConvertError(ElementType::kInt64, Reals({1}, {1})).find("array.astype('int64')"),
            std::string::npos);
  EXPECT_NE(ConvertError(ElementType::kFloat32, Integers({1}, {1})).find("astype('float32')"),
            std::string::npos);
  EXPECT_NE(ConvertError(ElementType::kBool, Integers({1}, {1})).find("astype('bool')"),
            std::string::npos);
  ConvertError(ElementType::kInt64, Integers({1}, {1}, ElementType::kBool));
}

std::vector<graph::DeclaredInput> TwoInputs() {
  return {{"a", ElementType::kFloat32, {-1, 3}, {"N", ""}},
          {"b", ElementType::kInt64, {-1, -1}, {"N", ""}}};
}

std::string FitError(NamedArrays given) {
  const auto fitted = FitInputs(TwoInputs(), std::move(given));
  EXPECT_FALSE(fitted.ok());
  return fitted.ok() ? "" : fitted.error().message();
}

TEST(ModelInputs, NamesAndShapesFit) {
  const Array a = Reals({2, 3}, std::vector<double>(6));
  const auto fitted = FitInputs(TwoInputs(), {{"a", a}, {"b", Integers({2, 1}, {1, 2})}});
  ASSERT_TRUE(fitted.ok()) << fitted.error().message();
  EXPECT_EQ(fitted->at("a").element, ElementType::kFloat32);
  EXPECT_NE(FitError({{"a", a}}).find("'b'; add --input b=FILE"), std::string::npos);
  EXPECT_NE(FitError({{"a", a}, {"b", a}, {"c", a}})
                .find("no input 'c' to be given; its inputs "
                      "are 'a', 'b'"),
            std::string::npos);
  EXPECT_NE(FitError({{"a", a}, {"b", a}}).find("input 'b': the file holds float64"),
            std::string::npos);
  EXPECT_NE(
      FitError({{"a", Reals({2, 4}, std::vector<double>(8))}, {"b", Integers({2, 1}, {1, 2})}})
          .find("axis 1 of the file's array has size 4; the model's has 3"),
      std::string::npos);
  EXPECT_NE(FitError({{"a", a}, {"b", Integers({2}, {1, 2})}}).find("2 axes"), std::string::npos);
  // One name, two sizes.
  EXPECT_NE(FitError({{"a", a}, {"b", Integers({1, 1}, {1})}}).find("axis 0"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::client
