#include "shared/wire/cbor.h"

#include <algorithm>
#include <limits>

#include "shared/wire/utf8.h"

namespace anchorhold::wire {
namespace {

constexpr std::uint8_t kIndefinite = 31;
constexpr std::uint8_t kFalse = 20;
constexpr std::uint8_t kTrue = 21;
constexpr std::uint8_t kNull = 22;
constexpr std::byte kBreak{0xff};

Error WrongType(std::string_view wanted) {
  return InvalidInput("CBOR: a value that is not " + std::string(wanted));
}

}  // namespace

// Goes over the bytes once; the depth is bounded, so it may call itself.
class CborParser {
 public:
  explicit CborParser(ByteSpan bytes) : bytes_(bytes) {}

  Result<CborValue> ParseDocument() {
    AH_ASSIGN_OR_RETURN(CborValue value, ParseValue(0));
    if (at_ != bytes_.size()) return Fail("bytes after the value");
    return value;
  }

 private:
  struct Head {
    std::uint8_t major = 0;
    std::uint8_t info = 0;
    std::uint64_t argument = 0;
  };

  Error Fail(const std::string& what) const {
    return InvalidInput("CBOR: at byte " + std::to_string(at_) + ": " + what);
  }
  std::size_t remaining() const { return bytes_.size() - at_; }

  Result<Head> ReadHead() {
    if (remaining() == 0) return Fail("it ends too early");
    const auto first = std::to_integer<std::uint8_t>(bytes_[at_]);
    Head head{.major = static_cast<std::uint8_t>(first >> 5),
              .info = static_cast<std::uint8_t>(first & 31)};
    ++at_;
    if (head.info < 24) head.argument = head.info;
    if (head.info < 24 || head.info == kIndefinite) return head;
    if (head.info > 27) return Fail("a reserved length");
    const std::size_t size = std::size_t{1} << (head.info - 24);
    if (remaining() < size) return Fail("it ends too early");
    for (std::size_t i = 0; i < size; ++i) {
      head.argument = head.argument << 8 | std::to_integer<std::uint64_t>(bytes_[at_ + i]);
    }
    // The shortest form that holds it: otherwise there are several texts for one value.
    const std::uint64_t shorter_max =
        size == 1 ? 23 : std::numeric_limits<std::uint64_t>::max() >> (64 - 4 * size);
    if (head.argument <= shorter_max) return Fail("a number that is not in its shortest form");
    at_ += size;
    return head;
  }

  Result<CborValue> ParseValue(std::size_t depth) {
    if (++items_ > kCborItemsMax) {
      return LimitExceeded("CBOR: more than " + std::to_string(kCborItemsMax) + " values");
    }
    if (depth > kCborDepthMax) {
      return LimitExceeded("CBOR: nested more than " + std::to_string(kCborDepthMax) + " deep");
    }
    AH_ASSIGN_OR_RETURN(const Head head, ReadHead());
    if (head.info == kIndefinite && head.major != 4 && head.major != 5) {
      return Fail("a length or a simple value that is not accepted here");
    }
    switch (head.major) {
      case 0:
      case 1:
        return Integer(head);
      case 2:
      case 3:
        return String(head);
      case 4:
        return Array(head, depth);
      case 5:
        return Map(head, depth);
      case 6:
        return Tag(head, depth);
      default:
        return Simple(head);
    }
  }

  static CborValue Integer(const Head& head) {
    CborValue out;
    out.type_ = head.major == 0 ? CborType::kUnsigned : CborType::kNegative;
    out.number_ = head.argument;
    return out;
  }

  Result<CborValue> String(const Head& head) {
    if (head.argument > remaining()) return Fail("a string longer than what is left");
    CborValue out;
    out.type_ = head.major == 2 ? CborType::kBytes : CborType::kText;
    out.string_ = bytes_.subspan(at_, static_cast<std::size_t>(head.argument));
    if (head.major == 3 && !IsUtf8(AsText(out.string_))) return Fail("text that is no UTF-8");
    at_ += out.string_.size();
    return out;
  }

  // Whether another item follows, after `done` of them; steps over the break of those of indefinite
  // length.
  bool HasNext(const Head& head, std::uint64_t done) {
    if (head.info != kIndefinite) return done < head.argument;
    if (remaining() == 0 || bytes_[at_] != kBreak) return true;
    ++at_;
    return false;
  }

  Result<CborValue> Array(const Head& head, std::size_t depth) {
    CborValue out;
    out.type_ = CborType::kArray;
    while (HasNext(head, out.items_.size())) {
      AH_ASSIGN_OR_RETURN(CborValue item, ParseValue(depth + 1));
      out.items_.push_back(std::move(item));
    }
    return out;
  }

  Result<CborValue> Map(const Head& head, std::size_t depth) {
    CborValue out;
    out.type_ = CborType::kMap;
    while (HasNext(head, out.members_.size())) {
      AH_ASSIGN_OR_RETURN(CborValue key, ParseValue(depth + 1));
      if (key.type_ != CborType::kUnsigned && key.type_ != CborType::kNegative &&
          key.type_ != CborType::kText) {
        return Fail("a key that is neither a number nor text");
      }
      AH_ASSIGN_OR_RETURN(CborValue value, ParseValue(depth + 1));
      out.members_.push_back({std::move(key), std::move(value)});
    }
    if (HasDuplicates(out.members_)) return Fail("a map with a key that is there twice");
    return out;
  }

