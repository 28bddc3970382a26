#include "shared/crypto/concat.h"

#include <algorithm>

namespace anchorhold::crypto::internal {

SecretBytes Concat(std::initializer_list<ByteSpan> parts) {
  std::size_t size = 0;
  for (const ByteSpan part : parts) size += part.size();
  SecretBytes out(size);
  auto to = out.mutable_span().begin();
  for (const ByteSpan part : parts) to = std::copy(part.begin(), part.end(), to);
  return out;
}

}  // namespace anchorhold::crypto::internal
