#include "client/core/presented_evidence.h"

#include "shared/attest/carried.h"
#include "shared/attest/kinds.h"
#include "shared/channel/client.h"

namespace anchorhold::client {
namespace {

Result<PresentedEvidence> Read(const attest::UnverifiedEvidence& evidence) {
  PresentedEvidence out;
  for (const attest::Kind& kind : attest::Kinds()) {
    if (kind.platform == evidence.platform) out.kind = &kind;
  }
  if (out.kind == nullptr) {
    return Unsupported("its platform, " + std::string(attest::PlatformName(evidence.platform)) +
                       ", has no endorsements");
  }
  AH_ASSIGN_OR_RETURN(auto carried, attest::ParseCarried(evidence.body));
  for (attest::CarriedFile& file : carried) {
    AH_RETURN_IF_ERROR(out.files.Add(out.kind->roles, file.role, std::move(file.bytes)));
  }
  return out;
}

}  // namespace

Result<PresentedEvidence> AskForEvidence(const Home& home, const std::string& option) {
  std::string server = option;
  if (server.empty()) {
    AH_ASSIGN_OR_RETURN(server, home.LoadServer());
  }
  const auto address = channel::ParseAddress(server);
  if (!address.ok()) return address.error().At("--server");
  AH_ASSIGN_OR_RETURN(const auto evidence, channel::AskForUnverifiedEvidence(*address));
  auto presented = Read(evidence);
  if (!presented.ok()) return presented.error().At(server);
  return presented;
}

}  // namespace anchorhold::client
