// A kind of evidence: the files that it comes in, and the pure functions that judge and show them.
// A kind is one entry of the registry (kinds.h); nothing else has to know of it.
#pragma once

#include <array>
#include <span>

#include "shared/attest/result.h"
#include "shared/attest/verifier.h"

namespace anchorhold::attest {

// What a file is for. Both are unverified until a signature says otherwise.
enum class RolePart { kEvidence, kEndorsement };

struct Role {
  std::string_view name;
  std::string_view alias;  // another name for the same; may be empty
  RolePart part;
  std::string_view about;  // for the help: "the attestation report, 1184 bytes"
};

// A kind's own roles, and after them those that it has in common with others.
template <std::size_t kOwn, std::size_t kCommon>
constexpr std::array<Role, kOwn + kCommon> JoinRoles(const Role (&own)[kOwn],
                                                     const Role (&common)[kCommon]) {
  std::array<Role, kOwn + kCommon> out{};
  for (std::size_t i = 0; i < kOwn; ++i) out[i] = own[i];
  for (std::size_t i = 0; i < kCommon; ++i) out[kOwn + i] = common[i];
  return out;
}

// Evidence and endorsements as somebody handed them over, each under its role.
class UnverifiedFiles {
 public:
  // `roles` are those of a kind. kInvalidInput for a role that is none of them or is taken already,
  // kLimitExceeded for a file over limits::kEvidenceFileBytesMax.
  Status Add(std::span<const Role> roles, std::string_view role, Bytes bytes);
  // Null if there is none.
  const Bytes* Find(std::string_view role) const;
  bool empty() const { return files_.empty(); }

 private:
  struct File {
    std::string_view role;  // Role::name, of a table that lives as long as the program
    Bytes bytes;
  };
  std::vector<File> files_;
};

// What is to be judged, when, and by which rules. Without a policy and not strict: signatures,
// chains and bindings only, and every rule left out is written down in the result.
struct AppraisalInput {
  UnixSeconds now;
  const UnverifiedFiles& files;
  const AppraisalPolicy* policy = nullptr;  // reference values and rules of the relying party
  bool strict = false;  // no debug, nothing out of date, everything present and current
  // What the evidence must have been made over, if the relying party knows it.
  std::optional<Bytes> report_data = std::nullopt;

  bool SignaturesOnly() const { return policy == nullptr && !strict; }
};

struct Kind {
  Platform platform;
  std::span<const Role> roles;
  // Judges everything but report data and measurement, which Appraise compares for every kind.
  // Refusals are made by `appraiser` or Refuse.
  Result<Findings> (*verify)(const AppraisalInput& input, Appraiser& appraiser);
  // Parses without judging.
  Result<UnverifiedClaims> (*show)(const UnverifiedFiles& files);

  std::string_view name() const { return PlatformName(platform); }
};

// kAttestationRefused, naming the check, unless everything that is asked for holds.
Result<AttestationResult> Appraise(const Kind& kind, const AppraisalInput& input);

// The file of that role, or the refusal "NAME_is_given".
Result<ByteSpan> RequireFile(const UnverifiedFiles& files, std::string_view role);

}  // namespace anchorhold::attest
