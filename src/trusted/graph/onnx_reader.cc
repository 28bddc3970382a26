#include "trusted/graph/onnx_reader.h"

#include <google/protobuf/io/coded_stream.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "shared/base/limits.h"
#include "trusted/graph/names.h"
#include "trusted/graph/operators.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::graph {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr int kNestingMax = 32;               // messages within messages
constexpr std::size_t kItemsMax = 4'000'000;  // strings and messages, each a small allocation
static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// The messages of onnx.proto, as far as counting what they hold needs. A leaf holds nothing that
// repeats as a message of its own.
enum class Kind {
  kModel,
  kGraph,
  kNode,
  kAttribute,
  kTensor,
  kValueInfo,
  kType,
  kTensorType,
  kShape,
  kFunction,
  kLeaf
};

struct Edge {
  Kind parent;
  int field;
  Kind child;
};
constexpr Edge kEdges[] = {
    {Kind::kModel, 7, Kind::kGraph},         {Kind::kGraph, 1, Kind::kNode},
    {Kind::kGraph, 5, Kind::kTensor},        {Kind::kGraph, 11, Kind::kValueInfo},
    {Kind::kGraph, 12, Kind::kValueInfo},    {Kind::kGraph, 13, Kind::kValueInfo},
    {Kind::kNode, 5, Kind::kAttribute},      {Kind::kAttribute, 5, Kind::kTensor},
    {Kind::kAttribute, 6, Kind::kGraph},     {Kind::kAttribute, 10, Kind::kTensor},
    {Kind::kAttribute, 11, Kind::kGraph},    {Kind::kValueInfo, 2, Kind::kType},
    {Kind::kType, 1, Kind::kTensorType},     {Kind::kTensorType, 2, Kind::kShape},
    {Kind::kModel, 25, Kind::kFunction},     {Kind::kFunction, 7, Kind::kNode},
    {Kind::kFunction, 11, Kind::kAttribute},  // since IR version 9; kept as an unknown field
};

Kind ChildKind(Kind parent, int field) {
  for (const Edge& edge : kEdges) {
    if (edge.parent == parent && edge.field == field) return edge.child;
  }
  return Kind::kLeaf;
}

// Parts of a model that are refused before anything is built from them.
struct RefusedPart {
  Kind parent;
  int field;
  const char* why;
  bool if_empty = true;  // whether being there is enough
};
constexpr RefusedPart kRefusedParts[] = {
    {Kind::kModel, 20,
     "the model has training_info; export the inference graph, from which the enclave derives "
     "training itself"},
    {Kind::kNode, 8, "a node calls an overload of a function; inline functions before export",
     false},
    {Kind::kFunction, 13, "a function is an overload; inline functions before export", false},
    {Kind::kGraph, 14, "the model has quantization annotations; export the float32 model"},
    {Kind::kGraph, 15, "the model has sparse initializers; store them densely"},
    {Kind::kAttribute, 15, "an attribute holds types"},
    {Kind::kAttribute, 22, "an attribute holds a sparse tensor; store it densely"},
    {Kind::kAttribute, 23, "an attribute holds sparse tensors; store them densely"},
};

// A message of two bytes becomes an object of a hundred and more. So the file is walked once,
// without building anything, to count what parsing would build.
class Census {
 public:
  // Whether the message, which ends at the stream's limit, is well-formed and within the limits.
  bool Count(CodedInputStream& in, Kind kind, int depth) {
    if (depth > kNestingMax) return false;
    while (const std::uint32_t tag = in.ReadTag()) {
      if (!CountField(in, kind, depth, tag)) return false;
    }
    return in.ConsumedEntireMessage();
  }
  std::size_t items() const { return items_; }
  std::size_t nodes() const { return nodes_; }
  const char* refusal() const { return refusal_; }  // or nullptr

 private:
  bool CountField(CodedInputStream& in, Kind kind, int depth, std::uint32_t tag) {
    std::uint64_t varint = 0;
    std::uint32_t fixed32 = 0;
    switch (tag & 7) {
      case 0:
        return in.ReadVarint64(&varint);
      case 1:
        return in.ReadLittleEndian64(&varint);
      case 5:
        return in.ReadLittleEndian32(&fixed32);
      case 2:
        break;
      default:
        return false;  // groups; ONNX has none
    }
    int length = 0;
    if (!in.ReadVarintSizeAsInt(&length) || ++items_ > kItemsMax) return false;
    const int field = static_cast<int>(tag >> 3);
    for (const RefusedPart& part : kRefusedParts) {
      if (part.parent == kind && part.field == field && (part.if_empty || length > 0)) {
        refusal_ = part.why;
        return false;
      }
    }
    const Kind child = ChildKind(kind, field);
    if (child == Kind::kNode && ++nodes_ > limits::kGraphNodesMax) return false;
    if (child == Kind::kLeaf) return in.Skip(length);
    const CodedInputStream::Limit limit = in.PushLimit(length);
    const bool ok = in.BytesUntilLimit() == length && Count(in, child, depth + 1);
    in.PopLimit(limit);
    return ok;
  }

