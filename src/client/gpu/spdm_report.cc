#include "client/gpu/spdm_report.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "shared/attest/little_reader.h"

namespace anchorhold::client {
namespace {

using attest::Claim;
using attest::Fields;
using attest::LittleReader;

constexpr std::size_t kRequestBytes = 4 + kSpdmNonceBytes + 1;
constexpr std::size_t kResponseHeadBytes = 8;
constexpr std::size_t kReportBytesMax = 256 * 1024;
constexpr std::size_t kGpuVersionBytes = 8;
constexpr std::string_view kEndsEarly = "it ends too early";
constexpr std::uint8_t kVersion11 = 0x11, kGetMeasurements = 0xe0, kMeasurements = 0x60;

Status ReadBlocks(ByteSpan record, std::size_t count, SpdmReportFields& out) {
  LittleReader reader(record, kEndsEarly);
  for (std::size_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const ByteSpan head_bytes, reader.Take(7));
    const Fields head(head_bytes);
    const std::uint16_t size = head.U16(2), value_size = head.U16(5);
    if (head.U8(0) == 0 || head.U8(1) != 1 || size != value_size + 3) {
      return InvalidInput("a measurement block is not of DMTF's form");
    }
    AH_ASSIGN_OR_RETURN(const ByteSpan value, reader.Take(value_size));
    if (!out.measurements.emplace(head.U8(0), CopyBytes(value)).second) {
      return InvalidInput("two measurement blocks have the same index");
    }
  }
  if (!reader.AtEnd()) return InvalidInput("bytes after the last measurement block");
  return Ok();
}

Status ReadOpaque(ByteSpan opaque, SpdmReportFields& out) {
  LittleReader reader(opaque, kEndsEarly);
  while (!reader.AtEnd()) {
    AH_ASSIGN_OR_RETURN(const ByteSpan head_bytes, reader.Take(4));
    const Fields head(head_bytes);
    AH_ASSIGN_OR_RETURN(const ByteSpan value, reader.Take(head.U16(2)));
    out.opaque[head.U16(0)].push_back(CopyBytes(value));
  }
  return Ok();
}

Claim TextOrNull(const std::string& text) {
  return text.empty() ? Claim::Null() : Claim::Text(text);
}

Claim HexOrNull(const Bytes* bytes) {
  return bytes == nullptr ? Claim::Null() : Claim::Hex(*bytes);
}

}  // namespace

const Bytes* SpdmReportFields::Find(GpuField type) const {
  const auto found = opaque.find(static_cast<std::uint16_t>(type));
  return found == opaque.end() ? nullptr : &found->second.front();
}

std::string SpdmReportFields::Text(GpuField type) const {
  const Bytes* const bytes = Find(type);
  if (bytes == nullptr) return "";
  const std::string text = CopyText(*bytes);
  return text.substr(0, text.find('\0'));
}

std::string SpdmReportFields::VbiosVersion() const {
  const Bytes* const bytes = Find(GpuField::kVbiosVersion);
  if (bytes == nullptr || bytes->size() != kGpuVersionBytes) {
    return Text(GpuField::kVbiosVersion);
  }
  const Fields fields(*bytes);
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "%02X.%02X.%02X.%02X.%02X", fields.U8(3), fields.U8(2),
                fields.U8(1), fields.U8(0), fields.U8(4));
  return text.data();
}

