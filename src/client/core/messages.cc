#include "client/core/messages.h"

#include <limits>

namespace anchorhold::client {

bool ParseMessage(ByteSpan bytes, google::protobuf::MessageLite& out) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return false;
  return out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

Bytes SerializeMessage(const google::protobuf::MessageLite& message) {
  return CopyBytes(AsBytes(message.SerializeAsString()));
}

Result<std::vector<crypto::Sha256Digest>> DigestsOf(
    const google::protobuf::RepeatedPtrField<std::string>& digests) {
  std::vector<crypto::Sha256Digest> out;
  for (const std::string& digest : digests) {
    const auto parsed = crypto::Sha256Digest::From(AsBytes(digest));
    if (!parsed.ok()) return IntegrityError("a proof holds a hash that is not 32 bytes long");
    out.push_back(*parsed);
  }
  return out;
}

std::string OneLine(std::string_view text) {
  constexpr std::size_t kMax = 1000;
  std::string out(text.substr(0, kMax));
  for (char& c : out) {
    const auto value = static_cast<unsigned char>(c);
    if (value < 0x20 || value == 0x7f) c = '?';
  }
  return out;
}

}  // namespace anchorhold::client
