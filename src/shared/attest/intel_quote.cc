#include "shared/attest/intel_quote.h"

#include "shared/attest/fields.h"
#include "shared/attest/td_report.h"

namespace anchorhold::attest {
namespace {

constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kScalarBytes = 32;
constexpr std::size_t kPairBytes = 2 * kScalarBytes;
constexpr std::uint16_t kEcdsaP256 = 2;
constexpr std::uint32_t kTeeSgx = 0;
constexpr std::uint32_t kTeeTdx = 0x81;
constexpr std::uint16_t kQeCertification = 6;

Error CutShort() { return InvalidInput("the quote ends early"); }

std::size_t BodyBytes(QuoteBody body) {
  switch (body) {
    case QuoteBody::kSgxReport:
      return kSgxReportBytes;
    case QuoteBody::kTdReport10:
      return kTdReport10Bytes;
    case QuoteBody::kTdReport15:
      return kTdReport15Bytes;
  }
  return 0;
}

Status VerifyPair(const crypto::PublicKey& key, ByteSpan message, ByteSpan signature) {
  AH_ASSIGN_OR_RETURN(const auto parsed, crypto::EcdsaSignature::FromRaw(signature));
  if (key.type() != crypto::KeyType::kEcP256) return IntegrityError("the key is not on P-256");
  return crypto::VerifyEcdsa(key, crypto::HashName::kSha256, message, parsed);
}

Status VerifyQuoted(ByteSpan attestation_key, ByteSpan message, ByteSpan signature) {
  const auto key =
      crypto::PublicKey::FromPoint(crypto::KeyType::kEcP256, attestation_key.first(kScalarBytes),
                                   attestation_key.subspan(kScalarBytes));
  if (!key.ok()) return key.error();
  return VerifyPair(*key, message, signature);
}

}  // namespace

// Up to and with the body.
Status UnverifiedIntelQuote::ParseHeader(ByteSpan bytes) {
  if (bytes.size() < kHeaderBytes) return CutShort();
  const Fields in(bytes);
  fields_.version = in.U16(0);
  fields_.key_type = in.U16(2);
  fields_.tee_type = in.U32(4);
  fields_.qe_svn = in.U16(8);
  fields_.pce_svn = in.U16(10);
  fields_.vendor_id = in.Copy(12, 16);
  fields_.user_data = in.Copy(28, 20);
  if (fields_.version < 3 || fields_.version > 5) {
    return Unsupported("a quote of version " + std::to_string(fields_.version) +
                       "; versions 3 to 5 are known here");
  }
  if (fields_.key_type != kEcdsaP256) {
    return Unsupported("a quote signed by algorithm " + std::to_string(fields_.key_type));
  }
  if (fields_.tee_type != (fields_.version == 3 ? kTeeSgx : kTeeTdx)) {
    return Unsupported("a quote of this version of TEE " + std::to_string(fields_.tee_type));
  }
  std::size_t at = kHeaderBytes;
  fields_.body_type = fields_.version == 3 ? QuoteBody::kSgxReport : QuoteBody::kTdReport10;
  if (fields_.version == 5) {
    if (bytes.size() < at + 6) return CutShort();
    fields_.body_type = static_cast<QuoteBody>(in.U16(at));
    if (fields_.body_type != QuoteBody::kTdReport10 &&
        fields_.body_type != QuoteBody::kTdReport15) {
      return Unsupported("a quote with a body of type " + std::to_string(in.U16(at)));
    }
    if (in.U32(at + 2) != BodyBytes(fields_.body_type)) {
      return InvalidInput("a body of another length than its type has");
    }
    at += 6;
  }
  const std::size_t body = BodyBytes(fields_.body_type);
  if (bytes.size() < at + body) return CutShort();
  fields_.body = in.Copy(at, body);
  signed_ = in.Copy(0, at + body);
  return Ok();
}

Status UnverifiedIntelQuote::ParseSignatureData(ByteSpan data) {
  if (data.size() < 2 * kPairBytes) return CutShort();
  const Fields in(data);
  signature_ = in.Copy(0, kPairBytes);
  attestation_key_ = in.Copy(kPairBytes, kPairBytes);
  ByteSpan qe = data.subspan(2 * kPairBytes);
  if (fields_.version == 3) return ParseQe(qe);
  if (qe.size() < 6) return CutShort();
  const Fields head(qe);
  if (head.U16(0) != kQeCertification) {
    return Unsupported("certification data of type " + std::to_string(head.U16(0)) +
                       " where the report of the quoting enclave is expected");
  }
  if (head.U32(2) != qe.size() - 6) return InvalidInput("sizes that contradict each other");
  return ParseQe(qe.subspan(6));
}

Status UnverifiedIntelQuote::ParseQe(ByteSpan data) {
  constexpr std::size_t kFixed = kSgxReportBytes + kPairBytes + 2;
  if (data.size() < kFixed) return CutShort();
  const Fields in(data);
  qe_report_ = in.Copy(0, kSgxReportBytes);
  qe_report_signature_ = in.Copy(kSgxReportBytes, kPairBytes);
  const std::size_t authentication = in.U16(kFixed - 2);
  if (data.size() - kFixed < authentication + 6) return CutShort();
  authentication_data_ = in.Copy(kFixed, authentication);
  const std::size_t at = kFixed + authentication;
  fields_.certification_type = in.U16(at);
  if (in.U32(at + 2) != data.size() - at - 6) {
    return InvalidInput("sizes that contradict each other");
  }
  fields_.certification_data = CopyBytes(data.subspan(at + 6));
  AH_ASSIGN_OR_RETURN(fields_.qe_report, ParseSgxReport(qe_report_));
  return Ok();
}

Result<UnverifiedIntelQuote> UnverifiedIntelQuote::Parse(ByteSpan bytes) {
  if (bytes.size() > kQuoteBytesMax) return LimitExceeded("a quote of more than 65536 bytes");
  UnverifiedIntelQuote quote;
  AH_RETURN_IF_ERROR(quote.ParseHeader(bytes));
  const ByteSpan rest = bytes.subspan(quote.signed_.size());
  if (rest.size() < 4) return CutShort();
  const std::size_t size = Fields(rest).U32(0);
  if (size > rest.size() - 4) return CutShort();
  AH_RETURN_IF_ERROR(quote.ParseSignatureData(rest.subspan(4, size)));
  quote.fields_.quote_bytes = bytes.size();
  quote.fields_.used_bytes = quote.signed_.size() + 4 + size;
  return quote;
}

Result<IntelQuoteFields> UnverifiedIntelQuote::VerifiedBy(Appraiser& appraiser,
                                                          const crypto::PublicKey& pck) const {
  AH_RETURN_IF_ERROR(
      appraiser.Check("qe_report_signature", VerifyPair(pck, qe_report_, qe_report_signature_)));
  Bytes named = attestation_key_;
  AppendBytes(named, authentication_data_);
  const ByteSpan report_data(fields_.qe_report.report_data);
  AH_RETURN_IF_ERROR(
      appraiser.Check("qe_report_data_binds_attestation_key",
                      BytesEqual(report_data.first(32), crypto::Sha256(named).span()) &&
                          AllZero(report_data.subspan(32)),
                      "the quoting enclave vouches for another attestation key"));
  AH_RETURN_IF_ERROR(
      appraiser.Check("quote_signature", VerifyQuoted(attestation_key_, signed_, signature_)));
  return fields_;
}

Claim IntelQuoteClaims(const IntelQuoteFields& fields) {
  Claim header = Claim::Map();
  header.Add("qe_vendor_id", Claim::Hex(fields.vendor_id));
  header.Add("user_data", Claim::Hex(fields.user_data));
  const bool sgx = fields.tee_type == kTeeSgx;
  if (sgx) {
    header.Add("qesvn", Claim::Number(fields.qe_svn));
    header.Add("pcesvn", Claim::Number(fields.pce_svn));
  }
  Claim out = Claim::Map();
  out.Add("version", Claim::Number(fields.version));
  out.Add("tee_type", Claim::Text(sgx ? "SGX" : "TDX"));
  out.Add("att_key_type", Claim::Number(fields.key_type));
  out.Add("header", std::move(header));
  if (fields.version == 5) {
    out.Add("body_type", Claim::Number(static_cast<std::uint16_t>(fields.body_type)));
    out.Add("body_size", Claim::Number(fields.body.size()));
  }
  out.Add("qe_report", SgxReportClaims(fields.qe_report));
  out.Add("certification_data_type", Claim::Number(fields.certification_type));
  out.Add("quote_length", Claim::Number(fields.quote_bytes));
  out.Add("used_length", Claim::Number(fields.used_bytes));
  out.Add("trailing_bytes", Claim::Number(fields.quote_bytes - fields.used_bytes));
  return out;
}

}  // namespace anchorhold::attest
