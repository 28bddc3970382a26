// SHA-2 (FIPS 180-4).
#pragma once

#include <memory>

#include "shared/base/bytes.h"

namespace anchorhold::crypto {

using Sha256Digest = FixedBytes<struct Sha256Tag, 32>;
using Sha384Digest = FixedBytes<struct Sha384Tag, 48>;
using Sha512Digest = FixedBytes<struct Sha512Tag, 64>;

Sha256Digest Sha256(ByteSpan data);
Sha384Digest Sha384(ByteSpan data);
Sha512Digest Sha512(ByteSpan data);

// Incremental SHA-256, for data that does not fit in memory at once.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  void Update(ByteSpan data);
  // Ends the hash; the hasher cannot be used afterwards.
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace anchorhold::crypto
