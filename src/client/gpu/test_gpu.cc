#include "client/gpu/test_gpu.h"

#include "shared/base/base64.h"
#include "shared/crypto/hash.h"

namespace anchorhold::client::testing {
namespace {

using crypto::testing::MakeCertificate;
using crypto::testing::TestKey;

// Of each GPU: the attestation key, the boot ROM's, the root's, the RIM signer's, the RIM root's.
constexpr std::size_t kKeysEach = 5;

constexpr const char* kSwid = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
constexpr const char* kHashes = "http://www.w3.org/2001/04/xmlenc#sha384";
constexpr const char* kDs = "http://www.w3.org/2000/09/xmldsig#";

void AppendLittle(Bytes& to, std::size_t value, int size) {
  for (int i = 0; i < size; ++i) to.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
}

Bytes Text(std::string_view text) {
  Bytes out = CopyBytes(AsBytes(text));
  out.push_back(std::byte{0});
  return out;
}

// SEQUENCE { SHA-384, digest }
std::string FwidHex(ByteSpan digest) {
  return "303d0609608648016503040202"
         "0430" +
         ToHex(digest);
}

std::string Element(const std::string& name, const std::string& attributes,
                    const std::string& content = "") {
  return "<" + name + (attributes.empty() ? "" : " " + attributes) + ">" + content + "</" + name +
         ">";
}

std::string Method(const std::string& name, const std::string& algorithm) {
  return Element("ds:" + name, "Algorithm=\"" + algorithm + "\"");
}

// What is in SignedInfo.
std::string SignedInfoContent(const std::string& digest) {
  const std::string c14n = "http://www.w3.org/2006/12/xml-c14n11";
  const std::string more = "http://www.w3.org/2001/04/xmldsig-more#";
  return Method("CanonicalizationMethod", c14n) + Method("SignatureMethod", more + "ecdsa-sha384") +
         Element("ds:Reference", "URI=\"\"",
                 Element("ds:Transforms", "",
                         Method("Transform", std::string(kDs) + "enveloped-signature") +
                             Method("Transform", c14n)) +
                     Method("DigestMethod", more + "sha384") +
                     Element("ds:DigestValue", "", digest));
}

}  // namespace

TestGpu::TestGpu(std::size_t which)
    : leaf_spec({.subject = "GT100 A01 GSP FMC LF", .issuer = "GT100 A01 GSP BROM"}),
      brom_spec(
          {.subject = "GT100 A01 GSP BROM", .issuer = "Device Root", .serial = 2, .ca = true}),
      root_spec({.subject = "Device Root", .issuer = "Device Root", .ca = true}),
      which_(which) {
  for (std::uint8_t i = 1; i <= 40; ++i) measurements[i] = Bytes(48, std::byte{i});
  opaque = {{GpuField::kDriverVersion, Text(kTestDriverVersion)},
            {GpuField::kVbiosVersion, FromHex("009f009601000000").value()},
            {GpuField::kNvdec0Status, Bytes(1, std::byte{0xaa})},
            {GpuField::kProject, Text("1010")},
            {GpuField::kFwid, fwid}};
}

const TestKey& TestGpu::Key(std::size_t i) const {
  static const std::vector<TestKey> kKeys = [] {
    std::vector<TestKey> keys;
    while (keys.size() < 2 * kKeysEach) {
      keys.push_back(TestKey::Generate(crypto::KeyType::kEcP384));
    }
    return keys;
  }();
  return kKeys[which_ * kKeysEach + i];
}

Bytes TestGpu::UnsignedReport() const {
  Bytes record;
  for (const auto& [index, value] : measurements) {
    AppendLittle(record, index | 0x100, 2);
    AppendLittle(record, value.size() + 3, 2);
    AppendLittle(record, 1, 1);
    AppendLittle(record, value.size(), 2);
    AppendBytes(record, value);
  }
  Bytes fields;
  for (const auto& [type, value] : opaque) {
    AppendLittle(fields, static_cast<std::size_t>(type), 2);
    AppendLittle(fields, value.size(), 2);
    AppendBytes(fields, value);
  }
  Bytes out = FromHex("11e001ff").value();
  AppendBytes(out, nonce);
  AppendBytes(out, FromHex("0011600000").value());  // the slot, and the response's head
  AppendLittle(out, measurements.size(), 1);
  AppendLittle(out, record.size(), 3);
  AppendBytes(out, record);
  AppendBytes(out, Bytes(kSpdmNonceBytes, std::byte{0x0e}));
  AppendLittle(out, fields.size(), 2);
  AppendBytes(out, fields);
  return out;
}

Bytes TestGpu::Sign(ByteSpan report) const {
  Bytes out = CopyBytes(report);
  AppendBytes(out, Key(0).SignEcdsa(crypto::HashName::kSha384, report));
  return out;
}

std::vector<std::string> TestGpu::Certificates() const {
  crypto::testing::CertificateSpec leaf = leaf_spec;
  // Hopper's holds a key, of which nobody reads more than that it is there.
  const std::string hopper =
      "020101"
      "3000" +
      FwidHex(fwid);
  const std::string fwids = FwidHex(fwid) + FwidHex(Bytes(48));
  const std::string dice =
      "8002"
      "4e56"
      "a67e" +
      fwids;
  const auto sequence = [](const std::string& content) {
    const Bytes size(1, static_cast<std::byte>(content.size() / 2));
    return "30" + std::string(content.size() >= 256 ? "81" : "") + ToHex(size) + content;
  };
  leaf.extensions.push_back({.oid = blackwell ? "2.23.133.5.4.1.1" : "2.23.133.5.4.1",
                             .value = FromHex(sequence(blackwell ? dice : hopper)).value()});
  return {crypto::testing::ToPem(MakeCertificate(leaf, Key(0), Key(1)), "CERTIFICATE"),
          crypto::testing::ToPem(MakeCertificate(brom_spec, Key(1), Key(2)), "CERTIFICATE"),
          crypto::testing::ToPem(MakeCertificate(root_spec, Key(2), Key(2)), "CERTIFICATE")};
}

std::string TestGpu::Rim(const RimSpec& spec) const {
  std::string resources;
  for (const auto& [index, hashes] : spec.active) {
    std::string attributes = "active=\"True\" alternatives=\"" + std::to_string(hashes.size()) +
                             "\" index=\"" + std::to_string(index) + "\" type=\"Measurement\"";
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      attributes += " h:Hash" + std::to_string(i) + "=\"" + ToHex(hashes[i]) + "\"";
    }
    resources += Element("Resource", attributes);
  }
  const std::string begin =
      "<SoftwareIdentity xmlns=\"" + std::string(kSwid) + "\" xmlns:h=\"" + kHashes +
      "\" name=\"GT100\">" +
      Element("Meta", "colloquialVersion=\"" + spec.id + "\" edition=\"GPU\" product=\"" +
                          spec.product + "\"") +
      Element("Payload", "", resources) + spec.extra;
  const std::string end = "</SoftwareIdentity>";
  const auto digest = crypto::Sha384(AsBytes(begin + end));
  const std::string info = SignedInfoContent(EncodeBase64(digest.span(), Base64::kStandard));
  // Alone, it has to state the name spaces that it is in.
  const std::string canonical = "<ds:SignedInfo xmlns=\"" + std::string(kSwid) + "\" xmlns:ds=\"" +
                                kDs + "\" xmlns:h=\"" + kHashes + "\">" + info + "</ds:SignedInfo>";
  const Bytes value = Key(3).SignEcdsa(crypto::HashName::kSha384, AsBytes(canonical));
  const crypto::testing::CertificateSpec root = {
      .subject = "RIM root", .issuer = "RIM root", .ca = true};
  std::string certificates;
  for (const Bytes& der :
       {MakeCertificate(spec.leaf, Key(3), Key(4)), MakeCertificate(root, Key(4), Key(4))}) {
    certificates += Element("ds:X509Certificate", "", EncodeBase64(der, Base64::kStandard));
  }
  return begin +
         Element("ds:Signature", "xmlns:ds=\"" + std::string(kDs) + "\"",
                 Element("ds:SignedInfo", "", info) +
                     Element("ds:SignatureValue", "", EncodeBase64(value, Base64::kStandard)) +
                     Element("ds:KeyInfo", "", Element("ds:X509Data", "", certificates))) +
         end;
}

