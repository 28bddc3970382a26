#include "shared/wire/safetensors.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "shared/base/check.h"
#include "shared/base/limits.h"
#include "shared/wire/json.h"
#include "shared/wire/utf8.h"

namespace anchorhold::wire {
namespace {

constexpr std::size_t kSizeBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

std::size_t ElementBytes(TensorType type) { return type == TensorType::kF32 ? 4 : 8; }

Error Bad(std::string what) { return InvalidInput("safetensors: " + std::move(what)); }

// Names come from the file: bounded and quoted, so that control characters stay escaped.
std::string Named(std::string_view name) {
  constexpr std::size_t kShown = 64;
  if (name.size() <= kShown) return QuoteJson(name);
  std::size_t end = kShown;
  while (end > 0 && !IsUtf8(name.substr(0, end))) --end;
  return QuoteJson(name.substr(0, end)) + "...";
}

Result<TensorType> ParseType(std::string_view dtype) {
  if (dtype == "F32") return TensorType::kF32;
  if (dtype == "I64") return TensorType::kI64;
  return Unsupported("dtype: only F32 and I64 are read");
}

Result<std::vector<std::int64_t>> ParseShape(const JsonValue& entry) {
  AH_ASSIGN_OR_RETURN(const std::span<const JsonValue> items, entry.Array("shape"));
  if (items.size() > limits::kTensorRankMax) {
    return LimitExceeded("shape: more than " + std::to_string(limits::kTensorRankMax) +
                         " dimensions");
  }
  std::vector<std::int64_t> shape;
  for (const JsonValue& item : items) {
    const Result<std::int64_t> size = item.Int64();
    if (!size.ok() || *size < 0) return InvalidInput("shape: dimensions are integers from 0 up");
    shape.push_back(*size);
  }
  return shape;
}

// The number of elements; over the limit is an error, so products never overflow.
Result<std::size_t> CountElements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    if (size == 0) return std::size_t{0};
  }
  for (const std::int64_t size : shape) {
    if (static_cast<std::uint64_t>(size) > limits::kTensorElementsMax / count) {
      return LimitExceeded("shape: more than " + std::to_string(limits::kTensorElementsMax) +
                           " elements");
    }
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

Result<TensorView> ParseTensor(const JsonValue& entry, ByteSpan data) {
  AH_ASSIGN_OR_RETURN(const std::span<const JsonMember> members, entry.Object());
  TensorView tensor;
  AH_ASSIGN_OR_RETURN(const std::string_view dtype, entry.String("dtype"));
  AH_ASSIGN_OR_RETURN(tensor.type, ParseType(dtype));
  AH_ASSIGN_OR_RETURN(tensor.shape, ParseShape(entry));
  AH_ASSIGN_OR_RETURN(const std::size_t elements, CountElements(tensor.shape));
  AH_ASSIGN_OR_RETURN(const std::span<const JsonValue> offsets, entry.Array("data_offsets"));
  if (members.size() != 3) return InvalidInput("unknown keys");
  if (offsets.size() != 2) return InvalidInput("data_offsets: must be [begin, end]");
  AH_ASSIGN_OR_RETURN(const std::int64_t begin, offsets[0].Int64());
  AH_ASSIGN_OR_RETURN(const std::int64_t end, offsets[1].Int64());
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > data.size()) {
    return InvalidInput("data_offsets: outside the data");
  }
  const auto size = static_cast<std::size_t>(end - begin);
  if (size != elements * ElementBytes(tensor.type)) {
    return InvalidInput("data_offsets: " + std::to_string(size) + " bytes do not fit the shape");
  }
  tensor.data = data.subspan(static_cast<std::size_t>(begin), size);
  return tensor;
}

Status ParseMetadata(const JsonValue& value, std::map<std::string, std::string>& out) {
  AH_ASSIGN_OR_RETURN(const std::span<const JsonMember> members, value.Object());
  for (const JsonMember& member : members) {
    AH_ASSIGN_OR_RETURN(const std::string_view text, member.value.String());
    out.emplace(member.key, text);
  }
  return Ok();
}

// Sorts by place and checks that the tensors lie end to end from the first byte to the last.
Status CheckCover(std::vector<TensorView>& tensors, ByteSpan data) {
  const auto begin = [&](const TensorView& t) { return t.data.data() - data.data(); };
  std::sort(tensors.begin(), tensors.end(), [&](const TensorView& a, const TensorView& b) {
    return std::tuple(begin(a), a.data.size(), std::string_view(a.name)) <
           std::tuple(begin(b), b.data.size(), std::string_view(b.name));
  });
  std::size_t covered = 0;
  for (const TensorView& tensor : tensors) {
    if (static_cast<std::size_t>(begin(tensor)) != covered) {
      return Bad("tensor " + Named(tensor.name) + ": a gap or an overlap before its data");
    }
    covered += tensor.data.size();
  }
  if (covered != data.size()) {
    return Bad(std::to_string(data.size() - covered) + " bytes after the last tensor");
  }
  return Ok();
}

std::string HeaderOf(const Safetensors& file) {
  std::string header = "{";
  const auto key = [&](std::string_view name) {
    if (header.size() > 1) header += ",";
    header += QuoteJson(name) + ":";
  };
  if (!file.metadata.empty()) {
    key(kMetadata);
    std::string pairs;
    for (const auto& [name, text] : file.metadata) {
      pairs += (pairs.empty() ? "" : ",") + QuoteJson(name) + ":" + QuoteJson(text);
    }
    header += "{" + pairs + "}";
  }
  std::size_t offset = 0;
  for (const TensorView& tensor : file.tensors) {
    key(tensor.name);
    header += tensor.type == TensorType::kF32 ? R"({"dtype":"F32","shape":[)"
                                              : R"({"dtype":"I64","shape":[)";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      header += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
    }
    header += R"(],"data_offsets":[)" + std::to_string(offset) + ",";
    offset += tensor.data.size();
    header += std::to_string(offset) + "]}";
  }
  header += "}";
  // Spaces, so that the data starts at a multiple of 8.
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

}  // namespace

