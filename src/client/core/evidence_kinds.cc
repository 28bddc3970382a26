#include "client/core/evidence_kinds.h"

#include "client/gpu/nvidia_gpu.h"
#include "shared/attest/kinds.h"

namespace anchorhold::client {

std::vector<attest::Kind> AllKinds() {
  const auto shared = attest::Kinds();
  std::vector<attest::Kind> out(shared.begin(), shared.end());
  out.push_back(kNvidiaGpuKind);
  return out;
}

}  // namespace anchorhold::client
