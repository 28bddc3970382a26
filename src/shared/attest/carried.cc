#include "shared/attest/carried.h"

#include <algorithm>

#include "shared/attest/fields.h"
#include "shared/attest/tpm2_pcrs.h"
#include "shared/base/limits.h"
#include "shared/base/reader.h"
#include "shared/crypto/hash.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kMagic = "AHFILES1";
constexpr std::size_t kFilesMax = 16;
constexpr std::size_t kRoleBytesMax = 32;

Status CheckRole(std::string_view role) {
  const bool fits = !role.empty() && role.size() <= kRoleBytesMax &&
                    std::all_of(role.begin(), role.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                    });
  if (fits) return Ok();
  return InvalidInput("a role has 1 to 32 characters of a-z 0-9 _");
}

// Where a fixed layout has its measurement and its report data, from the layout's first byte.
struct Layout {
  std::size_t bytes;
  std::size_t measurement, measurement_bytes;
  std::size_t report_data;
};
constexpr Layout kSnpReport = {1184, 0x090, 48, 0x050};  // snp_report.h
constexpr Layout kTdReport = {584, 136, 48, 520};        // td_report.h
constexpr Layout kSgxReport = {384, 64, 32, 320};        // sgx_report.h
constexpr std::size_t kReportDataBytes = 64;

Result<UnverifiedStatement> At(const Layout& layout, ByteSpan file, std::size_t offset) {
  if (file.size() < offset || file.size() - offset < layout.bytes) {
    return InvalidInput("the evidence is too short");
  }
  const Fields fields(file.subspan(offset, layout.bytes));
  return UnverifiedStatement{
      .measurement = fields.Copy(layout.measurement, layout.measurement_bytes),
      .report_data = fields.Copy(layout.report_data, kReportDataBytes)};
}

// intel_quote.h: the body comes after the header, in version 5 after its type and size too.
Result<UnverifiedStatement> OfIntelQuote(Platform platform, ByteSpan quote) {
  constexpr std::size_t kHeader = 48;
  constexpr std::size_t kTypeAndSize = 6;
  if (quote.size() < kHeader) return InvalidInput("the quote is too short");
  const std::uint16_t version = Fields(quote).U16(0);
  if (platform == Platform::kSgxDcap && version == 3) return At(kSgxReport, quote, kHeader);
  if (platform == Platform::kTdx && version == 4) return At(kTdReport, quote, kHeader);
  if (platform == Platform::kTdx && version == 5) {
    return At(kTdReport, quote, kHeader + kTypeAndSize);
  }
  return Unsupported("a quote of version " + std::to_string(version));
}

Result<UnverifiedStatement> OfTpm2Quote(ByteSpan attest, ByteSpan pcrs) {
  AH_ASSIGN_OR_RETURN(const auto quote, UnverifiedTpm2Attest::Parse(attest));
  AH_ASSIGN_OR_RETURN(const Tpm2PcrValues values, ReadTpm2PcrValues(pcrs));
  const auto bank = values.find(Tpm2Hash::kSha256);
  if (bank == values.end() || !bank->second.contains(kTpm2EnclavePcr)) {
    return InvalidInput("the quote is not about PCR " + std::to_string(kTpm2EnclavePcr));
  }
  return UnverifiedStatement{.measurement = bank->second.at(kTpm2EnclavePcr),
                             .report_data = quote.unverified().extra_data};
}

