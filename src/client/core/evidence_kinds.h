// The kinds of evidence that a client can verify from files.
#pragma once

#include <vector>

#include "shared/attest/kind.h"

namespace anchorhold::client {

// Those of attest::Kinds(), and those whose verifiers need what only a client has.
std::vector<attest::Kind> AllKinds();

}  // namespace anchorhold::client