  std::size_t items_ = 0;
  std::size_t nodes_ = 0;
  const char* refusal_ = nullptr;
};

CodedInputStream Stream(ByteSpan bytes) {
  return CodedInputStream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
}

Status CheckCensus(ByteSpan bytes) {
  Census census;
  CodedInputStream in = Stream(bytes);
  if (census.Count(in, Kind::kModel, 0)) return Ok();
  if (census.refusal() != nullptr) return Unsupported(census.refusal());
  if (census.nodes() > limits::kGraphNodesMax) {
    return LimitExceeded("the model has more than " + std::to_string(limits::kGraphNodesMax) +
                         " nodes");
  }
  if (census.items() > kItemsMax) {
    return LimitExceeded("the model has more than " + std::to_string(kItemsMax) + " parts");
  }
  return InvalidInput("not an ONNX model, or a damaged one: its bytes are no protobuf message");
}

// Values are stored either as raw little-endian bytes or in the typed field.
template <typename Stored, typename Field, typename Out>
Status ReadValues(const onnx::TensorProto& tensor, const Field& field, std::size_t count,
                  std::vector<Out>& out) {
  if (tensor.has_raw_data()) {
    const std::string& raw = tensor.raw_data();
    if (field.size() != 0 || raw.size() != count * sizeof(Stored)) {
      return InvalidInput("tensor " + Quoted(tensor.name()) + " has " + std::to_string(raw.size()) +
                          " bytes of data; its shape needs " +
                          std::to_string(count * sizeof(Stored)));
    }
    out.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      Stored value;
      std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
      out[i] = static_cast<Out>(value);
    }
    return Ok();
  }
  if (static_cast<std::size_t>(field.size()) != count) {
    return InvalidInput("tensor " + Quoted(tensor.name()) + " has " + std::to_string(field.size()) +
                        " values; its shape needs " + std::to_string(count));
  }
  out.assign(field.begin(), field.end());
  return Ok();
}

// Number of elements. The empty list is allowed: exporters write it for "no axes".
Result<std::size_t> LiteralSize(const Shape& shape) {
  if (shape == Shape{0}) return std::size_t{0};
  return CheckedElementCount(shape);
}

// IEEE 754 binary16.
float FromHalf(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -magnitude : magnitude;
}

// The upper half of a float32.
float FromBFloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// 16-bit floats: raw, or one in each int32.
Status ReadHalves(const onnx::TensorProto& tensor, std::size_t count,
                  float (*convert)(std::uint16_t), std::vector<float>& out) {
  std::vector<std::uint16_t> bits;
  AH_RETURN_IF_ERROR(ReadValues<std::uint16_t>(tensor, tensor.int32_data(), count, bits));
  for (const std::uint16_t half : bits) out.push_back(convert(half));
  return Ok();
}

template <typename Stored>
Status ReadSmall(const onnx::TensorProto& tensor, std::size_t count,
                 std::vector<std::int64_t>& out) {
  return ReadValues<Stored>(tensor, tensor.int32_data(), count, out);
}

