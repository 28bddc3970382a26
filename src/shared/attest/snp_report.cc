#include "shared/attest/snp_report.h"

#include "shared/attest/fields.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kReportBytes = 0x4a0;
constexpr std::size_t kSignedBytes = 0x2a0;
constexpr std::size_t kScalarBytes = 72;
constexpr std::uint32_t kEcdsaP384Sha384 = 1;

std::string FirmwareAt(const Fields& in, std::size_t at) {
  return std::to_string(in.U8(at + 2)) + "." + std::to_string(in.U8(at + 1)) + "." +
         std::to_string(in.U8(at));
}

SnpReportFields ReadFields(const Fields& in) {
  SnpReportFields out;
  out.version = in.U32(0x000);
  out.guest_svn = in.U32(0x004);
  out.policy = in.U64(0x008);
  out.family_id = in.Copy(0x010, 16);
  out.image_id = in.Copy(0x020, 16);
  out.vmpl = in.U32(0x030);
  out.signature_algo = in.U32(0x034);
  out.current_tcb = in.Copy(0x038, 8);
  out.platform_info = in.U64(0x040);
  out.key_info = in.U32(0x048);
  out.report_data = in.Copy(0x050, 64);
  out.measurement = in.Copy(0x090, 48);
  out.host_data = in.Copy(0x0c0, 32);
  out.id_key_digest = in.Copy(0x0e0, 48);
  out.author_key_digest = in.Copy(0x110, 48);
  out.report_id = in.Copy(0x140, 32);
  out.report_id_ma = in.Copy(0x160, 32);
  out.reported_tcb = in.Copy(0x180, 8);
  out.chip_id = in.Copy(0x1a0, 64);
  out.committed_tcb = in.Copy(0x1e0, 8);
  out.current_firmware = FirmwareAt(in, 0x1e8);
  out.committed_firmware = FirmwareAt(in, 0x1ec);
  out.launch_tcb = in.Copy(0x1f0, 8);
  if (out.version >= 3) {
    out.cpuid_family = in.U8(0x188);
    out.cpuid_model = in.U8(0x189);
    out.cpuid_stepping = in.U8(0x18a);
  }
  if (out.version >= 5) {
    out.launch_mit_vector = in.U64(0x1f8);
    out.current_mit_vector = in.U64(0x200);
  }
  return out;
}

Claim PolicyClaim(std::uint64_t policy) {
  Claim out = Claim::Map();
  out.Add("abi_minor", Claim::Number(policy & 0xff));
  out.Add("abi_major", Claim::Number(policy >> 8 & 0xff));
  constexpr const char* kBits[] = {"smt",
                                   "reserved1",
                                   "migrate_ma",
                                   "debug",
                                   "single_socket",
                                   "cxl_allow",
                                   "mem_aes256_xts",
                                   "rapl_dis",
                                   "ciphertext_hiding",
                                   "page_swap_disable"};
  int bit = 16;
  for (const char* name : kBits) out.Add(name, Claim::Number(policy >> bit++ & 1));
  return out;
}

Claim TcbClaim(const Bytes& raw, SnpProduct product) {
  const SnpTcb tcb = ParseSnpTcb(raw, product);
  Claim out = Claim::Map();
  if (tcb.fmc.has_value()) out.Add("fmc", Claim::Number(*tcb.fmc));
  out.Add("bl", Claim::Number(tcb.boot_loader));
  out.Add("tee", Claim::Number(tcb.tee));
  out.Add("snp", Claim::Number(tcb.snp));
  out.Add("ucode", Claim::Number(tcb.microcode));
  out.Add("raw", Claim::Hex(raw));
  return out;
}

std::string_view SigningKeyName(SnpSigningKey key) {
  switch (key) {
    case SnpSigningKey::kVcek:
      return "VCEK";
    case SnpSigningKey::kVlek:
      return "VLEK";
    case SnpSigningKey::kNone:
      return "none";
    case SnpSigningKey::kReserved:
      return "reserved";
  }
  return "reserved";
}

std::string Cpuid(const SnpReportFields& fields) {
  return Claim::HexNumber(*fields.cpuid_family, 2).text() + "/" +
         Claim::HexNumber(*fields.cpuid_model, 2).text() + "/" +
         Claim::HexNumber(*fields.cpuid_stepping, 2).text();
}

}  // namespace

std::string_view SnpProductName(SnpProduct product) {
  switch (product) {
    case SnpProduct::kMilan:
      return "Milan";
    case SnpProduct::kGenoa:
      return "Genoa";
    case SnpProduct::kTurin:
      return "Turin";
  }
  return "unknown";
}

Result<SnpProduct> ParseSnpProduct(std::string_view name) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    if (name == SnpProductName(product)) return product;
  }
  return InvalidInput("no such product; there are \"Milan\", \"Genoa\" and \"Turin\"");
}

SnpTcb ParseSnpTcb(ByteSpan raw, SnpProduct product) {
  const Fields in(raw);
  if (product == SnpProduct::kTurin) {
    return {.fmc = in.U8(0),
            .boot_loader = in.U8(1),
            .tee = in.U8(2),
            .snp = in.U8(3),
            .microcode = in.U8(7)};
  }
  return {.fmc = std::nullopt,
          .boot_loader = in.U8(0),
          .tee = in.U8(1),
          .snp = in.U8(6),
          .microcode = in.U8(7)};
}

