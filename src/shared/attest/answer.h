// The enclave's half of the fresh-evidence exchange (wire/session.proto: AttestRequest). The
// client's half is channel/client.h.
#pragma once

#include "shared/attest/evidence.h"

namespace anchorhold::attest {

inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kExporterBytes = 32;

// Serialized Evidence over BindSession(keys, nonce, exporter): the content of AttestReply.evidence.
// kInvalidInput unless the client's nonce is exactly kNonceBytes long. Precondition: `exporter` is
// the session's own TLS exporter value, kExporterBytes long.
Result<Bytes> AnswerAttest(Attester& attester, const EnclaveKeys& keys, ByteSpan nonce,
                           ByteSpan exporter);

}  // namespace anchorhold::attest
