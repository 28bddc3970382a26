// A small strict CBOR reader (RFC 8949) for signed documents of others. It accepts integers, byte
// strings, text, arrays, maps, tags, booleans and null, and refuses what readers are known to
// disagree on: lengths and numbers that are not in their shortest form, strings in pieces, text
// that is no UTF-8, a key that is there twice, anything after the value. Arrays and maps may be of
// indefinite length, because real documents have such. Floating point and the other simple values
// are refused. Depth and number of items are bounded; nothing is allocated for what a length
// promises, only for items that are there.
//
//   AH_ASSIGN_OR_RETURN(const CborValue document, ParseCbor(bytes, kDocumentBytesMax));
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::wire {

inline constexpr std::size_t kCborDepthMax = 16;    // arrays, maps and tags inside each other
inline constexpr std::size_t kCborItemsMax = 4096;  // values in one document, keys included

enum class CborType { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kBool, kNull };
struct CborMember;

// Strings point into the bytes that were parsed, which must outlive the value.
class CborValue {
 public:
  CborType type() const { return type_; }
  bool IsNull() const { return type_ == CborType::kNull; }

  // kInvalidInput if the value has another type, or does not fit.
  Result<std::uint64_t> Unsigned() const;
  Result<std::int64_t> Int64() const;  // of either sign
  Result<bool> Bool() const;
  Result<ByteSpan> ByteString() const;
  Result<std::string_view> Text() const;
  Result<std::span<const CborValue>> Array() const;
  Result<std::span<const CborMember>> Map() const;  // in the order of the bytes; keys are unique

  // Of a tag. Precondition: the type.
  std::uint64_t tag() const;
  const CborValue& tagged() const;

  // The member of that name; null if there is none or this is no map.
  const CborValue* Find(std::string_view key) const;
  // The same, but kInvalidInput naming the key if there is none.
  Result<const CborValue*> Member(std::string_view key) const;

 private:
  friend class CborParser;
  CborType type_ = CborType::kNull;
  std::uint64_t number_ = 0;  // of kNegative: the value is -1 - number_
  ByteSpan string_;
  std::vector<CborValue> items_;
  std::vector<CborMember> members_;
};

struct CborMember {
  CborValue key;  // an integer or text
  CborValue value;
};

// Exactly one value. kLimitExceeded for more than `max_bytes`, kInvalidInput with the position of
// what is wrong.
Result<CborValue> ParseCbor(ByteSpan bytes, std::size_t max_bytes);

// The first byte of an item and its argument, in the shortest form: a whole integer, or what stands
// before a string's bytes or the items of an array, map or tag.
enum class CborMajor : std::uint8_t {
  kUnsigned = 0,
  kNegative = 1,
  kBytes = 2,
  kText = 3,
  kArray = 4,
  kMap = 5,
  kTag = 6,
};
void AppendCborHead(Bytes& out, CborMajor major, std::uint64_t argument);
// A whole byte string, or text.
void AppendCborBytes(Bytes& out, ByteSpan bytes);
void AppendCborText(Bytes& out, std::string_view text);

}  // namespace anchorhold::wire
