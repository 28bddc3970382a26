#include "shared/crypto/pem.h"

#include "shared/base/base64.h"

namespace anchorhold::crypto {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";

bool IsSpace(char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; }

std::string_view SkipSpace(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return text;
}

std::string WithoutSpace(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!IsSpace(c)) out.push_back(c);
  }
  return out;
}

}  // namespace

bool LooksLikePem(ByteSpan bytes) { return SkipSpace(AsText(bytes)).starts_with(kBegin); }

Result<std::vector<Bytes>> ReadPem(ByteSpan text, std::string_view label, std::size_t max_count) {
  const std::string begin = std::string(kBegin) + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  std::vector<Bytes> blocks;
  for (std::string_view rest = SkipSpace(AsText(text)); !rest.empty(); rest = SkipSpace(rest)) {
    const std::size_t stop = rest.find(end);
    if (!rest.starts_with(begin) || stop == std::string_view::npos) {
      return InvalidInput("not PEM blocks of " + std::string(label) + " and white space alone");
    }
    if (blocks.size() == max_count) {
      return LimitExceeded("more than " + std::to_string(max_count) + " PEM blocks");
    }
    const std::string_view body = rest.substr(begin.size(), stop - begin.size());
    AH_ASSIGN_OR_RETURN(Bytes block, DecodeBase64(WithoutSpace(body), Base64::kStandard));
    blocks.push_back(std::move(block));
    rest.remove_prefix(stop + end.size());
  }
  if (blocks.empty()) return InvalidInput("no PEM block");
  return blocks;
}

}  // namespace anchorhold::crypto
