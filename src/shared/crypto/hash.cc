#include "shared/crypto/hash.h"

#include "shared/crypto/openssl_ptr.h"

namespace anchorhold::crypto {
namespace {

template <typename Digest>
Digest Hash(const EVP_MD* algorithm, ByteSpan data) {
  Digest out;
  unsigned int size = 0;
  AH_CHECK(EVP_Digest(data.data(), data.size(), internal::RawMutable(out.value), &size, algorithm,
                      nullptr) == 1);
  AH_CHECK(size == Digest::kSize);
  return out;
}

}  // namespace

Sha256Digest Sha256(ByteSpan data) { return Hash<Sha256Digest>(EVP_sha256(), data); }
Sha384Digest Sha384(ByteSpan data) { return Hash<Sha384Digest>(EVP_sha384(), data); }
Sha512Digest Sha512(ByteSpan data) { return Hash<Sha512Digest>(EVP_sha512(), data); }

struct Sha256Hasher::Context {
  internal::DigestContextPtr digest{EVP_MD_CTX_new()};
};

Sha256Hasher::Sha256Hasher() : context_(std::make_unique<Context>()) {
  AH_CHECK(context_->digest != nullptr);
  AH_CHECK(EVP_DigestInit_ex2(context_->digest.get(), EVP_sha256(), nullptr) == 1);
}

Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::Update(ByteSpan data) {
  AH_CHECK(context_ != nullptr);
  AH_CHECK(EVP_DigestUpdate(context_->digest.get(), data.data(), data.size()) == 1);
}

Sha256Digest Sha256Hasher::Finish() {
  AH_CHECK(context_ != nullptr);
  Sha256Digest out;
  unsigned int size = 0;
  AH_CHECK(EVP_DigestFinal_ex(context_->digest.get(), internal::RawMutable(out.value), &size) == 1);
  AH_CHECK(size == Sha256Digest::kSize);
  context_.reset();
  return out;
}

}  // namespace anchorhold::crypto
