#include "shared/attest/simulated.h"

#include "shared/base/reader.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/kdf.h"

namespace anchorhold::attest {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "AHSIM1\0\0"sv;
constexpr std::string_view kSignatureContext = "anchorhold insecure-simulated v1";
constexpr std::string_view kSealingLabel = "anchorhold simulated sealing root v1 ";
constexpr std::size_t kSealingSecretBytesMin = 32;
constexpr std::size_t kSealingRootBytes = 32;

bool MeasurementFits(ByteSpan measurement) {
  return measurement.size() >= kMeasurementBytesMin && measurement.size() <= kMeasurementBytesMax;
}

Result<SimulatedClaims> ReadAndVerify(ByteSpan body) {
  ByteReader reader(body);
  AH_ASSIGN_OR_RETURN(const ByteSpan magic, reader.ReadBytes(kMagic.size()));
  if (!BytesEqual(magic, AsBytes(kMagic))) return InvalidInput("not of this version");
  AH_ASSIGN_OR_RETURN(const ByteSpan measurement, reader.ReadSized(kMeasurementBytesMax));
  if (!MeasurementFits(measurement)) {
    return InvalidInput("a measurement of " + std::to_string(measurement.size()) + " bytes");
  }
  AH_ASSIGN_OR_RETURN(const ByteSpan report_data, reader.ReadBytes(ReportData::kSize));
  AH_ASSIGN_OR_RETURN(const ByteSpan root_key, reader.ReadBytes(crypto::Ed25519PublicKey::kSize));
  const ByteSpan signed_part = body.first(body.size() - reader.remaining());
  AH_ASSIGN_OR_RETURN(const ByteSpan signature, reader.ReadBytes(crypto::Ed25519Signature::kSize));
  AH_RETURN_IF_ERROR(reader.ExpectEnd());

  AH_ASSIGN_OR_RETURN(const auto key, crypto::Ed25519PublicKey::From(root_key));
  AH_ASSIGN_OR_RETURN(const auto claimed, crypto::Ed25519Signature::From(signature));
  AH_RETURN_IF_ERROR(crypto::VerifySignature(key, kSignatureContext, signed_part, claimed));
  AH_ASSIGN_OR_RETURN(const auto data, ReportData::From(report_data));
  return SimulatedClaims{CopyBytes(measurement), data};
}

}  // namespace

SimulatedAttester::SimulatedAttester(Measurement measurement, crypto::SecretBytes sealing_secret,
                                     crypto::Ed25519PrivateKey root)
    : measurement_(std::move(measurement)),
      sealing_secret_(std::move(sealing_secret)),
      root_(std::move(root)) {}

Result<SimulatedAttester> SimulatedAttester::Create(Measurement measurement,
                                                    crypto::SecretBytes sealing_secret) {
  if (!MeasurementFits(measurement)) {
    return InvalidInput(
        "simulated platform: a measurement has " + std::to_string(kMeasurementBytesMin) + " to " +
        std::to_string(kMeasurementBytesMax) + " bytes, not " + std::to_string(measurement.size()));
  }
  if (sealing_secret.size() < kSealingSecretBytesMin) {
    return InvalidInput("simulated platform: the sealing secret has " +
                        std::to_string(sealing_secret.size()) + " bytes; at least " +
                        std::to_string(kSealingSecretBytesMin) + " are needed");
  }
  return SimulatedAttester(std::move(measurement), std::move(sealing_secret),
                           crypto::Ed25519PrivateKey::Generate());
}

Result<UnverifiedEvidence> SimulatedAttester::Attest(const ReportData& report_data) {
  ByteWriter writer;
  writer.WriteBytes(AsBytes(kMagic));
  writer.WriteSized(measurement_);
  writer.WriteBytes(report_data.span());
  writer.WriteBytes(root_.public_key().span());
  writer.WriteBytes(root_.Sign(kSignatureContext, writer.bytes()).span());
  return UnverifiedEvidence{Platform::kInsecureSimulated, std::move(writer).Take()};
}

Result<crypto::SecretBytes> SimulatedAttester::SealingRoot() {
  // The measurement in hex: a label is text, and of one length it names one enclave.
  const std::string label = std::string(kSealingLabel) + ToHex(measurement_);
  return crypto::DeriveKey(sealing_secret_, label, kSealingRootBytes);
}

Result<SimulatedClaims> VerifySimulated(ByteSpan body) {
  Result<SimulatedClaims> claims = ReadAndVerify(body);
  if (!claims.ok()) return claims.error().At("simulated evidence");
  return claims;
}

Measurement MeasureExecutable(ByteSpan file) { return CopyBytes(crypto::Sha384(file).span()); }

}  // namespace anchorhold::attest
