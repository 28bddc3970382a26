#include "client/core/npy.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "client/core/files.h"
#include "client/core/half.h"
#include "client/core/npy_header.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::client {
namespace {

using graph::ElementType;

static_assert(std::endian::native == std::endian::little, ".npy data is little-endian");

// Element i of the data, which is not aligned.
template <typename Stored>
Stored Load(ByteSpan data, std::size_t i) {
  Stored value;
  std::memcpy(&value, data.data() + i * sizeof(Stored), sizeof(Stored));
  return value;
}

// The place in the file of element i in C order, for each i in turn: in Fortran order the first
// axis runs fastest.
class Order {
 public:
  Order(const graph::Shape& shape, bool fortran) : shape_(shape), index_(shape.size()) {
    std::size_t stride = 1;
    for (std::size_t k = 0; k < shape.size(); ++k) {
      const std::size_t axis = fortran ? k : shape.size() - 1 - k;
      strides_.resize(shape.size());
      strides_[axis] = stride;
      stride *= static_cast<std::size_t>(shape[axis]);
    }
  }
  std::size_t Next() {
    const std::size_t here = at_;
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      at_ += strides_[axis];
      if (++index_[axis] < shape_[axis]) break;
      at_ -= strides_[axis] * static_cast<std::size_t>(shape_[axis]);
      index_[axis] = 0;
    }
    return here;
  }

 private:
  const graph::Shape& shape_;
  graph::Shape index_;
  std::vector<std::size_t> strides_;
  std::size_t at_ = 0;
};

template <typename Stored>
void ReadIntegers(ByteSpan data, const NpyHeader& header, Array& out) {
  Order order(out.shape, header.fortran_order);
  for (std::int64_t& value : out.integers) {
    value = static_cast<std::int64_t>(Load<Stored>(data, order.Next()));
  }
}

template <typename Stored>
void ReadReals(ByteSpan data, const NpyHeader& header, Array& out) {
  Order order(out.shape, header.fortran_order);
  for (double& value : out.reals) {
    const Stored stored = Load<Stored>(data, order.Next());
    if constexpr (sizeof(Stored) == 2) {
      value = FromHalf(stored);
    } else {
      value = stored;
    }
  }
}

Status ReadTruths(ByteSpan data, const NpyHeader& header, Array& out) {
  ReadIntegers<std::uint8_t>(data, header, out);
  for (const std::int64_t value : out.integers) {
    if (value > 1) return InvalidInput("holds a truth value that is neither 0 nor 1");
  }
  return Ok();
}

Status ReadData(ByteSpan data, const NpyHeader& header, Array& out) {
  switch (header.element) {
    case ElementType::kFloat16:
      ReadReals<std::uint16_t>(data, header, out);
      break;
    case ElementType::kFloat32:
      ReadReals<float>(data, header, out);
      break;
    case ElementType::kFloat64:
      ReadReals<double>(data, header, out);
      break;
    case ElementType::kInt8:
      ReadIntegers<std::int8_t>(data, header, out);
      break;
    case ElementType::kInt16:
      ReadIntegers<std::int16_t>(data, header, out);
      break;
    case ElementType::kInt32:
      ReadIntegers<std::int32_t>(data, header, out);
      break;
    case ElementType::kInt64:
      ReadIntegers<std::int64_t>(data, header, out);
      break;
    case ElementType::kUInt8:
      ReadIntegers<std::uint8_t>(data, header, out);
      break;
    case ElementType::kUInt16:
      ReadIntegers<std::uint16_t>(data, header, out);
      break;
    case ElementType::kUInt32:
      ReadIntegers<std::uint32_t>(data, header, out);
      break;
    case ElementType::kUInt64:
      ReadIntegers<std::uint64_t>(data, header, out);
      break;
    case ElementType::kBool:
      return ReadTruths(data, header, out);
    case ElementType::kBFloat16:
      AH_CHECK(false);  // no descr means it
  }
  return Ok();
}

template <typename Stored, typename Number>
void Append(Bytes& out, const std::vector<Number>& numbers) {
  std::size_t at = out.size();
  out.resize(at + numbers.size() * sizeof(Stored));
  for (const Number number : numbers) {
    Stored stored;
    if constexpr (sizeof(Stored) == 2 && std::is_same_v<Number, double>) {
      stored = ToHalf(number);
    } else {
      stored = static_cast<Stored>(number);
    }
    std::memcpy(out.data() + at, &stored, sizeof stored);
    at += sizeof stored;
  }
}

void AppendData(Bytes& out, const Array& array) {
  switch (array.element) {
    case ElementType::kFloat16:
      return Append<std::uint16_t>(out, array.reals);
    case ElementType::kFloat32:
    case ElementType::kBFloat16:
      return Append<float>(out, array.reals);
    case ElementType::kFloat64:
      return Append<double>(out, array.reals);
    case ElementType::kInt8:
    case ElementType::kUInt8:
    case ElementType::kBool:
      return Append<std::uint8_t>(out, array.integers);
    case ElementType::kInt16:
    case ElementType::kUInt16:
      return Append<std::uint16_t>(out, array.integers);
    case ElementType::kInt32:
    case ElementType::kUInt32:
      return Append<std::uint32_t>(out, array.integers);
    case ElementType::kInt64:
    case ElementType::kUInt64:
      return Append<std::uint64_t>(out, array.integers);
  }
}

}  // namespace

Result<Array> ParseNpy(ByteSpan file) {
  AH_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(file));
  const ByteSpan data = file.subspan(header.data_begin);
  std::size_t count = 1;
  if (header.shape.size() > limits::kTensorRankMax) {
    return LimitExceeded("has " + std::to_string(header.shape.size()) + " axes; at most " +
                         std::to_string(limits::kTensorRankMax) + " are accepted");
  }
  for (const std::int64_t size : header.shape) {
    const auto n = static_cast<std::size_t>(size);
    if (n != 0 && count > limits::kTensorElementsMax / n) {
      return LimitExceeded("has more than " + std::to_string(limits::kTensorElementsMax) +
                           " numbers");
    }
    count *= n;
  }
  if (data.size() != count * header.width) {
    return InvalidInput("holds " + std::to_string(data.size()) +
                        " bytes of data; its shape needs " + std::to_string(count * header.width) +
                        ": the file is damaged");
  }
  Array array;
  array.element = header.element;
  array.shape = header.shape;
  if (graph::IsReal(array.element)) {
    array.reals.resize(count);
  } else {
    array.integers.resize(count);
  }
  AH_RETURN_IF_ERROR(ReadData(data, header, array));
  return array;
}

Result<Array> ReadNpyFile(const std::string& path) {
  AH_ASSIGN_OR_RETURN(const Bytes file, ReadWholeFile(path, kNpyBytesMax));
  Result<Array> array = ParseNpy(file);
  if (!array.ok()) return array.error().At(path);
  return array;
}

Bytes WriteNpy(const Array& array) {
  Bytes out = NpyHeaderBytes(array.element, array.shape);
  AppendData(out, array);
  return out;
}

}  // namespace anchorhold::client
