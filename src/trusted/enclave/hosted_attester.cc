#include "trusted/enclave/hosted_attester.h"

#include "shared/base/limits.h"
#include "shared/crypto/random.h"

namespace anchorhold::enclave {
namespace {

constexpr std::size_t kRootBytes = 32;

}  // namespace

Result<std::unique_ptr<HostedAttester>> HostedAttester::Create(attest::Platform platform,
                                                               StoreClient& store) {
  if (platform == attest::Platform::kInsecureSimulated || !attest::IsSupported(platform)) {
    return Unsupported("no enclave runs on the platform " +
                       std::string(attest::PlatformName(platform)) + " in this version");
  }
  std::unique_ptr<HostedAttester> attester(new HostedAttester(platform, store));
  AH_ASSIGN_OR_RETURN(const auto first,
                      attest::ReportData::From(crypto::RandomBytes(attest::ReportData::kSize)));
  AH_ASSIGN_OR_RETURN(Answer answer, attester->Ask(first));
  attester->measurement_ = std::move(answer.measurement);
  attester->root_ = crypto::RandomSecret(kRootBytes);
  return attester;
}

Result<HostedAttester::Answer> HostedAttester::Ask(const attest::ReportData& report_data) {
  AH_ASSIGN_OR_RETURN(Bytes body, store_.Call(wire::StoreOp::kEvidence, report_data.span()));
  if (body.size() > limits::kEvidenceBytesMax)
    return LimitExceeded("the host's evidence is too long");
  Answer answer{.evidence = {platform_, std::move(body)}, .measurement = {}};
  auto statement = attest::ReadUnverifiedStatement(answer.evidence);
  if (!statement.ok()) return statement.error().At("the host's evidence");
  if (statement->report_data != attest::BoundBytes(platform_, report_data)) {
    return IntegrityError("the host's evidence was made over something else than was asked for");
  }
  answer.measurement = std::move(statement->measurement);
  return answer;
}

Result<attest::UnverifiedEvidence> HostedAttester::Attest(const attest::ReportData& report_data) {
  AH_ASSIGN_OR_RETURN(Answer answer, Ask(report_data));
  if (answer.measurement != measurement_) {
    return IntegrityError("the host's evidence speaks of another enclave than before");
  }
  return std::move(answer.evidence);
}

Result<crypto::SecretBytes> HostedAttester::SealingRoot() { return root_.Clone(); }

}  // namespace anchorhold::enclave
