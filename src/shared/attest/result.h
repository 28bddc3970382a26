// The Attestation Result: what a Verifier found good, and every check that it made or left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/attest/claims.h"
#include "shared/attest/evidence.h"
#include "shared/attest/trust_vector.h"
#include "shared/base/clock.h"

namespace anchorhold::attest {

// One check. A check that fails ends the appraisal with a refusal of its name, so of those in a
// result all were made and hold, or were left out, for the reason given.
struct CheckOutcome {
  std::string name;
  std::optional<std::string> skipped_because;
};

// What a kind's verifier found out.
struct Findings {
  Claim claims = Claim::Map();
  Measurement measurement;  // empty if the kind has none
  std::optional<Bytes> report_data;
  TrustVector trust;
  std::vector<std::string> warnings;  // sentences that a reader must see
};

// Made only by an Appraiser.
class AttestationResult {
 public:
  Platform platform() const { return platform_; }
  const Measurement& measurement() const { return findings_.measurement; }
  UnixSeconds appraised_at() const { return appraised_at_; }
  const Claim& claims() const { return findings_.claims; }
  const TrustVector& trust() const { return findings_.trust; }
  const std::vector<CheckOutcome>& checks() const { return checks_; }
  // Sentences a reader must see, such as that the platform is simulated.
  const std::vector<std::string>& warnings() const { return findings_.warnings; }

 private:
  friend class Appraiser;
  AttestationResult(Platform platform, UnixSeconds now, Findings findings,
                    std::vector<CheckOutcome> checks)
      : platform_(platform),
        appraised_at_(now),
        findings_(std::move(findings)),
        checks_(std::move(checks)) {}
  Platform platform_;
  UnixSeconds appraised_at_;
  Findings findings_;
  std::vector<CheckOutcome> checks_;
};

// kAttestationRefused: "name: reason". The name is the check's, in small letters and underscores
// (or, of the channel's first checks, words), and never holds a colon.
Error Refuse(std::string_view name, std::string_view reason);
// The name of the check that refused; empty if the error is of another kind.
std::string_view RefusedCheck(const Error& error);

// Keeps the record of an appraisal while a verifier goes through its checks.
class Appraiser {
 public:
  explicit Appraiser(UnixSeconds now) : now_(now) {}

  UnixSeconds now() const { return now_; }
  // Writes down that the check holds, or returns its refusal. A check of a name that is written
  // down already may be made again; it is listed once.
  Status Check(std::string_view name, bool holds, std::string_view reason);
  // The same for an operation's outcome: its error is the reason.
  Status Check(std::string_view name, const Status& outcome);
  // Writes down that the check was not made, once.
  void Skip(std::string_view name, std::string_view because);

  AttestationResult Conclude(Platform platform, Findings findings) &&;

 private:
  bool IsListed(std::string_view name) const;
  UnixSeconds now_;
  std::vector<CheckOutcome> checks_;
};

}  // namespace anchorhold::attest
