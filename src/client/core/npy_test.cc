#include "client/core/npy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "client/core/files.h"
#include "client/core/half.h"
#include "client/core/test_folder.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;

// A file as NumPy writes it, with this header text and these data bytes.
Bytes File(std::string header, const std::string& data, int major = 1) {
  header += "\n";
  std::string out("\x93NUMPY", 6);
  out += static_cast<char>(major);
  out += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    out += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  }
  return CopyBytes(AsBytes(out + header + data));
}

std::string Header(const std::string& descr, const std::string& shape,
                   const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }  ";
}

template <typename T>
std::string Raw(std::initializer_list<T> values) {
  std::string out;
  for (const T value : values) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
  }
  return out;
}

Array Read(const Bytes& file) {
  const Result<Array> array = ParseNpy(file);
  EXPECT_TRUE(array.ok()) << array.error().message();
  return array.ok() ? *array : Array{};
}

std::string ExpectError(const Bytes& file, ErrorCode code) {
  const Result<Array> array = ParseNpy(file);
  EXPECT_FALSE(array.ok());
  if (array.ok()) return "";
  EXPECT_EQ(array.error().code(), code) << array.error().message();
  return array.error().message();
}

TEST(Npy, ReadsEveryElementType) {
  const auto reals = [](const char* descr, const std::string& data) {
    return Read(File(Header(descr, "(2,)"), data)).reals;
  };
  const auto integers = [](const char* descr, const std::string& data) {
    return Read(File(Header(descr, "(2,)"), data)).integers;
  };
  using Reals = std::vector<double>;
  using Integers = std::vector<std::int64_t>;
  EXPECT_EQ(reals("<f8", Raw<double>({0.1, -2})), (Reals{0.1, -2}));
  EXPECT_EQ(reals("<f4", Raw<float>({0.5F, -2})), (Reals{0.5, -2}));
  EXPECT_EQ(reals("<f2", Raw<std::uint16_t>({0x3c00, 0xc000})), (Reals{1, -2}));
  EXPECT_EQ(integers("<i8", Raw<std::int64_t>({-1, 1LL << 40})), (Integers{-1, 1LL << 40}));
  EXPECT_EQ(integers("<i4", Raw<std::int32_t>({-1, 70000})), (Integers{-1, 70000}));
  EXPECT_EQ(integers("<i2", Raw<std::int16_t>({-1, 300})), (Integers{-1, 300}));
  EXPECT_EQ(integers("|i1", Raw<std::int8_t>({-1, 100})), (Integers{-1, 100}));
  EXPECT_EQ(integers("<u8", Raw<std::uint64_t>({1, ~0ULL})), (Integers{1, -1}));
  EXPECT_EQ(integers("<u4", Raw<std::uint32_t>({1, ~0U})), (Integers{1, 4294967295}));
  EXPECT_EQ(integers("<u2", Raw<std::uint16_t>({1, 65535})), (Integers{1, 65535}));
  EXPECT_EQ(integers("|u1", Raw<std::uint8_t>({1, 255})), (Integers{1, 255}));
  EXPECT_EQ(integers("|b1", Raw<std::uint8_t>({1, 0})), (Integers{1, 0}));
  ExpectError(File(Header("|b1", "(2,)"), Raw<std::uint8_t>({1, 2})), ErrorCode::kInvalidInput);
}

TEST(Npy, ReadsShapesAndVersions) {
  EXPECT_EQ(Read(File(Header("<f4", "()"), Raw<float>({3}))).shape, graph::Shape{});
  EXPECT_EQ(Read(File(Header("<f4", "(0, 3)"), "")).shape, (graph::Shape{0, 3}));
  EXPECT_EQ(Read(File(Header("<f4", "(2,1)"), Raw<float>({3, 4}))).shape, (graph::Shape{2, 1}));
  for (const int major : {2, 3}) {
    EXPECT_EQ(Read(File(Header("<f4", "(1, 1)"), Raw<float>({3}), major)).reals[0], 3);
  }
  const Bytes other_order =
      File("{\"shape\" : (1,), 'descr':'<f4','fortran_order':False}", Raw<float>({3}));
  EXPECT_EQ(Read(other_order).shape, (graph::Shape{1}));
}

