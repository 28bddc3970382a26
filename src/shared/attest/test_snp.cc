#include "shared/attest/test_snp.h"

#include <algorithm>

#include "shared/attest/snp.h"

namespace anchorhold::attest::testing {
namespace {

using crypto::testing::TestKey;

constexpr std::size_t kSignedBytes = 0x2a0;
constexpr std::size_t kTcbOffsets[] = {0x038, 0x180, 0x1e0, 0x1f0};

// Made once: what a test bends is what they sign.
const TestKey& Key(std::size_t i) {
  static const TestKey keys[] = {TestKey::Generate(crypto::KeyType::kEcP384),
                                 TestKey::Generate(crypto::KeyType::kEcP256),
                                 TestKey::Generate(crypto::KeyType::kEcP256)};
  return keys[i];
}

void Put(Bytes& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::byte>(value >> 8 * i);
}

void Fill(Bytes& bytes, std::size_t at, std::size_t size, std::uint8_t value) {
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{value});
}

Bytes DerInteger(std::uint8_t value) {
  if (value < 0x80) return {std::byte{2}, std::byte{1}, std::byte{value}};
  return {std::byte{2}, std::byte{2}, std::byte{0}, std::byte{value}};
}

Bytes DerText(std::string_view text) {
  Bytes out = {std::byte{0x16}, static_cast<std::byte>(text.size())};
  AppendBytes(out, AsBytes(text));
  return out;
}

std::size_t HardwareIdBytes(SnpProduct product) { return product == SnpProduct::kTurin ? 8 : 64; }

}  // namespace

SnpPlatform::SnpPlatform(SnpProduct product_value, bool vlek_value)
    : product(product_value), vlek(vlek_value), report(kSignedBytes) {
  const std::string name(SnpProductName(product));
  ark_spec = {.subject = "ARK-" + name, .issuer = "ARK-" + name, .ca = true};
  intermediate_spec = {.subject = (vlek ? "SEV-VLEK-" : "SEV-") + name,
                       .issuer = "ARK-" + name,
                       .serial = 65537,
                       .ca = true,
                       .path_length = 0,
                       .key_usage = "critical,keyCertSign"};
  vek_spec = {
      .subject = vlek ? "SEV-VLEK" : "SEV-VCEK", .issuer = intermediate_spec.subject, .serial = 0};
  crl_spec = {.issuer = ark_spec.subject, .serials = {99}};

  Put(report, 0x000, 3, 4);
  Put(report, 0x004, 7, 4);  // guest SVN
  Put(report, 0x008, 0x20000, 8);
  Put(report, 0x030, 2, 4);  // VMPL
  Put(report, 0x034, 1, 4);
  Put(report, 0x048, vlek ? 1u << 2 : 0, 4);
  Fill(report, 0x050, 64, 0xda);
  Fill(report, 0x090, 48, 0x5a);
  Fill(report, 0x0c0, 32, 0x40);
  Fill(report, 0x0e0, 48, 0x1d);
  Fill(report, 0x110, 48, 0xa0);
  report[0x188] =
      std::byte{product == SnpProduct::kTurin ? std::uint8_t{0x1a} : std::uint8_t{0x19}};
  report[0x189] =
      std::byte{product == SnpProduct::kGenoa ? std::uint8_t{0x11} : std::uint8_t{0x01}};
  if (!vlek) Fill(report, 0x1a0, HardwareIdBytes(product), 0xc4);
  tcb = {.fmc = std::nullopt, .boot_loader = 4, .tee = 3, .snp = 24, .microcode = 219};
  if (product == SnpProduct::kTurin) tcb.fmc = 5;
  SetAllTcbs(tcb);
}

void SnpPlatform::SetTcb(std::size_t offset, const SnpTcb& value) {
  const std::size_t shift = product == SnpProduct::kTurin ? 1 : 0;
  report[offset] = std::byte{value.fmc.value_or(0)};
  report[offset + shift] = std::byte{value.boot_loader};
  report[offset + shift + 1] = std::byte{value.tee};
  report[offset + (shift == 1 ? 3 : 6)] = std::byte{value.snp};
  report[offset + 7] = std::byte{value.microcode};
}

void SnpPlatform::SetAllTcbs(const SnpTcb& value) {
  tcb = value;
  for (const std::size_t offset : kTcbOffsets) SetTcb(offset, value);
}