RimSpec TestGpu::DriverRim() const {
  return {.active = {{1, {Bytes(48, std::byte{0x77}), measurements.at(2)}},
                     {2, {measurements.at(3)}},
                     {35, {measurements.at(36)}}}};
}

RimSpec TestGpu::VbiosRim() const {
  return {.id = kTestVbiosVersion, .active = {{0, {measurements.at(1)}}}};
}

std::map<std::string, Bytes> TestGpu::Files() const {
  std::string chain;
  for (const std::string& certificate : Certificates()) chain += certificate;
  return {{"report", Report()},
          {"cert_chain", CopyBytes(AsBytes(chain))},
          {"driver_rim", CopyBytes(AsBytes(Rim(DriverRim())))},
          {"vbios_rim", CopyBytes(AsBytes(Rim(VbiosRim())))}};
}

std::string TestGpu::EvidenceJson(const std::vector<std::map<std::string, Bytes>>& devices,
                                  ByteSpan nonce) {
  std::string out = "[";
  for (const auto& files : devices) {
    out += (out.size() > 1 ? ", " : "") +
           ("{\"arch\": \"HOPPER\", \"certificate\": \"" +
            EncodeBase64(files.at("cert_chain"), Base64::kStandard) + "\", \"evidence\": \"") +
           EncodeBase64(files.at("report"), Base64::kStandard) + "\", \"nonce\": \"" +
           ToHex(nonce) + "\"}";
  }
  return out + "]";
}

attest::AppraisalPolicy TestGpu::Policy() const {
  attest::NvidiaGpuPolicy rules;
  rules.require_driver_rim = rules.require_vbios_rim = true;
  rules.driver_versions = {kTestDriverVersion};
  rules.vbios_versions = {kTestVbiosVersion};
  rules.roots = {.vendor = false, .others = {Key(2).public_key().Fingerprint()}};
  rules.rim_roots = {.vendor = false, .others = {Key(4).public_key().Fingerprint()}};
  return {.platforms = {attest::Platform::kNvidiaGpu}, .measurements = {fwid}, .nvidia_gpu = rules};
}

}  // namespace anchorhold::client::testing
