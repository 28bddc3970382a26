// The kinds of evidence that this program can verify. A new kind is one entry here.
#pragma once

#include "shared/attest/kind.h"

namespace anchorhold::attest {

// Those whose verifiers need nothing but shared/; a client adds those that need more.
std::span<const Kind> Kinds();

}  // namespace anchorhold::attest