std::vector<crypto::CertificateExtension> SnpPlatform::VekExtensions() const {
  const std::string arc = "1.3.6.1.4.1.3704.1.";
  std::vector<crypto::CertificateExtension> out = {
      {arc + "1", false, DerInteger(0)},
      {arc + "2", false, DerText(SnpProductName(product))},
      {arc + "3.1", false, DerInteger(tcb.boot_loader)},
      {arc + "3.2", false, DerInteger(tcb.tee)},
      {arc + "3.3", false, DerInteger(tcb.snp)},
      {arc + "3.8", false, DerInteger(tcb.microcode)}};
  if (tcb.fmc.has_value()) out.push_back({arc + "3.9", false, DerInteger(*tcb.fmc)});
  if (vlek) {
    out.push_back({arc + "5", false, DerText("CN=test.example")});
  } else {
    out.push_back({arc + "4", false, Bytes(HardwareIdBytes(product), std::byte{0xc4})});
  }
  return out;
}

Bytes SnpPlatform::SignedReport() const {
  Bytes out = report;
  const Bytes raw = Key(0).SignEcdsa(crypto::HashName::kSha384, report);
  out.resize(0x4a0);
  std::reverse_copy(raw.begin(), raw.begin() + 48, out.begin() + 0x2a0);
  std::reverse_copy(raw.begin() + 48, raw.end(), out.begin() + 0x2a0 + 72);
  return out;
}

std::map<std::string, Bytes> SnpPlatform::Files() const {
  auto vek = vek_spec;
  for (const auto& extension : VekExtensions()) vek.extensions.push_back(extension);
  return {{"report", SignedReport()},
          {"vek", crypto::testing::MakeCertificate(vek, Key(0), Key(1))},
          {"intermediate", crypto::testing::MakeCertificate(intermediate_spec, Key(1), Key(2))},
          {"ark", crypto::testing::MakeCertificate(ark_spec, Key(2), Key(2))},
          {"crl", crypto::testing::MakeRevocationList(crl_spec, Key(2))}};
}

std::map<std::string, Bytes> SnpPlatform::WithReport(std::map<std::string, Bytes> files) const {
  files["report"] = SignedReport();
  return files;
}

Bytes SnpPlatform::Table(const std::map<std::string, Bytes>& files) {
  const std::pair<const char*, const char*> entries[] = {
      {"c0b406a4a803495297433fb6014cd0ae", "ark"},
      {"4ab7b379bbac4fe4a02f05aef327c782", "intermediate"},
      {"63da758de6644564adc5f4b93be8accd", "vek"},
      {"92f81bc358114d3d97ffd19f88dc67ea", "crl"}};
  Bytes table, contents;
  for (const auto& [guid, role] : entries) {
    const Bytes& bytes = files.at(role);
    Bytes entry = FromHex(guid).value();
    entry.resize(24);
    Put(entry, 16, 24 * 5 + contents.size(), 4);
    Put(entry, 20, bytes.size(), 4);
    AppendBytes(table, entry);
    AppendBytes(contents, bytes);
  }
  table.resize(24 * 5);
  AppendBytes(table, contents);
  return table;
}

AppraisalPolicy SnpPlatform::Policy() const {
  SnpPolicy rules;
  rules.allow_smt = false;
  rules.require_crl = true;
  rules.vmpl = 2;
  rules.guest_svn_min = 7;
  rules.host_data = {Bytes(32, std::byte{0x40})};
  rules.id_key_digests = {Bytes(48, std::byte{0x1d})};
  rules.author_key_digests = {Bytes(48, std::byte{0xa0})};
  rules.tcb_floors = {{product, tcb}};
  rules.roots = {.vendor = false, .others = {Key(2).public_key().Fingerprint()}};
  return {.platforms = {Platform::kSevSnp},
          .measurements = {Bytes(48, std::byte{0x5a})},
          .sev_snp = rules};
}

UnverifiedFiles AddAll(const Kind& kind, const std::map<std::string, Bytes>& files) {
  UnverifiedFiles out;
  for (const auto& [role, bytes] : files) AH_CHECK(out.Add(kind.roles, role, bytes).ok());
  return out;
}

}  // namespace anchorhold::attest::testing
