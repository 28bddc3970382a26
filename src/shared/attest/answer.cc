#include "shared/attest/answer.h"

namespace anchorhold::attest {

Result<Bytes> AnswerAttest(Attester& attester, const EnclaveKeys& keys, ByteSpan nonce,
                           ByteSpan exporter) {
  AH_CHECK(exporter.size() == kExporterBytes);
  if (nonce.size() != kNonceBytes) {
    return InvalidInput("attest: the nonce has " + std::to_string(nonce.size()) +
                        " bytes; send exactly " + std::to_string(kNonceBytes));
  }
  AH_ASSIGN_OR_RETURN(const UnverifiedEvidence evidence,
                      attester.Attest(BindSession(keys, nonce, exporter)));
  return SerializeEvidence(evidence);
}

}  // namespace anchorhold::attest
