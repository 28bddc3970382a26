// Intel's quotes, versions 3 (SGX) and 4 and 5 (TDX), signed with ECDSA P-256 and SHA-256. Integers
// little-endian; coordinates and signatures (x, y, r, s; 32 bytes each) big-endian.
//
//   quote 3 = header(48) enclave report(384) size(4) signature data
//   quote 4 = header(48) TD report(584)      size(4) signature data
//   quote 5 = header(48) body type(2) size(4) body size(4) signature data  body 2: 584, 3: 648
//   bytes header = version(2) key type(2) TEE(4: 0 SGX, 0x81 TDX) QE SVN(2) PCE SVN(2) vendor(16)
//   user(20) signature data = signature(64) key(64) qe            in version 3
//                  / signature(64) key(64) 6(2) size(4) qe    in versions 4 and 5
//   qe = QE's enclave report(384) signature(64) size(2) authentication data  type(2) size(4) data
//
// What follows the signature data is the buffer of whoever asked for the quote, and nothing of
// ours.
//   1. The attestation key signed everything ahead of the signature data's size.
//   2. QE's report data is SHA-256(key || authentication data) and 32 zeros.
//   3. The PCK certificate's key signed QE's report.
#pragma once

#include <optional>

#include "shared/attest/result.h"
#include "shared/attest/sgx_report.h"
#include "shared/crypto/public_key.h"

namespace anchorhold::attest {

inline constexpr std::size_t kQuoteBytesMax = 64 * 1024;

// What the quote's body is, numbered as version 5 does.
enum class QuoteBody : std::uint16_t { kSgxReport = 1, kTdReport10 = 2, kTdReport15 = 3 };

struct IntelQuoteFields {
  std::uint16_t version = 0;
  std::uint16_t key_type = 0;
  std::uint32_t tee_type = 0;
  std::uint16_t qe_svn = 0;
  std::uint16_t pce_svn = 0;
  Bytes vendor_id, user_data;
  QuoteBody body_type = QuoteBody::kSgxReport;
  Bytes body;
  SgxReportFields qe_report;
  std::uint16_t certification_type = 0;  // 5: the PCK certificates; 1 to 3: only the machine's name
  Bytes certification_data;
  std::size_t quote_bytes = 0;  // of the file
  std::size_t used_bytes = 0;   // of the quote
};

class UnverifiedIntelQuote {
 public:
  // kInvalidInput, kUnsupported (other versions and algorithms), kLimitExceeded.
  static Result<UnverifiedIntelQuote> Parse(ByteSpan bytes);
  const IntelQuoteFields& unverified() const { return fields_; }
  // The fields, if the three signatures hold and `pck` made the first. The checks are written down
  // as qe_report_signature, qe_report_data_binds_attestation_key, quote_signature. The
  // certification data was signed by nobody: it is where certificates come from.
  Result<IntelQuoteFields> VerifiedBy(Appraiser& appraiser, const crypto::PublicKey& pck) const;

 private:
  UnverifiedIntelQuote() = default;
  Status ParseHeader(ByteSpan bytes);
  Status ParseSignatureData(ByteSpan data);
  Status ParseQe(ByteSpan data);
  IntelQuoteFields fields_;
  Bytes signed_, signature_, attestation_key_;
  Bytes qe_report_, qe_report_signature_, authentication_data_;
};

// Everything but the body: {"version": 4, "tee_type": "TDX", "header": {...}, "qe_report": {...}}.
Claim IntelQuoteClaims(const IntelQuoteFields& fields);

}  // namespace anchorhold::attest
