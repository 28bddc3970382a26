// What a server presents of itself, before anybody has judged it: to know which endorsements belong
// to its machine.
#pragma once

#include <string>

#include "client/core/home.h"
#include "shared/attest/kind.h"

namespace anchorhold::client {

struct PresentedEvidence {
  const attest::Kind* kind = nullptr;
  attest::UnverifiedFiles files;
};

// `server`: "host:port"; empty: the one remembered in the home. Nothing about the party is sent.
// kUnsupported if the server's platform is none of hardware.
Result<PresentedEvidence> AskForEvidence(const Home& home, const std::string& server);

}  // namespace anchorhold::client
