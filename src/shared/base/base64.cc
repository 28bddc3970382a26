#include "shared/base/base64.h"

#include <algorithm>

namespace anchorhold {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

char Digit(std::uint32_t value, Base64 alphabet) {
  if (value < kDigits.size()) return kDigits[value];
  if (alphabet == Base64::kUrl) return value == 62 ? '-' : '_';
  return value == 62 ? '+' : '/';
}

// The digit's value, or 64.
std::uint32_t ValueOf(char c, Base64 alphabet) {
  for (std::uint32_t value : {62u, 63u}) {
    if (c == Digit(value, alphabet)) return value;
  }
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a') + 26;
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0') + 52;
  return 64;
}

}  // namespace

std::string EncodeBase64(ByteSpan bytes, Base64 alphabet) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    }
    for (std::size_t i = 0; i <= count; ++i) {
      out.push_back(Digit(bits >> (18 - 6 * i) & 63, alphabet));
    }
    if (alphabet == Base64::kStandard) out.append(3 - count, '=');
  }
  return out;
}

Result<Bytes> DecodeBase64(std::string_view text, Base64 alphabet) {
  const Error bad = InvalidInput("not base64");
  std::string_view digits = text;
  if (alphabet == Base64::kStandard) {
    if (text.size() % 4 != 0) return bad;
    for (int i = 0; i < 2 && !digits.empty() && digits.back() == '='; ++i) digits.remove_suffix(1);
  }
  Bytes out;
  std::uint32_t bits = 0;
  int count = 0;  // of bits that wait for more
  for (const char c : digits) {
    const std::uint32_t value = ValueOf(c, alphabet);
    if (value > 63) return bad;
    bits = (bits << 6 | value) & 0xfff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<std::byte>(bits >> count & 0xff));
  }
  if (digits.size() % 4 == 1 || (bits & ((1u << count) - 1)) != 0) return bad;
  return out;
}

}  // namespace anchorhold
