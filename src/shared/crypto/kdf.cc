#include "shared/crypto/kdf.h"

#include <openssl/hmac.h>

#include <algorithm>
#include <limits>

#include "shared/crypto/concat.h"
#include "shared/crypto/openssl_ptr.h"

namespace anchorhold::crypto {
namespace {

constexpr std::size_t kHashBytes = Sha256Digest::kSize;

SecretBytes Hmac(ByteSpan key, ByteSpan data) {
  AH_CHECK(key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  SecretBytes out(kHashBytes);
  unsigned int size = 0;
  AH_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), internal::Raw(data),
                data.size(), internal::RawMutable(out.mutable_span()), &size) != nullptr);
  AH_CHECK(size == kHashBytes);
  return out;
}

}  // namespace

SecretBytes HmacSha256(const SecretBytes& key, ByteSpan data) {
  return Hmac(key.ExposeSecret(), data);
}

// An empty HMAC key is padded with zeros to a block, as 32 zero bytes are: RFC 5869's default salt.
SecretBytes HkdfExtract(ByteSpan salt, const SecretBytes& input_key_material) {
  return Hmac(salt, input_key_material.ExposeSecret());
}

// T(0) = "";  T(i) = HMAC(PRK, T(i-1) || info || i);  the output is the first `size` bytes of
// T(1) || T(2) || ...  (RFC 5869, section 2.3)
SecretBytes HkdfExpand(const SecretBytes& pseudo_random_key, ByteSpan info, std::size_t size) {
  AH_CHECK(size <= 255 * kHashBytes);
  SecretBytes out(size);
  SecretBytes block;
  std::size_t done = 0;
  for (std::uint8_t counter = 1; done < size; ++counter) {
    const std::byte counter_byte{counter};
    block = HmacSha256(
        pseudo_random_key,
        internal::Concat({block.ExposeSecret(), info, ByteSpan(&counter_byte, 1)}).ExposeSecret());
    const std::size_t count = std::min(kHashBytes, size - done);
    std::copy_n(block.ExposeSecret().begin(), count, out.mutable_span().subspan(done).begin());
    done += count;
  }
  return out;
}

SecretBytes DeriveKey(const SecretBytes& root, std::string_view label, std::size_t size) {
  return HkdfExpand(HkdfExtract({}, root), AsBytes(label), size);
}

}  // namespace anchorhold::crypto
