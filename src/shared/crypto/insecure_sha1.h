// SHA-1, for which two texts of one hash can be made: only to read what old devices wrote with it
// (registers and event logs of TPMs, signatures of theirs). Whoever judges by it says so; nothing
// of ours is made with it.
#pragma once

#include "shared/crypto/public_key.h"

namespace anchorhold::crypto {

using InsecureSha1Digest = FixedBytes<struct InsecureSha1Tag, 20>;
InsecureSha1Digest InsecureSha1(ByteSpan data);

// VerifyRsa with PKCS #1 padding and SHA-1: kIntegrity unless the key signed these bytes, or others
// that somebody made to have the same hash.
Status VerifyRsaOverInsecureSha1(const PublicKey& key, ByteSpan message, ByteSpan signature);

}  // namespace anchorhold::crypto