SnpSigningKey SnpReportFields::SigningKey() const {
  switch (key_info >> 2 & 7) {
    case 0:
      return SnpSigningKey::kVcek;
    case 1:
      return SnpSigningKey::kVlek;
    case 7:
      return SnpSigningKey::kNone;
    default:
      return SnpSigningKey::kReserved;
  }
}

std::optional<SnpProduct> SnpReportFields::Product() const {
  if (!cpuid_family.has_value()) return std::nullopt;
  const std::uint32_t model = *cpuid_model >> 4;
  if (*cpuid_family == 0x19 && model == 0x0) return SnpProduct::kMilan;
  if (*cpuid_family == 0x19 && (model == 0x1 || model == 0xa)) return SnpProduct::kGenoa;
  if (*cpuid_family == 0x1a) return SnpProduct::kTurin;
  return std::nullopt;
}

Result<UnverifiedSnpReport> UnverifiedSnpReport::Parse(ByteSpan bytes) {
  if (bytes.size() != kReportBytes) {
    return InvalidInput("an SEV-SNP report has 1184 bytes, not " + std::to_string(bytes.size()));
  }
  UnverifiedSnpReport report;
  report.bytes_ = CopyBytes(bytes);
  report.fields_ = ReadFields(Fields(bytes));
  if (report.fields_.version < 2 || report.fields_.version > 5) {
    return Unsupported("a report of version " + std::to_string(report.fields_.version) +
                       "; versions 2 to 5 are known here");
  }
  if (report.fields_.signature_algo != kEcdsaP384Sha384) {
    return Unsupported("a report signed by algorithm " +
                       std::to_string(report.fields_.signature_algo));
  }
  if (!AllZero(bytes.subspan(kSignedBytes + 2 * kScalarBytes))) {
    return InvalidInput("bytes after the signature that are not zero");
  }
  return report;
}

Result<SnpReportFields> UnverifiedSnpReport::VerifiedBy(const crypto::PublicKey& key) const {
  const Fields in(bytes_);
  AH_ASSIGN_OR_RETURN(const auto signature, crypto::EcdsaSignature::FromRaw(
                                                in.Span(kSignedBytes, kScalarBytes),
                                                in.Span(kSignedBytes + kScalarBytes, kScalarBytes),
                                                crypto::ByteOrder::kLittleEndian));
  if (key.type() != crypto::KeyType::kEcP384) return IntegrityError("the key is not on P-384");
  AH_RETURN_IF_ERROR(
      crypto::VerifyEcdsa(key, crypto::HashName::kSha384, in.Span(0, kSignedBytes), signature));
  return fields_;
}

Claim SnpReportClaims(const SnpReportFields& fields, SnpProduct product) {
  Claim out = Claim::Map();
  out.Add("version", Claim::Number(fields.version));
  out.Add("guest_svn", Claim::Number(fields.guest_svn));
  out.Add("policy", Claim::HexNumber(fields.policy, 16));
  out.Add("policy_bits", PolicyClaim(fields.policy));
  out.Add("family_id", Claim::Hex(fields.family_id));
  out.Add("image_id", Claim::Hex(fields.image_id));
  out.Add("vmpl", Claim::Number(fields.vmpl));
  out.Add("signature_algo", Claim::Number(fields.signature_algo));
  out.Add("current_tcb", TcbClaim(fields.current_tcb, product));
  out.Add("platform_info", Claim::HexNumber(fields.platform_info, 16));
  out.Add("key_info", Claim::HexNumber(fields.key_info, 8));
  out.Add("author_key_en", Claim::Number(fields.key_info & 1));
  out.Add("mask_chip_key", Claim::Number(fields.ChipKeyMasked() ? 1 : 0));
  out.Add("signing_key", Claim::Text(SigningKeyName(fields.SigningKey())));
  out.Add("report_data", Claim::Hex(fields.report_data));
  out.Add("measurement", Claim::Hex(fields.measurement));
  out.Add("host_data", Claim::Hex(fields.host_data));
  out.Add("id_key_digest", Claim::Hex(fields.id_key_digest));
  out.Add("author_key_digest", Claim::Hex(fields.author_key_digest));
  out.Add("report_id", Claim::Hex(fields.report_id));
  out.Add("report_id_ma", Claim::Hex(fields.report_id_ma));
  out.Add("reported_tcb", TcbClaim(fields.reported_tcb, product));
  if (fields.cpuid_family.has_value()) {
    out.Add("cpuid_fam_mod_step", Claim::Text(Cpuid(fields)));
    const auto named = fields.Product();
    out.Add("product_from_report", Claim::Text(named ? SnpProductName(*named) : "unknown"));
  }
  out.Add("chip_id", Claim::Hex(fields.chip_id));
  out.Add("committed_tcb", TcbClaim(fields.committed_tcb, product));
  out.Add("current_fw", Claim::Text(fields.current_firmware));
  out.Add("committed_fw", Claim::Text(fields.committed_firmware));
  out.Add("launch_tcb", TcbClaim(fields.launch_tcb, product));
  if (fields.launch_mit_vector.has_value()) {
    out.Add("launch_mit_vector", Claim::Number(*fields.launch_mit_vector));
    out.Add("current_mit_vector", Claim::Number(*fields.current_mit_vector));
  }
  return out;
}

}  // namespace anchorhold::attest