Status ReadNumbers(const onnx::TensorProto& tensor, std::size_t count, TensorLiteral& out) {
  switch (out.element) {
    case ElementType::kFloat32:
      return ReadValues<float>(tensor, tensor.float_data(), count, out.reals);
    case ElementType::kFloat64:
      return ReadValues<double>(tensor, tensor.double_data(), count, out.reals);
    case ElementType::kFloat16:
      return ReadHalves(tensor, count, &FromHalf, out.reals);
    case ElementType::kBFloat16:
      return ReadHalves(tensor, count, &FromBFloat, out.reals);
    case ElementType::kInt64:
      return ReadValues<std::int64_t>(tensor, tensor.int64_data(), count, out.integers);
    case ElementType::kInt32:
      return ReadSmall<std::int32_t>(tensor, count, out.integers);
    case ElementType::kInt16:
      return ReadSmall<std::int16_t>(tensor, count, out.integers);
    case ElementType::kInt8:
      return ReadSmall<std::int8_t>(tensor, count, out.integers);
    case ElementType::kUInt16:
      return ReadSmall<std::uint16_t>(tensor, count, out.integers);
    case ElementType::kUInt8:
    case ElementType::kBool:
      return ReadSmall<std::uint8_t>(tensor, count, out.integers);
    case ElementType::kUInt32:
      return ReadValues<std::uint32_t>(tensor, tensor.uint64_data(), count, out.integers);
    case ElementType::kUInt64:
      return ReadValues<std::uint64_t>(tensor, tensor.uint64_data(), count, out.integers);
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<onnx::ModelProto>> ReadOnnx(ByteSpan bytes) {
  if (bytes.size() > limits::kModelBytesMax) {
    return LimitExceeded("the model has " + std::to_string(bytes.size()) + " bytes; at most " +
                         std::to_string(limits::kModelBytesMax) + " are accepted");
  }
  AH_RETURN_IF_ERROR(CheckCensus(bytes));
  auto model = std::make_unique<onnx::ModelProto>();
  CodedInputStream in = Stream(bytes);
  in.SetRecursionLimit(kNestingMax);
  in.SetTotalBytesLimit(static_cast<int>(limits::kModelBytesMax));
  if (!model->ParseFromCodedStream(&in) || !in.ConsumedEntireMessage()) {
    return InvalidInput("not an ONNX model, or a damaged one: its messages do not parse");
  }
  if (!model->has_graph()) return InvalidInput("not an ONNX model: it has no graph");
  return model;
}

bool IsDefaultDomain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

Result<int> DefaultOpset(const OpsetImports& imports) {
  std::int64_t opset = 0;
  for (const onnx::OperatorSetIdProto& entry : imports) {
    if (!IsDefaultDomain(entry.domain())) continue;
    if (opset != 0) return InvalidInput("the model imports the default operator set twice");
    opset = entry.version();
    if (opset < kOpsetMin || opset > kOpsetMax) {
      return Unsupported("the model uses opset " + std::to_string(opset) + "; supported are " +
                         std::to_string(kOpsetMin) + " to " + std::to_string(kOpsetMax) +
                         "; export it again with one of these");
    }
  }
  if (opset != 0) return static_cast<int>(opset);
  for (const onnx::OperatorSetIdProto& entry : imports) {
    if (entry.domain() == kTrainingDomain) return kOpsetMax;  // a step of an optimiser, alone
  }
  return InvalidInput("the model does not say which opset it uses");
}

Result<ElementType> ElementOf(std::int32_t onnx_type) {
  using Onnx = onnx::TensorProto;
  constexpr std::pair<std::int32_t, ElementType> kTypes[] = {
      {Onnx::FLOAT, ElementType::kFloat32},     {Onnx::FLOAT16, ElementType::kFloat16},
      {Onnx::BFLOAT16, ElementType::kBFloat16}, {Onnx::DOUBLE, ElementType::kFloat64},
      {Onnx::INT64, ElementType::kInt64},       {Onnx::INT32, ElementType::kInt32},
      {Onnx::INT16, ElementType::kInt16},       {Onnx::INT8, ElementType::kInt8},
      {Onnx::UINT64, ElementType::kUInt64},     {Onnx::UINT32, ElementType::kUInt32},
      {Onnx::UINT16, ElementType::kUInt16},     {Onnx::UINT8, ElementType::kUInt8},
      {Onnx::BOOL, ElementType::kBool},
  };
  for (const auto& [onnx, element] : kTypes) {
    if (onnx == onnx_type) return element;
  }
  return Unsupported("ONNX element type " + std::to_string(onnx_type) +
                     " is not supported: real numbers, integers and bool are");
}

ConstantData TensorLiteral::Share() && {
  if (IsReal(element)) {
    return {.reals = std::make_shared<const std::vector<float>>(std::move(reals)), .integers = {}};
  }
  return {.reals = {},
          .integers = std::make_shared<const std::vector<std::int64_t>>(std::move(integers))};
}

Result<TensorLiteral> ReadTensor(const onnx::TensorProto& tensor) {
  const std::string where = "tensor " + Quoted(tensor.name());
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0) {
    return Unsupported(where + " keeps its data in another file; save the model as one file");
  }
  if (tensor.has_segment()) return Unsupported(where + " is stored in segments");
  TensorLiteral literal;
  const Result<ElementType> element = ElementOf(tensor.data_type());
  if (!element.ok()) return element.error().At(where);
  literal.element = *element;
  literal.shape.assign(tensor.dims().begin(), tensor.dims().end());
  const Result<std::size_t> size = LiteralSize(literal.shape);
  if (!size.ok()) return size.error().At(where);
  AH_RETURN_IF_ERROR(ReadNumbers(tensor, *size, literal));
  if (literal.element == ElementType::kBool) {
    for (std::int64_t& value : literal.integers) value = value != 0 ? 1 : 0;
  }
  return literal;
}

}  // namespace anchorhold::graph
