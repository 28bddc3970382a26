#include "shared/attest/test_nitro.h"

#include "shared/attest/nitro.h"
#include "shared/wire/cbor.h"

namespace anchorhold::attest::testing {
namespace {

using crypto::testing::TestKey;
using wire::CborMajor;

constexpr std::size_t kKeysEach = 3;

}  // namespace

Bytes CborOf(std::uint64_t number) {
  Bytes out;
  wire::AppendCborHead(out, CborMajor::kUnsigned, number);
  return out;
}

Bytes CborOf(std::string_view text) {
  Bytes out;
  wire::AppendCborText(out, text);
  return out;
}

Bytes CborOf(const std::optional<Bytes>& bytes) {
  Bytes out;
  if (!bytes.has_value()) return {std::byte{0xf6}};
  wire::AppendCborBytes(out, *bytes);
  return out;
}

Bytes CborOf(const std::map<std::uint8_t, Bytes>& pcrs) {
  Bytes out;
  wire::AppendCborHead(out, CborMajor::kMap, pcrs.size());
  for (const auto& [index, value] : pcrs) {
    wire::AppendCborHead(out, CborMajor::kUnsigned, index);
    wire::AppendCborBytes(out, value);
  }
  return out;
}

NitroPlatform::NitroPlatform(std::size_t which)
    : protected_header(FromHex("a1013822").value()),
      unprotected_header(FromHex("a0").value()),
      timestamp_ms(static_cast<std::uint64_t>(kNitroNow.value()) * 1000 - 59'655),
      public_key(Bytes(65, std::byte{4})),
      user_data(Bytes(64, std::byte{0xda})),
      nonce(Bytes(32, std::byte{0x0e})),
      leaf_spec({.subject = "i-0a-enc01", .issuer = "i-0a"}),
      intermediate_spec(
          {.subject = "i-0a", .issuer = "test.nitro-enclaves", .serial = 2, .ca = true}),
      root_spec({.subject = "test.nitro-enclaves", .issuer = "test.nitro-enclaves", .ca = true}),
      which_(which) {
  for (std::uint8_t i = 0; i < 16; ++i) pcrs[i] = Bytes(48, std::byte{i});
  pcrs[0] = Bytes(48, std::byte{0x5a});
}

const TestKey& NitroPlatform::Key(std::size_t i) const {
  static const std::vector<TestKey> keys = [] {
    std::vector<TestKey> out;
    while (out.size() < 2 * kKeysEach) out.push_back(TestKey::Generate(crypto::KeyType::kEcP384));
    return out;
  }();
  return keys.at(which_ * kKeysEach + i);
}

std::vector<Bytes> NitroPlatform::Certificates() const {
  return {crypto::testing::MakeCertificate(leaf_spec, Key(0), Key(1)),
          crypto::testing::MakeCertificate(intermediate_spec, Key(1), Key(2)),
          crypto::testing::MakeCertificate(root_spec, Key(2), Key(2))};
}

std::map<std::string, Bytes> NitroPlatform::Members(const std::vector<Bytes>& certificates) const {
  Bytes bundle;
  wire::AppendCborHead(bundle, CborMajor::kArray, certificates.size() - 1);
  for (std::size_t i = certificates.size(); i-- > 1;) {
    wire::AppendCborBytes(bundle, certificates[i]);
  }
  return {{"module_id", CborOf("i-0a-enc01")},
          {"digest", CborOf("SHA384")},
          {"timestamp", CborOf(timestamp_ms)},
          {"pcrs", CborOf(pcrs)},
          {"certificate", CborOf(std::optional(certificates[0]))},
          {"cabundle", bundle},
          {"public_key", CborOf(public_key)},
          {"user_data", CborOf(user_data)},
          {"nonce", CborOf(nonce)}};
}

Bytes NitroPlatform::Payload(const std::map<std::string, Bytes>& members, bool indefinite) {
  Bytes out;
  if (indefinite) {
    out.push_back(std::byte{0xbf});
  } else {
    wire::AppendCborHead(out, CborMajor::kMap, members.size());
  }
  for (const auto& [name, value] : members) {
    wire::AppendCborText(out, name);
    AppendBytes(out, value);
  }
  if (indefinite) out.push_back(std::byte{0xff});
  return out;
}

Bytes NitroPlatform::Sign(ByteSpan payload) const {
  Bytes message;
  wire::AppendCborHead(message, CborMajor::kArray, 4);
  wire::AppendCborText(message, "Signature1");
  wire::AppendCborBytes(message, protected_header);
  wire::AppendCborBytes(message, {});
  wire::AppendCborBytes(message, payload);
  Bytes out;
  if (tagged) wire::AppendCborHead(out, CborMajor::kTag, 18);
  wire::AppendCborHead(out, CborMajor::kArray, 4);
  wire::AppendCborBytes(out, protected_header);
  AppendBytes(out, unprotected_header);
  wire::AppendCborBytes(out, payload);
  wire::AppendCborBytes(out, Key(0).SignEcdsa(crypto::HashName::kSha384, message));
  return out;
}

std::map<std::string, Bytes> NitroPlatform::Files() const {
  const std::vector<Bytes> certificates = Certificates();
  return {{"document", Sign(Payload(Members(certificates)))}, {"root", certificates.back()}};
}

AppraisalPolicy NitroPlatform::Policy() const {
  NitroPolicy rules;
  rules.age_max = 60;
  for (const std::uint8_t index : kNitroPcrRules) rules.pcrs[index] = {pcrs.at(index)};
  rules.roots = {.vendor = false, .others = {Key(2).public_key().Fingerprint()}};
  return {.platforms = {Platform::kNitro}, .measurements = {pcrs.at(0)}, .nitro = rules};
}

}  // namespace anchorhold::attest::testing
