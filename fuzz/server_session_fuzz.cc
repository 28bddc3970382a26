// Bytes of the network, fed to the enclave's end of a channel: none of them makes a session, for
// none proves to hold a key.
#include <algorithm>

#include "shared/attest/test_support.h"
#include "shared/channel/server.h"

namespace {

using namespace anchorhold;

constexpr std::size_t kPieceBytes = 1000;

const channel::ServerIdentity& Identity() {
  static const auto* const identity = [] {
    const auto tls_key = crypto::Ed25519PrivateKey::Generate();
    const auto keys = attest::testing::MakeKeys(tls_key.public_key());
    const auto evidence = attest::testing::MakeAttester().Attest(attest::BindKeys(keys)).value();
    return new auto(channel::ServerIdentity::Create(tls_key, keys, evidence).value());
  }();
  return *identity;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  channel::ServerSession session(Identity());
  ByteSpan rest = std::as_bytes(std::span(data, size));
  while (!rest.empty()) {
    const std::size_t count = std::min(kPieceBytes, rest.size());
    const Status fed = session.Feed(rest.first(count));
    rest = rest.subspan(count);
    session.TakeOutput();
    AH_CHECK(!session.established() && !session.NextMessage().has_value());
    if (!fed.ok()) break;
  }
  return 0;
}
