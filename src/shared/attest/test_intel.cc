#include "shared/attest/test_intel.h"

#include <algorithm>

#include "shared/attest/fields.h"
#include "shared/attest/sgx_dcap.h"
#include "shared/attest/tdx.h"

namespace anchorhold::attest::testing {
namespace {

using crypto::testing::TestKey;

enum KeyOf : std::size_t { kPck, kCa, kRoot, kAttestation, kSigner };

// Made once: what a test bends is what they sign.
const TestKey& Key(std::size_t i) {
  static const TestKey keys[] = {
      TestKey::Generate(crypto::KeyType::kEcP256), TestKey::Generate(crypto::KeyType::kEcP256),
      TestKey::Generate(crypto::KeyType::kEcP256), TestKey::Generate(crypto::KeyType::kEcP256),
      TestKey::Generate(crypto::KeyType::kEcP256)};
  return keys[i];
}

void Fill(Bytes& bytes, std::size_t at, std::size_t size, std::uint8_t value) {
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{value});
}

void Append(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i));
}

void Copy(Bytes& out, std::size_t at, const Bytes& from) {
  std::copy(from.begin(), from.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

// DER of up to 65535 bytes.
Bytes Der(std::uint8_t tag, const Bytes& content) {
  Bytes out = {std::byte{tag}};
  if (content.size() >= 0x100) {
    out.push_back(std::byte{0x82});
    out.push_back(static_cast<std::byte>(content.size() >> 8));
  } else if (content.size() >= 0x80) {
    out.push_back(std::byte{0x81});
  }
  out.push_back(static_cast<std::byte>(content.size()));
  AppendBytes(out, content);
  return out;
}

Bytes DerInteger(std::uint32_t value) {
  Bytes content;
  for (int shift = 16; shift >= 0; shift -= 8) {
    const auto digit = static_cast<std::byte>(value >> shift & 0xff);
    if (!content.empty() || digit != std::byte{0} || shift == 0) content.push_back(digit);
  }
  if ((content.front() & std::byte{0x80}) != std::byte{0}) {
    content.insert(content.begin(), std::byte{0});
  }
  return Der(0x02, content);
}

// SEQUENCE { arc, value }, arcs below that of Intel's extension.
Bytes Entry(std::initializer_list<std::uint8_t> arc, const Bytes& value) {
  Bytes oid = FromHex("2a864886f84d010d01").value();
  for (const std::uint8_t number : arc) oid.push_back(std::byte{number});
  Bytes content = Der(0x06, oid);
  AppendBytes(content, value);
  return Der(0x30, content);
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string Judgement(const std::string& status, const std::vector<std::string>& advisories) {
  std::string out = ",\"tcbDate\":\"2025-05-14T00:00:00Z\",\"tcbStatus\":" + Quoted(status);
  if (advisories.empty()) return out;
  out += ",\"advisoryIDs\":[";
  for (const std::string& id : advisories) out += (out.back() == '[' ? "" : ",") + Quoted(id);
  return out + "]";
}

std::string IsvLevels(const std::vector<TestIsvLevel>& levels) {
  std::string out = "\"tcbLevels\":[";
  for (const TestIsvLevel& level : levels) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"tcb\":{\"isvsvn\":") +
           std::to_string(level.isv_svn) + "}" + Judgement(level.status, level.advisories) + "}";
  }
  return out + "]";
}

std::string Components(const std::string& name, const TcbComponents& components) {
  std::string out = Quoted(name) + ":[";
  for (const std::uint8_t svn : components) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"svn\":") + std::to_string(svn) + "}";
  }
  return out + "]";
}

std::string NamedComponents(const TcbComponents& components) {
  std::string out;
  for (std::size_t i = 0; i < components.size(); ++i) {
    out += std::string(i == 0 ? "" : ",") + "\"sgxtcbcomp" + (i < 9 ? "0" : "") +
           std::to_string(i + 1) + "svn\":" + std::to_string(components[i]);
  }
  return out;
}

std::string ModuleText(const TestModule& module) {
  return "\"mrsigner\":" + Quoted(std::string(96, '0')) +
         ",\"attributes\":" + Quoted(module.attributes) +
         ",\"attributesMask\":" + Quoted(module.attributes_mask);
}

