// Claims: what evidence says, as a tree of named values that people and programs read (JSON). The
// tree itself says nothing about trust: a verifier's claims are part of an AttestationResult, and
// what was only parsed is wrapped as UnverifiedClaims.
#pragma once

#include <string>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::attest {

struct NamedClaim;

class Claim {
 public:
  enum class Type { kNull, kBool, kNumber, kText, kList, kMap };

  static Claim Null();
  static Claim Bool(bool value);
  static Claim Number(std::uint64_t value);
  static Claim SignedNumber(std::int64_t value);
  // Text that is no UTF-8 becomes "0x" and its hex.
  static Claim Text(std::string_view text);
  static Claim Hex(ByteSpan bytes);  // in memory order
  // "0x" and `digits` hexadecimal digits.
  static Claim HexNumber(std::uint64_t value, int digits);
  static Claim List();
  static Claim Map();

  // Appends to a list, or to a map; the claim itself, so that calls can be chained. Precondition:
  // the type; a name is added once.
  Claim& Add(Claim item);
  Claim& Add(std::string_view name, Claim value);

  Type type() const { return type_; }
  // A number's digits, a text's characters, "true" or "false".
  const std::string& text() const { return text_; }
  const std::vector<Claim>& items() const { return items_; }
  const std::vector<NamedClaim>& members() const { return members_; }
  // The member of that name; null if there is none or this is no map.
  const Claim* Find(std::string_view name) const;

  // On one line.
  std::string ToJson() const;

 private:
  Claim(Type type, std::string text);
  Type type_;
  std::string text_;
  std::vector<Claim> items_;
  std::vector<NamedClaim> members_;
};

struct NamedClaim {
  std::string name;
  Claim value;
};

// Parsed, and by nobody verified: for people to look at.
struct UnverifiedClaims {
  Claim unverified;
};

}  // namespace anchorhold::attest
