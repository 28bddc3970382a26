#include "shared/attest/test_tpm2.h"

#include "shared/base/reader.h"

namespace anchorhold::attest::testing {
namespace {

using crypto::testing::TestKey;

constexpr std::uint16_t kNone = 0x0010;
constexpr std::size_t kPointAt = 27;  // in the SubjectPublicKeyInfo of a key on P-256

void Little(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i));
}

void Tpm2b(ByteWriter& out, ByteSpan bytes) {
  out.WriteU16(static_cast<std::uint16_t>(bytes.size()));
  out.WriteBytes(bytes);
}

// The modulus: what an RSA key's SubjectPublicKeyInfo has ahead of its exponent of five bytes.
ByteSpan ModulusOf(ByteSpan spki) { return spki.last(5 + 256).first(256); }

crypto::HashName Name(Tpm2Hash hash) {
  return hash == Tpm2Hash::kSha384   ? crypto::HashName::kSha384
         : hash == Tpm2Hash::kSha512 ? crypto::HashName::kSha512
                                     : crypto::HashName::kSha256;
}

}  // namespace

Bytes OldLog(const std::vector<TpmEvent>& events) {
  Bytes out;
  for (const TpmEvent& event : events) {
    Little(out, event.pcr, 4);
    Little(out, event.type, 4);
    AppendBytes(out, Tpm2Digest(Tpm2Hash::kSha1, event.data));
    Little(out, event.data.size(), 4);
    AppendBytes(out, event.data);
  }
  return out;
}

Bytes AgileLog(const std::vector<TpmEvent>& events) {
  Bytes banks = CopyBytes(AsBytes(std::string_view("Spec ID Event03\0", 16)));
  AppendBytes(banks, FromHex("00000000000200020200000004001400"
                             "0b0020"
                             "0000")
                         .value());
  Bytes out;
  Little(out, 0, 4);
  Little(out, 3, 4);
  out.resize(out.size() + 20);
  Little(out, banks.size(), 4);
  AppendBytes(out, banks);
  for (const TpmEvent& event : events) {
    Little(out, event.pcr, 4);
    Little(out, event.type, 4);
    Little(out, 2, 4);
    for (const Tpm2Hash hash : {Tpm2Hash::kSha1, Tpm2Hash::kSha256}) {
      Little(out, static_cast<std::uint16_t>(hash), 2);
      AppendBytes(out, Tpm2Digest(hash, event.data));
    }
    Little(out, event.data.size(), 4);
    AppendBytes(out, event.data);
  }
  return out;
}

Tpm::Tpm(Tpm2Scheme scheme_value, std::size_t which)
    : scheme(scheme_value),
      extra_data(Bytes(64, std::byte{0xda})),
      object_name(Bytes(34, std::byte{0x0b})),
      selections({{Tpm2Hash::kSha256, {0, 7, 11}}}),
      events({{0, 8, Bytes(4, std::byte{1})},
              {7, 0x80000001, Bytes(3, std::byte{2})},
              {0, 4, Bytes(4)},
              {7, 4, Bytes(4)}}),
      ak_spec({.subject = "ak", .issuer = "tpm ca", .serial = 7}),
      intermediate_spec({.subject = "tpm ca", .issuer = "tpm root", .serial = 2, .ca = true}),
      root_spec({.subject = "tpm root", .issuer = "tpm root", .ca = true}),
      crl_spec({.issuer = "tpm ca", .serials = {99}}),
      which_(which) {
  auto& bank = values[Tpm2Hash::kSha256];
  for (const TpmEvent& event : events) {
    Bytes& value = bank.emplace(static_cast<std::uint8_t>(event.pcr), Bytes(32)).first->second;
    AppendBytes(value, Tpm2Digest(Tpm2Hash::kSha256, event.data));
    value = Tpm2Digest(Tpm2Hash::kSha256, value);
  }
  bank[11] = Bytes(32, std::byte{0x5a});
}

const TestKey& Tpm::ak() const {
  static const TestKey keys[] = {
      TestKey::Generate(crypto::KeyType::kRsa), TestKey::Generate(crypto::KeyType::kRsa),
      TestKey::Generate(crypto::KeyType::kEcP256), TestKey::Generate(crypto::KeyType::kEcP256)};
  return keys[which_ + (scheme == Tpm2Scheme::kEcdsa ? 2 : 0)];
}

const TestKey& Tpm::Authority(std::size_t i) const {
  static const TestKey keys[] = {
      TestKey::Generate(crypto::KeyType::kEcP256), TestKey::Generate(crypto::KeyType::kEcP256),
      TestKey::Generate(crypto::KeyType::kEcP256), TestKey::Generate(crypto::KeyType::kEcP256)};
  return keys[which_ * 2 + i];
}

const TestKey& Tpm::root() const { return Authority(1); }