std::string Dates(const TestDates& dates) {
  return ",\"issueDate\":" + Quoted(FormatTime(dates.from)) +
         ",\"nextUpdate\":" + Quoted(FormatTime(dates.to));
}

Bytes DigestOf(const TestEvent& event) {
  Bytes content;
  if (!event.name.empty()) {
    Append(content, 0x08000001, 4);
    AppendBytes(content, AsBytes(":" + event.name + ":"));
  }
  AppendBytes(content, AsBytes(event.payload));
  return CopyBytes(crypto::Sha384(content).span());
}

std::vector<std::uint8_t> Range(std::uint8_t first) {
  std::vector<std::uint8_t> out(kTcbComponents);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

Bytes TdBody(bool is_15) {
  Bytes body(is_15 ? 648 : 584);
  const auto svns = Range(20);
  for (std::size_t i = 0; i < svns.size(); ++i) body[i] = std::byte{svns[i]};
  body[1] = std::byte{1};
  Fill(body, 16, 48, 0x5e);
  body[123] = std::byte{0x10};  // SEPT_VE_DISABLE
  Fill(body, 128, 8, 0xfa);
  Fill(body, 136, 48, 0x5a);
  Fill(body, 184, 48, 0xc0);
  Fill(body, 232, 48, 0x01);
  Fill(body, 280, 48, 0x02);
  Fill(body, 520, 64, 0xda);
  if (is_15) {
    std::copy_n(body.begin(), 16, body.begin() + 584);
    Fill(body, 600, 48, 0x5d);
  }
  return body;
}

Bytes SgxBody() {
  Bytes body(384);
  Fill(body, 0, 16, 0x0b);
  body[48] = std::byte{5};
  Fill(body, 64, 32, 0x5a);
  Fill(body, 128, 32, 0x51);
  Fill(body, 192, 64, 0xcf);
  body[256] = std::byte{3};
  body[258] = std::byte{7};
  Fill(body, 320, 64, 0xda);
  return body;
}

}  // namespace

IntelPlatform::IntelPlatform(QuoteForm form_value) : form(form_value) {
  Append(header, form == QuoteForm::kSgx3 ? 3 : form == QuoteForm::kTdx4 ? 4 : 5, 2);
  Append(header, 2, 2);
  Append(header, IsTd() ? 0x81 : 0, 4);
  Append(header, IsTd() ? 0 : 0x000d0008, 4);
  AppendBytes(header, FromHex("939a7233f79c4ca9940a0db3957f0607").value());
  header.resize(48);
  body = IsTd() ? TdBody(form == QuoteForm::kTdx5) : SgxBody();

  qe_report.resize(384);
  qe_report[48] = std::byte{0x15};
  Fill(qe_report, 64, 32, 0xee);
  Copy(qe_report, 128, FromHex(QeSigner()).value());
  qe_report[256] = std::byte{IsTd() ? std::uint8_t{2} : std::uint8_t{1}};
  qe_report[258] = std::byte{8};
  authentication_data = Bytes(32, std::byte{0xad});
  trailing = Bytes(IsTd() ? 7 : 0);

  const auto svns = Range(3);
  std::copy(svns.begin(), svns.end(), components.begin());
  fmspc = FromHex("00906ed50000").value();
  pceid = Bytes(2);
  TestLevel level{.sgx = components, .pce_svn = pce_svn};
  for (std::size_t i = 0; i < 16 && IsTd(); ++i) {
    level.tdx[i] = std::to_integer<std::uint8_t>(body[i]);
  }
  TestLevel older = level;
  older.sgx[0] = 1;
  older.status = "OutOfDate";
  older.advisories = {"INTEL-SA-00001"};
  levels = {level, older};
  qe_levels = {{.isv_svn = 8}, {.isv_svn = 6, .status = "OutOfDate"}};
  if (IsTd()) {
    modules = {
        {.id = "TDX_03", .levels = {{.isv_svn = 3}}},
        {.id = "TDX_01", .levels = {{.isv_svn = 20}, {.isv_svn = 2, .status = "OutOfDate"}}}};
  }
  tcb_info_id = IsTd() ? "TDX" : "SGX";
  qe_identity_id = IsTd() ? "TD_QE" : "QE";

  root_spec = {.subject = "Intel SGX Root CA", .issuer = "Intel SGX Root CA", .ca = true};
  ca_spec = {.subject = "Intel SGX PCK Platform CA",
             .issuer = "Intel SGX Root CA",
             .serial = 70001,
             .ca = true,
             .path_length = 0};
  pck_spec = {.subject = "Intel SGX PCK Certificate",
              .issuer = "Intel SGX PCK Platform CA",
              .serial = 70002,
              .key_usage = "critical,digitalSignature"};
  signer_spec = {.subject = "Intel SGX TCB Signing",
                 .issuer = "Intel SGX Root CA",
                 .serial = 70003,
                 .key_usage = "critical,digitalSignature"};
  pck_crl_spec = {.issuer = ca_spec.subject, .serials = {99}};
  root_crl_spec = {.issuer = root_spec.subject, .serials = {98}};

  events = {{.rtmr = 0, .name = "", .payload = "firmware"},
            {.rtmr = 0, .name = "", .payload = "tables"},
            {.rtmr = 1, .name = "", .payload = "kernel"},
            {.rtmr = 3, .name = "app-id", .payload = "an app"}};
  if (IsTd()) SetRtmrs();
}