  static bool HasDuplicates(const std::vector<CborMember>& members) {
    std::vector<const CborValue*> keys;
    for (const CborMember& member : members) keys.push_back(&member.key);
    const auto less = [](const CborValue* a, const CborValue* b) {
      if (a->type_ != b->type_) return a->type_ < b->type_;
      if (a->number_ != b->number_) return a->number_ < b->number_;
      return AsText(a->string_) < AsText(b->string_);
    };
    std::sort(keys.begin(), keys.end(), less);
    return std::adjacent_find(keys.begin(), keys.end(), [&](const auto* a, const auto* b) {
             return !less(a, b);
           }) != keys.end();
  }

  Result<CborValue> Tag(const Head& head, std::size_t depth) {
    CborValue out;
    out.type_ = CborType::kTag;
    out.number_ = head.argument;
    AH_ASSIGN_OR_RETURN(CborValue item, ParseValue(depth + 1));
    out.items_.push_back(std::move(item));
    return out;
  }

  Result<CborValue> Simple(const Head& head) {
    CborValue out;
    if (head.info == kNull) return out;
    if (head.info != kFalse && head.info != kTrue) {
      return Fail("a floating-point number or simple value");
    }
    out.type_ = CborType::kBool;
    out.number_ = head.info == kTrue ? 1 : 0;
    return out;
  }

  ByteSpan bytes_;
  std::size_t at_ = 0;
  std::size_t items_ = 0;
};

Result<std::uint64_t> CborValue::Unsigned() const {
  if (type_ != CborType::kUnsigned) return WrongType("an unsigned number");
  return number_;
}

Result<std::int64_t> CborValue::Int64() const {
  if (type_ != CborType::kUnsigned && type_ != CborType::kNegative) return WrongType("a number");
  if (number_ > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return InvalidInput("CBOR: a number that is too large");
  }
  const auto magnitude = static_cast<std::int64_t>(number_);
  return type_ == CborType::kUnsigned ? magnitude : -1 - magnitude;
}

Result<bool> CborValue::Bool() const {
  if (type_ != CborType::kBool) return WrongType("true or false");
  return number_ != 0;
}

Result<ByteSpan> CborValue::ByteString() const {
  if (type_ != CborType::kBytes) return WrongType("a byte string");
  return string_;
}

Result<std::string_view> CborValue::Text() const {
  if (type_ != CborType::kText) return WrongType("text");
  return AsText(string_);
}

Result<std::span<const CborValue>> CborValue::Array() const {
  if (type_ != CborType::kArray) return WrongType("an array");
  return std::span<const CborValue>(items_);
}

Result<std::span<const CborMember>> CborValue::Map() const {
  if (type_ != CborType::kMap) return WrongType("a map");
  return std::span<const CborMember>(members_);
}

std::uint64_t CborValue::tag() const {
  AH_CHECK(type_ == CborType::kTag);
  return number_;
}

const CborValue& CborValue::tagged() const {
  AH_CHECK(type_ == CborType::kTag);
  return items_.front();
}

const CborValue* CborValue::Find(std::string_view key) const {
  for (const CborMember& member : members_) {
    if (member.key.type_ == CborType::kText && AsText(member.key.string_) == key) {
      return &member.value;
    }
  }
  return nullptr;
}

Result<const CborValue*> CborValue::Member(std::string_view key) const {
  const CborValue* const found = Find(key);
  if (found == nullptr) return InvalidInput("CBOR: '" + std::string(key) + "' is missing");
  return found;
}

Result<CborValue> ParseCbor(ByteSpan bytes, std::size_t max_bytes) {
  if (bytes.size() > max_bytes) {
    return LimitExceeded("CBOR: more than " + std::to_string(max_bytes) + " bytes");
  }
  return CborParser(bytes).ParseDocument();
}

void AppendCborHead(Bytes& out, CborMajor major, std::uint64_t argument) {
  const auto first = static_cast<unsigned>(major) << 5;
  if (argument < 24) {
    out.push_back(static_cast<std::byte>(first | static_cast<unsigned>(argument)));
    return;
  }
  unsigned log_size = 0;  // of the argument's bytes
  while (log_size < 3 && argument >> (8u << log_size) != 0) ++log_size;
  out.push_back(static_cast<std::byte>(first | (24 + log_size)));
  for (unsigned i = 1u << log_size; i-- > 0;) {
    out.push_back(static_cast<std::byte>(argument >> (8 * i)));
  }
}

void AppendCborBytes(Bytes& out, ByteSpan bytes) {
  AppendCborHead(out, CborMajor::kBytes, bytes.size());
  AppendBytes(out, bytes);
}

void AppendCborText(Bytes& out, std::string_view text) {
  AppendCborHead(out, CborMajor::kText, text.size());
  AppendBytes(out, AsBytes(text));
}

}  // namespace anchorhold::wire
