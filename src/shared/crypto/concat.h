// Concatenation of byte strings, in memory that is wiped. Internal to crypto/.
#pragma once

#include <initializer_list>

#include "shared/crypto/secret.h"

namespace anchorhold::crypto::internal {

SecretBytes Concat(std::initializer_list<ByteSpan> parts);

}  // namespace anchorhold::crypto::internal