Result<UnverifiedSpdmReport> UnverifiedSpdmReport::Parse(ByteSpan bytes) {
  if (bytes.size() > kReportBytesMax) return InvalidInput("it is too long");
  UnverifiedSpdmReport out;
  SpdmReportFields& fields = out.fields_;
  LittleReader reader(bytes, kEndsEarly);
  AH_ASSIGN_OR_RETURN(const ByteSpan request_bytes, reader.Take(kRequestBytes));
  const Fields request(request_bytes);
  if (request.U8(0) != kVersion11 || request.U8(1) != kGetMeasurements) {
    return InvalidInput("it does not begin with a GET_MEASUREMENTS request of SPDM 1.1");
  }
  fields.request_param1 = request.U8(2);
  fields.request_param2 = request.U8(3);
  fields.request_nonce = request.Copy(4, kSpdmNonceBytes);
  fields.slot = request.U8(4 + kSpdmNonceBytes);
  AH_ASSIGN_OR_RETURN(const ByteSpan head_bytes, reader.Take(kResponseHeadBytes));
  const Fields head(head_bytes);
  if (head.U8(0) != kVersion11 || head.U8(1) != kMeasurements) {
    return InvalidInput("the request is not followed by a MEASUREMENTS response of SPDM 1.1");
  }
  fields.record_size = head.U16(5) | static_cast<std::size_t>(head.U8(7)) << 16;
  AH_ASSIGN_OR_RETURN(const ByteSpan record, reader.Take(fields.record_size));
  AH_RETURN_IF_ERROR(ReadBlocks(record, head.U8(4), fields));
  AH_ASSIGN_OR_RETURN(const ByteSpan nonce, reader.Take(kSpdmNonceBytes));
  fields.response_nonce = CopyBytes(nonce);
  AH_ASSIGN_OR_RETURN(fields.opaque_size, reader.U16());
  AH_ASSIGN_OR_RETURN(const ByteSpan opaque, reader.Take(fields.opaque_size));
  AH_RETURN_IF_ERROR(ReadOpaque(opaque, fields));
  AH_ASSIGN_OR_RETURN(const ByteSpan signature, reader.Take(kSpdmSignatureBytes));
  if (!reader.AtEnd()) return InvalidInput("bytes after the signature");
  out.signature_ = CopyBytes(signature);
  out.signed_ = CopyBytes(bytes.first(bytes.size() - kSpdmSignatureBytes));
  return out;
}

Result<SpdmReportFields> UnverifiedSpdmReport::VerifiedBy(const crypto::PublicKey& key) const {
  if (key.type() != crypto::KeyType::kEcP384) return IntegrityError("the key is not one on P-384");
  AH_ASSIGN_OR_RETURN(const auto signature, crypto::EcdsaSignature::FromRaw(signature_));
  AH_RETURN_IF_ERROR(crypto::VerifyEcdsa(key, crypto::HashName::kSha384, signed_, signature));
  return fields_;
}

Claim SpdmReportClaims(const SpdmReportFields& fields) {
  Claim request = Claim::Map();
  request.Add("nonce", Claim::Hex(fields.request_nonce))
      .Add("param1", Claim::Number(fields.request_param1))
      .Add("param2", Claim::Number(fields.request_param2))
      .Add("slot", Claim::Number(fields.slot));
  Claim response = Claim::Map();
  response.Add("nonce", Claim::Hex(fields.response_nonce))
      .Add("measurement_blocks", Claim::Number(fields.measurements.size()))
      .Add("measurement_record_length", Claim::Number(fields.record_size))
      .Add("opaque_length", Claim::Number(fields.opaque_size))
      .Add("signature_length", Claim::Number(kSpdmSignatureBytes))
      .Add("trailing_bytes", Claim::Number(0));  // Parse refuses any
  Claim opaque = Claim::Map();
  for (const auto& [type, values] : fields.opaque) {
    Claim list = Claim::List();
    for (const Bytes& value : values) list.Add(Claim::Hex(value));
    opaque.Add(std::to_string(type), std::move(list));
  }
  Claim measurements = Claim::Map();
  for (const auto& [index, value] : fields.measurements) {
    measurements.Add(std::to_string(index), Claim::Hex(value));
  }
  Claim out = Claim::Map();
  out.Add("request", std::move(request))
      .Add("response", std::move(response))
      .Add("driver_version", TextOrNull(fields.Text(GpuField::kDriverVersion)))
      .Add("vbios_version", TextOrNull(fields.VbiosVersion()))
      .Add("board_id", HexOrNull(fields.Find(GpuField::kBoardId)))
      .Add("chip_sku", TextOrNull(fields.Text(GpuField::kChipSku)))
      .Add("chip_sku_mod", TextOrNull(fields.Text(GpuField::kChipSkuMod)))
      .Add("project", TextOrNull(fields.Text(GpuField::kProject)))
      .Add("project_sku", TextOrNull(fields.Text(GpuField::kProjectSku)))
      .Add("nvdec0_status", HexOrNull(fields.Find(GpuField::kNvdec0Status)))
      .Add("fwid", HexOrNull(fields.Find(GpuField::kFwid)))
      .Add("opaque_fields", std::move(opaque))
      .Add("measurements", std::move(measurements));
  return out;
}

}  // namespace anchorhold::client
