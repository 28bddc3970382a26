// Which endorsements belong to a piece of evidence, and who hands them out. Everything here is read
// from evidence that nobody has verified: it chooses files, which are then verified with it.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/kind.h"

namespace anchorhold::client {

// The name of the set that all evidence with the same endorsements shares, in hex: of sev-snp the
// first 16 bytes of the chip's id and the reported TCB; of tdx and sgx-dcap the platform's FMSPC
// and which of Intel's authorities certified it; of tpm2 the first 16 bytes of the attestation
// key's fingerprint. A file name without surprises. kUnsupported for a kind that has no
// endorsements to keep.
Result<std::string> EndorsementSet(const attest::Kind& kind,
                                   const attest::UnverifiedFiles& evidence);

// What a file of a role is.
enum class EndorsementForm { kCertificates, kRevocationList, kTcbInfo, kQeIdentity };
EndorsementForm FormOfRole(std::string_view role);

// Which part of a service's answer a file is.
enum class AnswerPart { kBody, kFirstCertificate, kSecondCertificate, kHeader };

// Where a vendor hands a file out.
struct EndorsementOrigin {
  std::string role;
  std::string url;  // empty: no service is known
  AnswerPart part = AnswerPart::kBody;
  std::string header = {};  // of kHeader: its value is the file, percent-encoded

  // For people: the address, and which part of the answer.
  std::string Text() const;
};
using EndorsementOrigins = std::vector<EndorsementOrigin>;

// One list of origins, or, if the evidence does not say which product its machine is, one for each
// that it can be; the machine's own file is the first, if a service has it.
Result<std::vector<EndorsementOrigins>> EndorsementChoices(const attest::Kind& kind,
                                                           const attest::UnverifiedFiles& evidence);

}  // namespace anchorhold::client