std::string IntelPlatform::QeSigner() const {
  return IsTd() ? "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"
                : "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff";
}

Bytes IntelPlatform::PckExtension() const {
  Bytes tcb;
  for (std::uint8_t i = 0; i < kTcbComponents; ++i) {
    AppendBytes(tcb, Entry({2, static_cast<std::uint8_t>(i + 1)}, DerInteger(components[i])));
  }
  AppendBytes(tcb, Entry({2, 17}, DerInteger(pce_svn)));
  AppendBytes(tcb, Entry({2, 18}, Der(0x04, Bytes(16, std::byte{0x0c}))));
  Bytes configuration;
  for (const std::uint8_t i : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    AppendBytes(configuration, Entry({7, i}, Der(0x01, {std::byte{0xff}})));
  }
  Bytes all = Entry({1}, Der(0x04, Bytes(16, std::byte{0x99})));
  AppendBytes(all, Entry({2}, Der(0x30, tcb)));
  AppendBytes(all, Entry({3}, Der(0x04, pceid)));
  AppendBytes(all, Entry({4}, Der(0x04, fmspc)));
  AppendBytes(all, Entry({5}, Der(0x0a, {std::byte{1}})));
  AppendBytes(all, Entry({6}, Der(0x04, Bytes(16, std::byte{0x66}))));
  AppendBytes(all, Entry({7}, Der(0x30, configuration)));
  return Der(0x30, all);
}

std::string IntelPlatform::PckChain() const {
  using crypto::testing::MakeCertificate;
  using crypto::testing::ToPem;
  auto pck = pck_spec;
  pck.extensions.push_back({"1.2.840.113741.1.13.1", false, PckExtension()});
  return ToPem(MakeCertificate(pck, Key(kPck), Key(kCa)), "CERTIFICATE") +
         ToPem(MakeCertificate(ca_spec, Key(kCa), Key(kRoot)), "CERTIFICATE") +
         ToPem(MakeCertificate(root_spec, Key(kRoot), Key(kRoot)), "CERTIFICATE");
}

Bytes IntelPlatform::SignedQuote(const Bytes& chain) const {
  Bytes quoted = header;
  if (form == QuoteForm::kTdx5) {
    Append(quoted, 3, 2);
    Append(quoted, body.size(), 4);
  }
  AppendBytes(quoted, body);
  // The point is at the end of the SubjectPublicKeyInfo.
  const Bytes spki = Key(kAttestation).public_key().spki();
  const Bytes key(spki.end() - 64, spki.end());
  Bytes named = key;
  AppendBytes(named, authentication_data);
  Bytes report = qe_report;
  Copy(report, 320,
       qe_report_data.empty() ? CopyBytes(crypto::Sha256(named).span()) : qe_report_data);

  Bytes qe = report;
  AppendBytes(qe, Key(kPck).SignEcdsa(crypto::HashName::kSha256, report));
  Append(qe, authentication_data.size(), 2);
  AppendBytes(qe, authentication_data);
  Append(qe, certification_type, 2);
  Append(qe, chain.size(), 4);
  AppendBytes(qe, chain);

  Bytes data = Key(kAttestation).SignEcdsa(crypto::HashName::kSha256, quoted);
  AppendBytes(data, key);
  if (IsTd()) {
    Append(data, 6, 2);
    Append(data, qe.size(), 4);
  }
  AppendBytes(data, qe);

  Bytes out = quoted;
  Append(out, data.size(), 4);
  AppendBytes(out, data);
  AppendBytes(out, trailing);
  return out;
}

