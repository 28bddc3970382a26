#include "shared/crypto/aead.h"

#include <algorithm>
#include <array>

#include "shared/crypto/openssl_ptr.h"

namespace anchorhold::crypto {
namespace {

// SP 800-38D, section 5.2.1.1: len(P) <= 2^39 - 256 bits.
constexpr std::uint64_t kPlaintextBytesMax = (std::uint64_t{1} << 36) - 32;
// libcrypto counts in int, so long inputs go through in pieces.
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 30;

using UpdateFunction = int (*)(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);

// `out` is null for associated data, else it has room for in.size() bytes. A failure is a bug: GCM
// judges nothing before the tag.
void Update(UpdateFunction update, EVP_CIPHER_CTX* context, ByteSpan in, unsigned char* out) {
  while (!in.empty()) {
    const ByteSpan piece = in.first(std::min(in.size(), kPieceBytesMax));
    int written = 0;
    AH_CHECK(update(context, out, &written, internal::Raw(piece), static_cast<int>(piece.size())) ==
             1);
    AH_CHECK(static_cast<std::size_t>(written) == piece.size());
    if (out != nullptr) out += piece.size();
    in = in.subspan(piece.size());
  }
}

Error OpenError() {
  return IntegrityError(
      "authenticated decryption failed: the data, its associated data, its nonce or the key is not "
      "the one it was sealed with");
}

}  // namespace

// libcrypto's default nonce and tag sizes for GCM are this file's: 12 and 16 bytes.
Bytes AeadSeal(const SecretBytes& key, const AeadNonce& nonce, ByteSpan associated_data,
               ByteSpan plaintext) {
  AH_CHECK(key.size() == kAeadKeyBytes);
  AH_CHECK(plaintext.size() <= kPlaintextBytesMax);
  const internal::CipherContextPtr context(EVP_CIPHER_CTX_new());
  AH_CHECK(context != nullptr);
  AH_CHECK(EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), internal::Raw(key.ExposeSecret()),
                               internal::Raw(nonce.span()), nullptr) == 1);
  Bytes out(plaintext.size() + kAeadTagBytes);
  const MutableByteSpan tag = MutableByteSpan(out).last(kAeadTagBytes);
  Update(EVP_EncryptUpdate, context.get(), associated_data, nullptr);
  Update(EVP_EncryptUpdate, context.get(), plaintext, internal::RawMutable(out));
  int written = 0;
  AH_CHECK(EVP_EncryptFinal_ex(context.get(), internal::RawMutable(tag), &written) == 1);
  AH_CHECK(written == 0);
  AH_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag.data()) ==
           1);
  return out;
}

Result<Bytes> AeadOpen(const SecretBytes& key, const AeadNonce& nonce, ByteSpan associated_data,
                       ByteSpan ciphertext_and_tag) {
  AH_CHECK(key.size() == kAeadKeyBytes);
  if (ciphertext_and_tag.size() < kAeadTagBytes) return OpenError();
  if (ciphertext_and_tag.size() - kAeadTagBytes > kPlaintextBytesMax) return OpenError();
  const ByteSpan ciphertext = ciphertext_and_tag.first(ciphertext_and_tag.size() - kAeadTagBytes);
  std::array<std::byte, kAeadTagBytes> tag;  // a copy, because libcrypto asks for a mutable one
  std::copy_n(ciphertext_and_tag.last(kAeadTagBytes).begin(), tag.size(), tag.begin());

  const internal::ErrorQueueMark mark;
  const internal::CipherContextPtr context(EVP_CIPHER_CTX_new());
  AH_CHECK(context != nullptr);
  AH_CHECK(EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), internal::Raw(key.ExposeSecret()),
                               internal::Raw(nonce.span()), nullptr) == 1);
  Bytes out(ciphertext.size());
  Update(EVP_DecryptUpdate, context.get(), associated_data, nullptr);
  Update(EVP_DecryptUpdate, context.get(), ciphertext, internal::RawMutable(out));
  AH_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) ==
           1);
  int written = 0;
  std::array<unsigned char, EVP_MAX_BLOCK_LENGTH> rest;  // GCM leaves none
  if (EVP_DecryptFinal_ex(context.get(), rest.data(), &written) != 1) {
    Wipe(out);  // unauthenticated plaintext is nobody's to see
    return OpenError();
  }
  AH_CHECK(written == 0);
  return out;
}

}  // namespace anchorhold::crypto
