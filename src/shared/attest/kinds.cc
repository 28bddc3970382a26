#include "shared/attest/kinds.h"

#include <array>

#include "shared/attest/snp.h"

namespace anchorhold::attest {

std::span<const Kind> Kinds() {
  static const std::array<Kind, 1> kKinds = {kSnpKind};
  return kKinds;
}

}  // namespace anchorhold::attest
