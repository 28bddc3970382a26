// Tokens of an appraisal: any text, and any payload under a good signature.
#include "shared/attest/ear.h"
#include "shared/crypto/jws.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anchorhold;
  static const auto key = crypto::Ed25519PrivateKey::Generate();
  constexpr UnixSeconds kNow{1'750'000'000};
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  AH_CHECK(!attest::VerifyEar(kNow, input, key.public_key(), "hospital").ok());
  const std::string token = crypto::SignJws(key, input);
  const auto ear = attest::VerifyEar(kNow, token, key.public_key(), "hospital");
  if (ear.ok()) AH_CHECK(ear->payload == input);
  AH_CHECK(!attest::VerifyEar(kNow, token, key.public_key(), "bank").ok() || !ear.ok());
  return 0;
}
