// Evidence and what it binds (RFC 9334's words). Bytes that nobody has verified have a type of
// their own; only an Appraisal (verifier.h) turns them into claims.
#pragma once

#include <memory>
#include <string_view>

#include "shared/base/bytes.h"
#include "shared/crypto/hpke.h"
#include "shared/crypto/signature.h"

namespace anchorhold::attest {

// What evidence comes from, and the name of its kind (kind.h).
enum class Platform : std::uint8_t {
  kInsecureSimulated = 1,  // no hardware: protects against nobody who owns the machine
  // Hardware. Verified from files (kinds.h) and over the channel (carried.h).
  kSevSnp = 2,
  kTdx = 3,
  kSgxDcap = 4,
  kNitro = 5,
  kTpm2 = 6,
  kAzureVtpm = 7,
  kNvidiaGpu = 8,
};
std::string_view PlatformName(Platform platform);  // "insecure-simulated", "sev-snp", "tdx", ...
Result<Platform> ParsePlatform(std::string_view name);
// Whether this version can run an enclave on the platform: whether there is an Attester for it.
bool IsSupported(Platform platform);

// The 64 bytes that hardware copies into its evidence unread.
using ReportData = FixedBytes<struct ReportDataTag, 64>;
// What the platform measured of the enclave: 32 to 64 bytes. insecure-simulated: SHA-384 of the
// enclave's executable file.
using Measurement = Bytes;
inline constexpr std::size_t kMeasurementBytesMin = 32;
inline constexpr std::size_t kMeasurementBytesMax = 64;

struct UnverifiedEvidence {
  Platform platform = Platform::kInsecureSimulated;
  Bytes body;  // as the platform made it
};

// evidence = "AHEVID1\0" platform(u8) body(sized, at most limits::kEvidenceBytesMax)
// Precondition of SerializeEvidence: the body keeps to its limit. ParseEvidence takes exactly what
// SerializeEvidence makes: kUnsupported for a platform that has no name here.
Bytes SerializeEvidence(const UnverifiedEvidence& evidence);
Result<UnverifiedEvidence> ParseEvidence(ByteSpan bytes);

// The public keys that a running enclave answers for.
struct EnclaveKeys {
  crypto::Ed25519PublicKey tls_key;     // of the channel; fresh at every start
  crypto::HpkePublicKey sealing_key;    // to which data is sealed; stable
  crypto::Ed25519PublicKey ledger_key;  // signs tree heads; stable; names the ledger
};
// keys = "AHKEYS1\0" tls_key(32) sealing_key(32) ledger_key(32)
Bytes SerializeKeys(const EnclaveKeys& keys);
Result<EnclaveKeys> ParseKeys(ByteSpan bytes);

// Report data of the Evidence in the certificate and in receipts:
//   SHA-512("anchorhold keys v1\0" || keys)
ReportData BindKeys(const EnclaveKeys& keys);
// Report data of fresh Evidence, so that neither an old quote nor a relayed session passes:
//   SHA-512("anchorhold session v1\0" || keys || sized nonce || sized TLS exporter value)
ReportData BindSession(const EnclaveKeys& keys, ByteSpan nonce, ByteSpan exporter);

// What evidence of the platform is made over, to bind this report data: the 64 bytes themselves.
// A TPM's quote has room for less: SHA-256 of them.
Bytes BoundBytes(Platform platform, const ReportData& report_data);

// The platform, seen from inside the enclave.
class Attester {
 public:
  virtual ~Attester() = default;
  virtual Platform platform() const = 0;
  virtual const Measurement& measurement() const = 0;
  virtual Result<UnverifiedEvidence> Attest(const ReportData& report_data) = 0;
  // 32 bytes that only this enclave on this machine gets, the same after every restart.
  virtual Result<crypto::SecretBytes> SealingRoot() = 0;
};

}  // namespace anchorhold::attest
