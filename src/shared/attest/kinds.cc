#include "shared/attest/kinds.h"

#include <array>

#include "shared/attest/azure_vtpm.h"
#include "shared/attest/nitro.h"
#include "shared/attest/sgx_dcap.h"
#include "shared/attest/snp.h"
#include "shared/attest/tdx.h"
#include "shared/attest/tpm2.h"

namespace anchorhold::attest {

std::span<const Kind> Kinds() {
  static const std::array<Kind, 6> kKinds = {kSnpKind,     kNitroKind, kTdxKind,
                                             kSgxDcapKind, kTpm2Kind,  kAzureVtpmKind};
  return kKinds;
}

}  // namespace anchorhold::attest