Bytes Tpm::Attest() const {
  ByteWriter out;
  out.WriteU32(magic);
  out.WriteU16(static_cast<std::uint16_t>(type));
  Tpm2b(out, Bytes(34, std::byte{0x0c}));  // the qualified signer
  Tpm2b(out, extra_data);
  out.WriteU64(123'456);  // clock, resets, restarts, safe, firmware
  out.WriteU32(5);
  out.WriteU32(6);
  out.WriteU8(1);
  out.WriteU64(0x2016051100162800);
  if (type != Tpm2AttestType::kQuote) {
    Tpm2b(out, object_name);
    Tpm2b(out, Bytes(34, std::byte{0x0d}));
    return std::move(out).Take();
  }
  Bytes registers;
  out.WriteU32(static_cast<std::uint32_t>(selections.size()));
  for (const Tpm2PcrSelection& selection : selections) {
    out.WriteU16(static_cast<std::uint16_t>(selection.bank));
    out.WriteU8(3);
    std::uint32_t bits = 0;
    for (const std::uint8_t pcr : selection.pcrs) {
      bits |= 1u << pcr;
      AppendBytes(registers, values.at(selection.bank).at(pcr));
    }
    for (int i = 0; i < 3; ++i) out.WriteU8(static_cast<std::uint8_t>(bits >> 8 * i));
  }
  Tpm2b(out, Tpm2Digest(hash, registers));
  return std::move(out).Take();
}

Bytes Tpm::Sign(ByteSpan attest) const {
  ByteWriter out;
  out.WriteU16(static_cast<std::uint16_t>(scheme));
  out.WriteU16(static_cast<std::uint16_t>(hash));
  if (scheme == Tpm2Scheme::kEcdsa) {
    const Bytes both = ak().SignEcdsa(Name(hash), attest);
    Tpm2b(out, ByteSpan(both).first(32));
    Tpm2b(out, ByteSpan(both).last(32));
  } else if (hash == Tpm2Hash::kSha1) {
    Tpm2b(out, ak().SignRsaOverInsecureSha1(attest));
  } else {
    const auto padding = scheme == Tpm2Scheme::kRsassa ? crypto::RsaPadding::kPkcs1
                         : longest_salt                ? crypto::RsaPadding::kPssAnySalt
                                                       : crypto::RsaPadding::kPss;
    Tpm2b(out, ak().SignRsa(padding, Name(hash), attest));
  }
  return std::move(out).Take();
}

Bytes Tpm::Public() const {
  const bool ecc = scheme == Tpm2Scheme::kEcdsa;
  const Bytes spki = ak().public_key().spki();
  ByteWriter out;
  out.WriteU16(ecc ? 0x0023 : 0x0001);
  out.WriteU16(static_cast<std::uint16_t>(Tpm2Hash::kSha256));
  out.WriteU32(attributes);
  Tpm2b(out, {});
  out.WriteU16(kNone);
  out.WriteU16(any_scheme ? kNone : static_cast<std::uint16_t>(scheme));
  if (!any_scheme) out.WriteU16(static_cast<std::uint16_t>(hash));
  if (ecc) {
    out.WriteU16(0x0003);
    out.WriteU16(kNone);
    Tpm2b(out, ByteSpan(spki).subspan(kPointAt, 32));
    Tpm2b(out, ByteSpan(spki).subspan(kPointAt + 32, 32));
  } else {
    out.WriteU16(2048);
    out.WriteU32(0);
    Tpm2b(out, ModulusOf(spki));
  }
  return std::move(out).Take();
}

Bytes Tpm::Pcrs() const {
  std::string out = "{";
  for (const auto& [bank, registers] : values) {
    out += (out.size() > 1 ? ",\"" : "\"") + std::string(Tpm2HashName(bank)) + "\":{";
    const char* comma = "\"";
    for (const auto& [pcr, value] : registers) {
      out += comma + std::to_string(pcr) + "\":\"" + ToHex(value) + "\"";
      comma = ",\"";
    }
    out += "}";
  }
  return CopyBytes(AsBytes(out + "}"));
}

std::map<std::string, Bytes> Tpm::WithQuote(std::map<std::string, Bytes> files) const {
  files["attest"] = Attest();
  files["signature"] = Sign(files["attest"]);
  files["ak_public_spki"] = ak().public_key().spki();
  files["ak_public_tpmt"] = Public();
  files["pcrs"] = Pcrs();
  files["event_log"] = AgileLog(events);
  return files;
}

std::map<std::string, Bytes> Tpm::Files() const {
  const TestKey& ca = Authority(0);
  return WithQuote(
      {{"ak_cert", crypto::testing::MakeCertificate(ak_spec, ak(), ca)},
       {"ak_cert_intermediate", crypto::testing::MakeCertificate(intermediate_spec, ca, root())},
       {"ak_cert_root", crypto::testing::MakeCertificate(root_spec, root(), root())},
       {"ak_crl", crypto::testing::MakeRevocationList(crl_spec, ca)}});
}

AppraisalPolicy Tpm::Policy() const {
  const auto& bank = values.at(Tpm2Hash::kSha256);
  Tpm2Policy rules;
  rules.roots = {.vendor = false, .others = {root().public_key().Fingerprint()}};
  rules.require_crl = true;
  rules.require_ak_attributes = true;
  rules.require_event_log = true;
  rules.pcrs.measurement_pcr = 11;
  rules.pcrs.values = {{0, {bank.at(0)}}, {7, {bank.at(7)}}};
  return {.platforms = {Platform::kTpm2}, .measurements = {bank.at(11)}, .tpm2 = rules};
}

}  // namespace anchorhold::attest::testing
