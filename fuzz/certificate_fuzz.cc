// Certificates, revocation lists, keys and signatures of others, and what is read out of them.
#include "shared/attest/snp_certificate.h"
#include "shared/crypto/certificate_chain.h"
#include "shared/crypto/revocation_list.h"
#include "shared/wire/json.h"

namespace {

using namespace anchorhold;

constexpr UnixSeconds kNow{1'750'000'000};

void UseCertificate(const crypto::UnverifiedCertificate& certificate) {
  const crypto::CertificateFields& fields = certificate.unverified();
  AH_CHECK(crypto::UnverifiedCertificate::FromDer(fields.der).ok());
  AH_CHECK(crypto::PublicKey::FromSpki(fields.key.spki()).ok());
  const auto vek = attest::ReadSnpVek(fields);
  const auto claims = attest::SnpVekClaims(fields);
  AH_CHECK(!vek.ok() || claims.ok());
  if (claims.ok()) AH_CHECK(wire::ParseJson(AsBytes(claims->ToJson()), 1 << 20).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span(data, size));
  const auto certificates = crypto::ReadCertificates(input, crypto::kChainLengthMax);
  if (certificates.ok()) {
    for (const auto& certificate : *certificates) UseCertificate(certificate);
    const auto& root = certificates->back().unverified();
    const std::vector<crypto::Sha256Digest> pins = {root.key.Fingerprint()};
    const auto chain = crypto::VerifyChain(kNow, *certificates, {.pins = pins});
    if (chain.ok()) AH_CHECK(kNow >= root.not_before && kNow <= root.not_after);
    // Without a key that is trusted, no chain is.
    AH_CHECK(!crypto::VerifyChain(kNow, *certificates, {.pins = {}}).ok());
  }
  const auto lists = crypto::ReadRevocationLists(input, 2);
  if (lists.ok()) AH_CHECK(!lists->empty());
  const auto key = crypto::PublicKey::FromSpki(input);
  if (key.ok()) AH_CHECK(BytesEqual(key->spki(), input));
  const auto signature = crypto::EcdsaSignature::FromDer(input);
  if (signature.ok()) AH_CHECK(BytesEqual(signature->der(), input));
  return 0;
}
