// A simulated platform and keys for tests of attest/ and channel/.
#pragma once

#include "shared/attest/simulated.h"
#include "shared/attest/verifier.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kNow{1'900'000'000};

inline Measurement TestMeasurement(std::uint8_t fill = 0x5a) {
  return Measurement(48, std::byte{fill});
}

inline SimulatedAttester MakeAttester(std::uint8_t fill = 0x5a) {
  return SimulatedAttester::Create(TestMeasurement(fill), crypto::SecretBytes(32)).value();
}

inline EnclaveKeys MakeKeys(const crypto::Ed25519PublicKey& tls_key) {
  return {.tls_key = tls_key,
          .sealing_key = crypto::HpkePrivateKey::Generate().public_key(),
          .ledger_key = crypto::Ed25519PrivateKey::Generate().public_key()};
}
inline EnclaveKeys MakeKeys() {
  return MakeKeys(crypto::Ed25519PrivateKey::Generate().public_key());
}

inline AppraisalPolicy MakePolicy() {
  return {.platforms = {Platform::kInsecureSimulated}, .measurements = {TestMeasurement()}};
}

}  // namespace anchorhold::attest::testing
