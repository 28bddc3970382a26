#include "shared/attest/claims.h"

#include <algorithm>

#include "shared/wire/json.h"
#include "shared/wire/utf8.h"

namespace anchorhold::attest {

Claim::Claim(Type type, std::string text) : type_(type), text_(std::move(text)) {}

Claim Claim::Null() { return Claim(Type::kNull, ""); }
Claim Claim::Bool(bool value) { return Claim(Type::kBool, value ? "true" : "false"); }
Claim Claim::Number(std::uint64_t value) { return Claim(Type::kNumber, std::to_string(value)); }
Claim Claim::SignedNumber(std::int64_t value) {
  return Claim(Type::kNumber, std::to_string(value));
}
Claim Claim::Hex(ByteSpan bytes) { return Text(ToHex(bytes)); }
Claim Claim::List() { return Claim(Type::kList, ""); }
Claim Claim::Map() { return Claim(Type::kMap, ""); }

Claim Claim::Text(std::string_view text) {
  if (wire::IsUtf8(text)) return Claim(Type::kText, std::string(text));
  return Claim(Type::kText, "0x" + ToHex(AsBytes(text)));
}

Claim Claim::HexNumber(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[value & 15];
  }
  return Claim(Type::kText, "0x" + text);
}

Claim& Claim::Add(Claim item) {
  AH_CHECK(type_ == Type::kList);
  items_.push_back(std::move(item));
  return *this;
}

Claim& Claim::Add(std::string_view name, Claim value) {
  AH_CHECK(type_ == Type::kMap);
  AH_CHECK(Find(name) == nullptr);
  members_.push_back({std::string(name), std::move(value)});
  return *this;
}

const Claim* Claim::Find(std::string_view name) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const NamedClaim& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &found->value;
}

std::string Claim::ToJson() const {
  switch (type_) {
    case Type::kNull:
      return "null";
    case Type::kBool:
    case Type::kNumber:
      return text_;
    case Type::kText:
      return wire::QuoteJson(text_);
    case Type::kList: {
      std::string out = "[";
      for (const Claim& item : items_) out += (out.size() > 1 ? "," : "") + item.ToJson();
      return out + "]";
    }
    case Type::kMap: {
      std::string out = "{";
      for (const NamedClaim& member : members_) {
        out += (out.size() > 1 ? "," : "") + wire::QuoteJson(member.name) + ":" +
               member.value.ToJson();
      }
      return out + "}";
    }
  }
  return "null";
}

}  // namespace anchorhold::attest
