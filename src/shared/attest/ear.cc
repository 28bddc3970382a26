#include "shared/attest/ear.h"

#include "shared/crypto/jws.h"
#include "shared/wire/json.h"

namespace anchorhold::attest {
namespace {

constexpr std::string_view kProfile = "tag:github.com,2023:veraison/ear";
constexpr std::size_t kTokenBytesMax = 256 * 1024;

Claim TimeClaim(UnixSeconds time) { return Claim::SignedNumber(time.value()); }

Claim Submodule(const AttestationResult& result, const EarTerms& terms) {
  Claim checks = Claim::List();
  Claim skipped = Claim::Map();
  Claim warnings = Claim::List();
  for (const CheckOutcome& check : result.checks()) {
    if (check.skipped_because.has_value()) {
      skipped.Add(check.name, Claim::Text(*check.skipped_because));
    } else {
      checks.Add(Claim::Text(check.name));
    }
  }
  for (const std::string& warning : result.warnings()) warnings.Add(Claim::Text(warning));
  return Claim::Map()
      .Add("ear.status", Claim::Text(TrustTierName(result.trust().Status())))
      .Add("ear.trustworthiness-vector", result.trust().ToClaim())
      .Add("ear.appraisal-policy-id", Claim::Text(terms.policy_id))
      .Add("anchorhold.checks", std::move(checks))
      .Add("anchorhold.skipped", std::move(skipped))
      .Add("anchorhold.warnings", std::move(warnings))
      .Add("anchorhold.claims", result.claims());
}

Result<TrustTier> ParseTier(std::string_view name) {
  for (const TrustTier tier : {TrustTier::kNone, TrustTier::kAffirming, TrustTier::kWarning,
                               TrustTier::kContraindicated}) {
    if (name == TrustTierName(tier)) return tier;
  }
  return InvalidInput("an unknown ear.status");
}

Result<VerifiedEar> ReadEar(UnixSeconds now, std::string payload, std::string_view audience) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue json,
                      wire::ParseJson(AsBytes(payload), kTokenBytesMax));
  AH_ASSIGN_OR_RETURN(const std::string_view profile, json.String("eat_profile"));
  if (profile != kProfile) return Refuse("token_profile", "another kind of token");
  AH_ASSIGN_OR_RETURN(const std::string_view named, json.String("aud"));
  if (audience.empty() || named != audience) return Refuse("token_audience", "made for another");
  AH_ASSIGN_OR_RETURN(const std::int64_t issued, json.Int64("iat"));
  AH_ASSIGN_OR_RETURN(const std::int64_t expires, json.Int64("exp"));
  if (now.value() < issued) return Refuse("token_not_yet_valid", "made later than now");
  if (now.value() > expires) return Refuse("token_expired", "appraise again");
  AH_ASSIGN_OR_RETURN(const wire::JsonValue* const submods, json.Member("submods"));
  AH_ASSIGN_OR_RETURN(const auto members, submods->Object());
  if (members.size() != 1) return InvalidInput("not exactly one submodule");
  VerifiedEar out;
  AH_ASSIGN_OR_RETURN(out.platform, ParsePlatform(members[0].key));
  AH_ASSIGN_OR_RETURN(const std::string_view status, members[0].value.String("ear.status"));
  AH_ASSIGN_OR_RETURN(out.status, ParseTier(status));
  AH_ASSIGN_OR_RETURN(const std::string_view policy,
                      members[0].value.String("ear.appraisal-policy-id"));
  out.policy_id = std::string(policy);
  out.payload = std::move(payload);
  return out;
}

}  // namespace

Claim EarClaims(const AttestationResult& result, const EarTerms& terms) {
  const UnixSeconds now = result.appraised_at();
  Claim verifier = Claim::Map();
  verifier.Add("developer", Claim::Text("anchorhold")).Add("build", Claim::Text(terms.build));
  Claim submods = Claim::Map();
  submods.Add(PlatformName(result.platform()), Submodule(result, terms));
  return Claim::Map()
      .Add("eat_profile", Claim::Text(kProfile))
      .Add("iat", TimeClaim(now))
      .Add("exp", TimeClaim(UnixSeconds(now.value() + terms.lifetime_seconds)))
      .Add("aud", Claim::Text(terms.audience))
      .Add("ear.verifier-id", std::move(verifier))
      .Add("submods", std::move(submods));
}

std::string SignEar(const crypto::Ed25519PrivateKey& appraiser, const AttestationResult& result,
                    const EarTerms& terms) {
  return crypto::SignJws(appraiser, EarClaims(result, terms).ToJson());
}

Result<VerifiedEar> VerifyEar(UnixSeconds now, std::string_view token,
                              const crypto::Ed25519PublicKey& appraiser,
                              std::string_view audience) {
  if (token.size() > kTokenBytesMax) return Refuse("token_is_well_formed", "too many bytes");
  Result<std::string> payload = crypto::VerifyJws(appraiser, token);
  if (!payload.ok()) return Refuse("token_signature", payload.error().message());
  Result<VerifiedEar> ear = ReadEar(now, std::move(payload).value(), audience);
  if (!ear.ok() && RefusedCheck(ear.error()).empty()) {
    return Refuse("token_is_well_formed", ear.error().message());
  }
  return ear;
}

}  // namespace anchorhold::attest