Result<UnverifiedStatement> Statement(Platform platform, const std::vector<CarriedFile>& files) {
  const auto file = [&](std::string_view role) -> Result<ByteSpan> {
    for (const CarriedFile& candidate : files) {
      if (candidate.role == role) return ByteSpan(candidate.bytes);
    }
    return InvalidInput("no file has the role '" + std::string(role) + "'");
  };
  if (platform == Platform::kSevSnp) {
    AH_ASSIGN_OR_RETURN(const ByteSpan report, file("report"));
    if (report.size() != kSnpReport.bytes) return InvalidInput("a report has 1184 bytes");
    return At(kSnpReport, report, 0);
  }
  if (platform == Platform::kTdx || platform == Platform::kSgxDcap) {
    AH_ASSIGN_OR_RETURN(const ByteSpan quote, file("quote"));
    return OfIntelQuote(platform, quote);
  }
  if (platform == Platform::kTpm2) {
    AH_ASSIGN_OR_RETURN(const ByteSpan attest, file("attest"));
    AH_ASSIGN_OR_RETURN(const ByteSpan pcrs, file("pcrs"));
    return OfTpm2Quote(attest, pcrs);
  }
  return Unsupported("no enclave runs on \"" + std::string(PlatformName(platform)) +
                     "\" in this version");
}

}  // namespace

Result<Bytes> SerializeCarried(std::vector<CarriedFile> files) {
  if (files.empty() || files.size() > kFilesMax) {
    return LimitExceeded("evidence carries 1 to " + std::to_string(kFilesMax) + " files, not " +
                         std::to_string(files.size()));
  }
  std::sort(files.begin(), files.end(),
            [](const CarriedFile& a, const CarriedFile& b) { return a.role < b.role; });
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kMagic));
  writer.WriteU8(static_cast<std::uint8_t>(files.size()));
  std::size_t total = kMagic.size() + 1;
  for (std::size_t i = 0; i < files.size(); ++i) {
    AH_RETURN_IF_ERROR(CheckRole(files[i].role));
    if (i > 0 && files[i].role == files[i - 1].role) {
      return InvalidInput("two files have the role '" + files[i].role + "'");
    }
    total += 8 + files[i].role.size() + files[i].bytes.size();
    if (total > limits::kEvidenceBytesMax) {
      return LimitExceeded("evidence of more than " + std::to_string(limits::kEvidenceBytesMax) +
                           " bytes cannot be carried");
    }
    writer.WriteSized(AsBytes(files[i].role));
    writer.WriteSized(files[i].bytes);
  }
  return std::move(writer).Take();
}

Result<std::vector<CarriedFile>> ParseCarried(ByteSpan body) {
  if (body.size() > limits::kEvidenceBytesMax) return LimitExceeded("evidence is too long");
  ByteReader reader(body);
  AH_ASSIGN_OR_RETURN(const ByteSpan magic, reader.ReadBytes(kMagic.size()));
  if (AsText(magic) != kMagic) return InvalidInput("evidence is not a set of files");
  AH_ASSIGN_OR_RETURN(const std::uint8_t count, reader.ReadU8());
  if (count == 0 || count > kFilesMax) return InvalidInput("evidence carries 1 to 16 files");
  std::vector<CarriedFile> files;
  for (std::uint8_t i = 0; i < count; ++i) {
    AH_ASSIGN_OR_RETURN(const ByteSpan role, reader.ReadSized(kRoleBytesMax));
    AH_RETURN_IF_ERROR(CheckRole(AsText(role)));
    if (!files.empty() && AsText(role) <= files.back().role) {
      return InvalidInput("the files of evidence are not in ascending order of their roles");
    }
    AH_ASSIGN_OR_RETURN(const ByteSpan bytes, reader.ReadSized(limits::kEvidenceBytesMax));
    files.push_back({CopyText(role), CopyBytes(bytes)});
  }
  AH_RETURN_IF_ERROR(reader.ExpectEnd());
  return files;
}

Measurement Tpm2Measurement(ByteSpan executable) {
  Bytes extension(crypto::Sha256Digest::kSize);
  AppendBytes(extension, crypto::Sha256(executable).span());
  return CopyBytes(crypto::Sha256(extension).span());
}

Result<UnverifiedStatement> ReadUnverifiedStatement(const UnverifiedEvidence& evidence) {
  AH_ASSIGN_OR_RETURN(const auto files, ParseCarried(evidence.body));
  return Statement(evidence.platform, files);
}

}  // namespace anchorhold::attest
