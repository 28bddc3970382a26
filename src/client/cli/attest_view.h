// How an appraised enclave is told: as an Attestation Result for programs (attest/ear.h), and as a
// page for people who decide whether that is enough.
#pragma once

#include <string>

#include "client/cli/app.h"
#include "shared/attest/ear.h"

namespace anchorhold::client {

struct AttestView {
  const Session* session = nullptr;
  std::string policy_path;
  std::string audience;  // who may rely on the signed result; empty: whoever signs it
};

// The result as a token signed with the party's own key, its claims beside it, and what identifies
// the enclave.
Json AttestJson(const AttestView& view);

// What was asked and answered, what was checked, what was left out and why, and warnings.
std::string AttestText(const AttestView& view);
// The judgements of a trust vector as questions and answers.
std::string JudgementsText(const attest::TrustVector& trust);

}  // namespace anchorhold::client
