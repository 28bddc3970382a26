#include "shared/attest/test_azure_vtpm.h"

#include <algorithm>

#include "shared/attest/azure_vtpm.h"
#include "shared/base/base64.h"

namespace anchorhold::attest::testing {
namespace {

constexpr std::size_t kHeaderBytes = 32 + 1184;
constexpr std::size_t kSnpReportDataAt = 0x050;
constexpr std::size_t kTdReportDataAt = 520;

void Little(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i));
}

void Put(Bytes& out, std::size_t at, ByteSpan bytes) {
  std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

std::string RuntimeClaims(const Tpm& tpm) {
  const Bytes spki = tpm.ak().public_key().spki();
  const std::string n =
      EncodeBase64(ByteSpan(spki).last(5 + 256).first(256), Base64::kUrl);  // the modulus
  return "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":\"AQAB\","
         "\"n\":\"" +
         n +
         "\"},{\"kid\":\"HCLEkPub\"}],\"vm-configuration\":{\"console-enabled\":false,"
         "\"secure-boot\":true,\"started\":[1,-2,1.5,null,\"x\"]},\"user-data\":\"00\"}";
}

AzureVm::AzureVm(HclReportType type_value)
    : type(type_value),
      intel(QuoteForm::kTdx4),
      claims(RuntimeClaims(tpm)),
      report_type(static_cast<std::uint32_t>(type_value)) {
  snp.report[0x030] = std::byte{0};  // VMPL
  BindClaims();
}

void AzureVm::BindClaims() {
  Bytes data = CopyBytes(crypto::Sha256(AsBytes(claims)).span());
  data.resize(64);
  Put(snp.report, kSnpReportDataAt, data);
  Put(intel.body, kTdReportDataAt, data);
}

Bytes AzureVm::TdReport() const {
  const ByteSpan body(intel.body);
  Bytes tcb_info(8, std::byte{0xff});
  AppendBytes(tcb_info, body.first(120));
  tcb_info.resize(239);
  Bytes td_info = CopyBytes(body.subspan(120, 400));
  td_info.resize(512);
  Bytes out(1024);
  out[0] = std::byte{0x81};
  Put(out, 16, Bytes(16, std::byte{0xc5}));
  Put(out, 32, crypto::Sha384(tcb_info).span());
  Put(out, 80, crypto::Sha384(td_info).span());
  Put(out, 128, body.subspan(kTdReportDataAt, 64));
  Put(out, 224, Bytes(32, std::byte{0x3a}));
  Put(out, 256, tcb_info);
  Put(out, 512, td_info);
  AppendBytes(out, td_report_padding);
  return out;
}

Bytes AzureVm::HclReport() const {
  Bytes out = CopyBytes(AsBytes("HCLA"));
  Little(out, version, 4);
  Little(out, kHeaderBytes + 20 + claims.size(), 4);
  Little(out, request_type, 4);
  Little(out, status, 4);
  out.resize(32);
  AppendBytes(out, type == HclReportType::kSnp ? snp.SignedReport() : TdReport());
  Little(out, 20 + claims.size(), 4);
  Little(out, runtime_version, 4);
  Little(out, report_type, 4);
  Little(out, hash_type, 4);
  Little(out, claims.size(), 4);
  AppendBytes(out, AsBytes(claims));
  AppendBytes(out, trailing);
  return out;
}

std::map<std::string, Bytes> AzureVm::WithEvidence(std::map<std::string, Bytes> files) const {
  files["hcl_report"] = HclReport();
  files["quote_attest"] = tpm.Attest();
  files["quote_signature"] = CopyBytes(ByteSpan(tpm.Sign(files["quote_attest"])).subspan(6));
  files["pcrs"] = tpm.Pcrs();
  if (type == HclReportType::kTdx) {
    auto td = files;
    td["quote"] = files["td_quote"];
    files["td_quote"] = intel.WithQuote(std::move(td)).at("quote");
  }
  return files;
}

std::map<std::string, Bytes> AzureVm::Files() const {
  std::map<std::string, Bytes> files;
  if (type == HclReportType::kSnp) {
    files = snp.Files();
    files.erase("report");
  } else {
    files = intel.Files();
    files["td_quote"] = files["quote"];
    files.erase("quote");
  }
  const std::map<std::string, Bytes> ak = tpm.Files();
  files["ak_cert"] = ak.at("ak_cert");
  files["ak_cert_intermediates"] = ak.at("ak_cert_intermediate");
  files["ak_cert_root"] = ak.at("ak_cert_root");
  files["ak_crl"] = ak.at("ak_crl");
  return WithEvidence(std::move(files));
}

AppraisalPolicy AzureVm::Policy() const {
  AppraisalPolicy out = type == HclReportType::kSnp ? snp.Policy() : intel.Policy();
  const AppraisalPolicy quote = tpm.Policy();
  AzureVtpmPolicy rules;
  rules.launch_measurements = out.measurements;
  rules.require_secure_boot = true;
  rules.require_ak_certificate = true;
  rules.require_crl = true;
  rules.roots = quote.tpm2->roots;
  rules.pcrs = quote.tpm2->pcrs;
  out.platforms = {Platform::kAzureVtpm};
  out.measurements = quote.measurements;
  out.azure_vtpm = rules;
  if (out.sev_snp.has_value()) out.sev_snp->vmpl = 0;
  return out;
}

}  // namespace anchorhold::attest::testing