Bytes IntelPlatform::SignDocument(std::string_view name, std::string_view value) {
  const Bytes signature = Key(kSigner).SignEcdsa(crypto::HashName::kSha256, AsBytes(value));
  return CopyBytes(AsBytes("{\"" + std::string(name) + "\":" + std::string(value) +
                           ",\"signature\":\"" + ToHex(signature) + "\"}"));
}

std::string IntelPlatform::TcbInfoText() const {
  std::string out = "{";
  if (tcb_info_version == 3) out += "\"id\":" + Quoted(tcb_info_id) + ",";
  out += "\"version\":" + std::to_string(tcb_info_version) + Dates(tcb_info_dates) +
         ",\"fmspc\":" + Quoted(ToHex(fmspc)) + ",\"pceId\":" + Quoted(ToHex(pceid)) +
         ",\"tcbType\":0,\"tcbEvaluationDataNumber\":" + std::to_string(evaluation_number);
  if (tcb_info_id == "TDX") {
    out += ",\"tdxModule\":{" + ModuleText({}) + "},\"tdxModuleIdentities\":[";
    for (const TestModule& module : modules) {
      out += (out.back() == '[' ? "" : ",") + std::string("{\"id\":") + Quoted(module.id) + "," +
             ModuleText(module) + "," + IsvLevels(module.levels) + "}";
    }
    out += "]";
  }
  out += ",\"tcbLevels\":[";
  for (const TestLevel& level : levels) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"tcb\":{") +
           (tcb_info_version == 2 ? NamedComponents(level.sgx)
                                  : Components("sgxtcbcomponents", level.sgx)) +
           ",\"pcesvn\":" + std::to_string(level.pce_svn);
    if (tcb_info_id == "TDX") out += "," + Components("tdxtcbcomponents", level.tdx);
    out += "}" + Judgement(level.status, level.advisories) + "}";
  }
  return out + "]}";
}

std::string IntelPlatform::QeIdentityText() const {
  return "{\"id\":" + Quoted(qe_identity_id) + ",\"version\":2" + Dates(qe_identity_dates) +
         ",\"tcbEvaluationDataNumber\":" + std::to_string(evaluation_number) +
         ",\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\"" +
         ",\"attributes\":\"11000000000000000000000000000000\"" +
         ",\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\"" +
         ",\"mrsigner\":" + Quoted(QeSigner()) + ",\"isvprodid\":" + (IsTd() ? "2," : "1,") +
         IsvLevels(qe_levels) + "}";
}

std::map<std::string, Bytes> IntelPlatform::Files() const {
  const std::string chain = PckChain();
  const std::string signer =
      crypto::testing::ToPem(
          crypto::testing::MakeCertificate(signer_spec, Key(kSigner), Key(kRoot)), "CERTIFICATE") +
      crypto::testing::ToPem(crypto::testing::MakeCertificate(root_spec, Key(kRoot), Key(kRoot)),
                             "CERTIFICATE");
  std::map<std::string, Bytes> files;
  files["quote"] = SignedQuote(certification_data.value_or(CopyBytes(AsBytes(chain))));
  files["tcb_info_issuer_chain"] = CopyBytes(AsBytes(signer));
  files["qe_identity_issuer_chain"] = CopyBytes(AsBytes(signer));
  files["pck_crl"] = crypto::testing::MakeRevocationList(pck_crl_spec, Key(kCa));
  files["root_ca_crl"] = crypto::testing::MakeRevocationList(root_crl_spec, Key(kRoot));
  return WithDocuments(std::move(files));
}

std::map<std::string, Bytes> IntelPlatform::WithQuote(std::map<std::string, Bytes> files) const {
  static const std::string pem = "-----BEGIN";
  const std::string text = CopyText(files.at("quote"));
  const std::size_t at = text.find(pem);
  AH_CHECK(at != std::string::npos);
  const std::size_t end = text.rfind("-----\n") + 6;
  files["quote"] = SignedQuote(CopyBytes(AsBytes(text.substr(at, end - at))));
  return files;
}

