#include "shared/attest/result.h"

#include <algorithm>

namespace anchorhold::attest {

Error Refuse(std::string_view name, std::string_view reason) {
  return AttestationRefused(std::string(name) + ": " + std::string(reason));
}

std::string_view RefusedCheck(const Error& error) {
  if (error.code() != ErrorCode::kAttestationRefused) return {};
  const std::string_view message = error.message();
  const std::size_t end = message.find(": ");
  return end == std::string_view::npos ? std::string_view() : message.substr(0, end);
}

Status Appraiser::Check(std::string_view name, bool holds, std::string_view reason) {
  if (!holds) return Refuse(name, reason);
  if (!IsListed(name)) checks_.push_back({std::string(name), std::nullopt});
  return Ok();
}

bool Appraiser::IsListed(std::string_view name) const {
  return std::any_of(checks_.begin(), checks_.end(),
                     [&](const CheckOutcome& check) { return check.name == name; });
}

Status Appraiser::Check(std::string_view name, const Status& outcome) {
  return Check(name, outcome.ok(), outcome.ok() ? "" : outcome.error().message());
}

void Appraiser::Skip(std::string_view name, std::string_view because) {
  if (!IsListed(name)) checks_.push_back({std::string(name), std::string(because)});
}

AttestationResult Appraiser::Conclude(Platform platform, Findings findings) && {
  return AttestationResult(platform, now_, std::move(findings), std::move(checks_));
}

}  // namespace anchorhold::attest