TEST(Npy, TurnsFortranOrderIntoCOrder) {
  // [[0, 1, 2], [3, 4, 5]], columns first.
  const Bytes file = File(Header("<i4", "(2, 3)", "True"), Raw<std::int32_t>({0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(Read(file).integers, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  const Bytes cube =
      File(Header("|u1", "(2, 2, 2)", "True"), Raw<std::uint8_t>({0, 4, 2, 6, 1, 5, 3, 7}));
  EXPECT_EQ(Read(cube).integers, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Npy, RefusesWhatItDoesNotReadAndSaysWhatToDo) {
  const auto unsupported = [](const std::string& descr) {
    return ExpectError(File(Header(descr, "(1,)"), std::string(8, '\0')), ErrorCode::kUnsupported);
  };
  EXPECT_NE(unsupported(">f4").find("astype('<f4')"), std::string::npos);
  EXPECT_NE(unsupported("|O").find("Python objects"), std::string::npos);
  EXPECT_NE(unsupported("<c8").find("astype"), std::string::npos);
  unsupported("<U3");
  unsupported("<M8[ns]");
  unsupported("");
  unsupported("<");
  unsupported("f4");
  unsupported("|f4");
  const std::string structured =
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
  EXPECT_NE(ExpectError(File(structured, Raw<float>({1})), ErrorCode::kUnsupported).find("field"),
            std::string::npos);
  Bytes later = File(Header("<f4", "(1,)"), Raw<float>({1}));
  later[6] = std::byte{4};
  ExpectError(later, ErrorCode::kUnsupported);
}

TEST(Npy, RefusesDamagedHeaders) {
  for (const char* header : {
           "",
           "{}",
           "{'descr': '<f4', 'fortran_order': False}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
           "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
           "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
           "{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}",
           "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (01,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
           "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
           "{'de\\x73cr': '<f4', 'fortran_order': False, 'shape': (1,)}",
       }) {
    SCOPED_TRACE(header);
    const Result<Array> array = ParseNpy(File(header, Raw<float>({1})));
    EXPECT_FALSE(array.ok());
  }
}

TEST(Npy, RefusesWhatIsOverTheLimits) {
  const auto over = [](const std::string& shape) {
    return ExpectError(File(Header("|u1", shape), "x"), ErrorCode::kLimitExceeded);
  };
  over("(1, 1, 1, 1, 1, 1, 1, 1, 1)");
  over("(536870913,)");
  over("(65536, 65536)");
  over("(99999999999999999999999999,)");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  over(many + ")");
  ExpectError(File(Header("|u1", "(1,)") + std::string(20'000, ' '), "x"),
              ErrorCode::kLimitExceeded);
}

TEST(Npy, EveryTruncationAndEveryAppendedByteIsRefused) {
  const Bytes file = File(Header("<f4", "(2, 3)"), Raw<float>({1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(ParseNpy(file).ok());
  for (std::size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(ParseNpy(ByteSpan(file).first(n)).ok()) << n;
  }
  Bytes longer = file;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ParseNpy(longer).ok());
}

// A flipped bit may give another legal file (a digit, a sign), but never one whose size does not
// fit.
TEST(Npy, EveryFlippedHeaderBitIsRefusedOrStillFits) {
  const Bytes file = File(Header("<f4", "(2, 3)"), Raw<float>({1, 2, 3, 4, 5, 6}));
  const std::size_t header = file.size() - 24;
  int refused = 0;
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    Bytes changed = file;
    changed[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const Result<Array> array = ParseNpy(changed);
    refused += array.ok() ? 0 : 1;
    if (!array.ok()) continue;
    std::size_t size = 1;
    for (const std::int64_t n : array->shape) size *= static_cast<std::size_t>(n);
    EXPECT_EQ(size, array->reals.size() + array->integers.size());
  }
  EXPECT_GT(refused, static_cast<int>(header * 8) - 20);
}

TEST(Npy, WritesWhatItReads) {
  const std::pair<ElementType, bool> types[] = {
      {ElementType::kFloat16, true}, {ElementType::kFloat32, true}, {ElementType::kFloat64, true},
      {ElementType::kInt64, false},  {ElementType::kInt32, false},  {ElementType::kInt16, false},
      {ElementType::kInt8, false},   {ElementType::kUInt64, false}, {ElementType::kUInt32, false},
      {ElementType::kUInt16, false}, {ElementType::kUInt8, false},  {ElementType::kBool, false}};
  for (const auto& [element, real] : types) {
    Array array{element, {2, 2}, {}, {}};
    if (real) array.reals = {0, 1, -1.5, 1024};
    if (!real) array.integers = {0, 1, 1, 0};
    const Bytes file = WriteNpy(array);
    EXPECT_EQ(Read(file), array) << graph::ElementName(element);
  }
  const Array narrow{ElementType::kBFloat16, {1}, {1.5}, {}};
  EXPECT_EQ(Read(WriteNpy(narrow)), (Array{ElementType::kFloat32, {1}, {1.5}, {}}));
}

TEST(Npy, WritesTheHeaderThatNumPyWrites) {
  const Bytes file = WriteNpy({ElementType::kFloat32, {2, 1}, {1, 2}, {}});
  const std::string expected = std::string("\x93NUMPY\x01\0\x76\0", 10) +
                               "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
  EXPECT_EQ(AsText(file).substr(0, expected.size()), expected);
  EXPECT_EQ(file.size(), 128u + 8u);
  EXPECT_EQ(AsText(file)[127], '\n');
}

TEST(Npy, ErrorsNameTheFile) {
  const TestFolder folder;
  const auto missing = ReadNpyFile(folder / "a.npy");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(WriteWholeFile(folder / "a.npy", AsBytes("no array"), IfExists::kRefuse).ok());
  const auto array = ReadNpyFile(folder / "a.npy");
  ASSERT_FALSE(array.ok());
  EXPECT_NE(array.error().message().find("a.npy: not a .npy file"), std::string::npos);
}

TEST(Half, EveryHalfIsItself) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double value = FromHalf(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FromHalf(ToHalf(value))));
      continue;
    }
    EXPECT_EQ(ToHalf(value), half);
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(FromHalf(ToHalf(1 + 1.0 / 2048)), 1);               // a tie
  EXPECT_EQ(FromHalf(ToHalf(1 + 3.0 / 2048)), 1 + 2.0 / 1024);  // a tie
  EXPECT_EQ(FromHalf(ToHalf(1 + 1.1 / 2048)), 1 + 1.0 / 1024);
  EXPECT_EQ(FromHalf(ToHalf(2047.9)), 2048);
  EXPECT_EQ(FromHalf(ToHalf(65519)), 65504);
  EXPECT_TRUE(std::isinf(FromHalf(ToHalf(65520))));
  EXPECT_EQ(FromHalf(ToHalf(std::ldexp(1, -25))), 0);
  EXPECT_EQ(FromHalf(ToHalf(std::ldexp(1.01, -25))), std::ldexp(1, -24));
  EXPECT_EQ(RoundToBFloat(1 + 1.0 / 256), 1);
  EXPECT_EQ(RoundToBFloat(1 + 3.0 / 256), 1 + 2.0 / 128);
  EXPECT_TRUE(std::isinf(RoundToBFloat(std::numeric_limits<float>::max())));
  EXPECT_EQ(RoundToBFloat(std::ldexp(1.4, -133)), std::ldexp(1, -133));
}

}  // namespace
}  // namespace anchorhold::client