const TensorView* Safetensors::Find(std::string_view name) const {
  for (const TensorView& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

Result<Safetensors> ParseSafetensors(ByteSpan file) {
  if (file.size() < kSizeBytes) return Bad("truncated before the header");
  std::uint64_t header_bytes = 0;
  for (std::size_t i = kSizeBytes; i-- > 0;) {
    header_bytes = (header_bytes << 8) | std::to_integer<std::uint64_t>(file[i]);
  }
  if (header_bytes > limits::kSafetensorsHeaderBytesMax) {
    return LimitExceeded("safetensors: a header of " + std::to_string(header_bytes) +
                         " bytes; the limit is " +
                         std::to_string(limits::kSafetensorsHeaderBytesMax));
  }
  if (header_bytes > file.size() - kSizeBytes) return Bad("truncated in the header");
  const ByteSpan header = file.subspan(kSizeBytes, header_bytes);
  const ByteSpan data = file.subspan(kSizeBytes + header_bytes);
  if (header.empty() || header[0] != std::byte{'{'}) return Bad("the header must start with {");
  Result<JsonValue> json = ParseJson(header, limits::kSafetensorsHeaderBytesMax);
  if (!json.ok()) return json.error().At("safetensors: header");
  AH_ASSIGN_OR_RETURN(const std::span<const JsonMember> members, json->Object());
  if (members.size() > limits::kTensorsMax) {
    return LimitExceeded("safetensors: more than " + std::to_string(limits::kTensorsMax) +
                         " tensors");
  }
  Safetensors out;
  for (const JsonMember& member : members) {
    if (member.key == kMetadata) {
      const Status status = ParseMetadata(member.value, out.metadata);
      if (!status.ok()) return status.error().At("safetensors: __metadata__");
      continue;
    }
    Result<TensorView> tensor = ParseTensor(member.value, data);
    if (!tensor.ok()) return tensor.error().At("safetensors: tensor " + Named(member.key));
    tensor->name = member.key;
    out.tensors.push_back(std::move(tensor).value());
  }
  AH_RETURN_IF_ERROR(CheckCover(out.tensors, data));
  return out;
}

Bytes WriteSafetensors(const Safetensors& tensors) {
  std::set<std::string_view> names = {kMetadata};
  std::size_t data_bytes = 0;
  for (const TensorView& tensor : tensors.tensors) {
    AH_CHECK(names.insert(tensor.name).second);
    std::uint64_t elements = 1;
    for (const std::int64_t size : tensor.shape) elements *= static_cast<std::uint64_t>(size);
    AH_CHECK(elements * ElementBytes(tensor.type) == tensor.data.size());
    data_bytes += tensor.data.size();
  }
  const std::string header = HeaderOf(tensors);
  Bytes out;
  out.reserve(kSizeBytes + header.size() + data_bytes);
  for (std::size_t i = 0; i < kSizeBytes; ++i) {
    out.push_back(static_cast<std::byte>((std::uint64_t{header.size()} >> (8 * i)) & 0xff));
  }
  AppendBytes(out, AsBytes(header));
  for (const TensorView& tensor : tensors.tensors) AppendBytes(out, tensor.data);
  return out;
}

}  // namespace anchorhold::wire