std::map<std::string, Bytes> IntelPlatform::WithDocuments(
    std::map<std::string, Bytes> files) const {
  files["tcb_info"] = SignDocument("tcbInfo", TcbInfoText());
  files["qe_identity"] = SignDocument("enclaveIdentity", QeIdentityText());
  return files;
}

void IntelPlatform::SetRtmrs() {
  Bytes rtmrs[4] = {Bytes(48), Bytes(48), Bytes(48), Bytes(48)};
  for (const TestEvent& event : events) {
    AppendBytes(rtmrs[event.rtmr], DigestOf(event));
    rtmrs[event.rtmr] = CopyBytes(crypto::Sha384(rtmrs[event.rtmr]).span());
  }
  for (std::size_t i = 0; i < 4; ++i) Copy(body, 328 + 48 * i, rtmrs[i]);
}

Bytes IntelPlatform::CcelLog() const {
  Bytes out;
  Append(out, 1, 4);
  Append(out, 3, 4);
  out.resize(out.size() + 20);
  Append(out, 33, 4);
  AppendBytes(out, AsBytes(std::string_view("Spec ID Event03\0", 16)));
  Append(out, 0, 4);
  Append(out, 0x02000200, 4);
  Append(out, 1, 4);
  Append(out, 0x0030000c, 4);
  Append(out, 0, 1);
  for (const TestEvent& event : events) {
    Append(out, event.rtmr + 1, 4);
    Append(out, 0x0d, 4);
    Append(out, 1, 4);
    Append(out, 0x000c, 2);
    AppendBytes(out, DigestOf(event));
    Append(out, event.payload.size(), 4);
    AppendBytes(out, AsBytes(event.payload));
  }
  out.resize(out.size() + 40, std::byte{0xff});
  return out;
}

Bytes IntelPlatform::DstackLog() const {
  std::string out = "[";
  for (const TestEvent& event : events) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"imr\":") + std::to_string(event.rtmr) +
           ",\"event_type\":" + (event.name.empty() ? "10" : "134217729") +
           ",\"digest\":" + Quoted(ToHex(DigestOf(event))) + ",\"event\":" + Quoted(event.name) +
           ",\"event_payload\":" + Quoted(ToHex(AsBytes(event.payload))) + "}";
  }
  return CopyBytes(AsBytes(out + "]"));
}

Kind IntelPlatform::kind() const { return IsTd() ? kTdxKind : kSgxDcapKind; }

AppraisalPolicy IntelPlatform::Policy() const {
  IntelRules intel;
  intel.require_crls = true;
  intel.tcb_statuses = {TcbStatus::kUpToDate};
  intel.tcb_advisories = std::vector<std::string>();
  intel.evaluation_number_min = evaluation_number;
  intel.roots = {.vendor = false, .others = {Key(kRoot).public_key().Fingerprint()}};
  AppraisalPolicy out;
  out.platforms = {kind().platform};
  const auto at = [&](std::size_t offset, std::size_t size) {
    return std::vector<Bytes>{Fields(body).Copy(offset, size)};
  };
  if (!IsTd()) {
    out.measurements = at(64, 32);
    SgxPolicy rules;
    rules.mr_signer = at(128, 32);
    rules.config_id = at(192, 64);
    rules.isv_prod_id = 3;
    rules.isv_svn_min = 7;
    rules.intel = intel;
    out.sgx_dcap = rules;
    return out;
  }
  out.measurements = at(136, 48);
  TdxPolicy rules;
  rules.require_sept_ve_disable = true;
  rules.td_attributes = at(120, 8);
  rules.xfam = at(128, 8);
  rules.mr_seam = at(16, 48);
  rules.mr_config_id = at(184, 48);
  rules.mr_owner = at(232, 48);
  rules.mr_owner_config = at(280, 48);
  if (form == QuoteForm::kTdx5) rules.mr_service_td = at(600, 48);
  for (std::size_t i = 0; i < 4; ++i) rules.rtmrs[i] = at(328 + 48 * i, 48);
  rules.intel = intel;
  out.tdx = rules;
  return out;
}

}  // namespace anchorhold::attest::testing
