// The worked example of docs/formats.md: the page and the program say the same bytes.
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <algorithm>
#include <fstream>

#include "shared/attest/carried.h"
#include "shared/channel/certificate.h"
#include "shared/channel/certificate_extension.h"

namespace anchorhold::channel {
namespace {

// The bytes of the page's block: of each line the pairs of hexadecimal digits, up to the first word
// that is none.
Bytes Example() {
  std::ifstream page(ANCHORHOLD_SOURCE_DIR "/docs/formats.md");
  std::string hex;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```extension") {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      for (std::size_t at = 0; at + 3 <= line.size() && HexDigit(line[at]) >= 0 &&
                               HexDigit(line[at + 1]) >= 0 && line[at + 2] == ' ';
           at += 3) {
        hex += line.substr(at, 2);
      }
    }
  }
  return FromHex(hex).value();
}

template <typename T>
T Filled(std::uint8_t value) {
  T out;
  out.value.fill(std::byte{value});
  return out;
}

TEST(CertificateExample, IsWhatTheProgramWrites) {
  const auto body = attest::SerializeCarried(
                        {{"report", {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}}})
                        .value();
  const CertifiedEvidence content{.evidence = {attest::Platform::kSevSnp, body},
                                  .keys = {.tls_key = Filled<crypto::Ed25519PublicKey>(0x11),
                                           .sealing_key = Filled<crypto::HpkePublicKey>(0x22),
                                           .ledger_key = Filled<crypto::Ed25519PublicKey>(0x33)}};
  const Bytes example = Example();
  ASSERT_GT(example.size(), 14u);
  EXPECT_EQ(ToHex(ByteSpan(example).subspan(14)), ToHex(EncodeEvidenceExtension(content)));
  const auto read = ParseEvidenceExtension(ByteSpan(example).subspan(14));
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(attest::SerializeKeys(read->keys), attest::SerializeKeys(content.keys));
  // And in a certificate.
  const auto certificate =
      MakeCertificate(crypto::Ed25519PrivateKey::Generate(), "anchorhold enclave", content).value();
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  ASSERT_GT(size, 0);
  const Bytes whole = CopyBytes(std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
  OPENSSL_free(der);
  EXPECT_NE(std::search(whole.begin(), whole.end(), example.begin(), example.end()), whole.end());
}

}  // namespace
}  // namespace anchorhold::channel
