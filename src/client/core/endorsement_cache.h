// The endorsements that a party keeps: certificates, revocation lists and collateral of the
// machines that it talks to, so that it can appraise them without any network.
//
//   HOME/endorsements/KIND/SET/ROLE      one file for each role (endorsement_set.h names the set)
//
// What is kept is verified anew at every appraisal. It is good until its own date; after that it is
// an error, not a silence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/attest/endorsements.h"
#include "shared/attest/kind.h"

namespace anchorhold::client {

// Until when certificates (the first that expires), a revocation list or Intel's collateral are
// good, whichever a file of that role is. Verified by nobody. kInvalidInput for anything else.
Result<UnixSeconds> UnverifiedGoodUntil(std::string_view role, ByteSpan file);

class EndorsementCache final : public attest::EndorsementSource {
 public:
  explicit EndorsementCache(std::string folder) : folder_(std::move(folder)) {}

  // kAttestationRefused, saying how to refresh it, if one of the set's files is no longer good.
  Result<std::vector<attest::CarriedFile>> Find(
      UnixSeconds now, const attest::Kind& kind,
      const attest::UnverifiedFiles& evidence) const override;

  struct Entry {
    std::string kind, set, role, path;
    std::optional<UnixSeconds> good_until;  // nothing: the file cannot be read
  };
  // All that is kept, in the order of kind, set, role.
  Result<std::vector<Entry>> List() const;

  struct GivenFile {
    std::string role;
    std::string where;  // it came from, for errors
    Bytes bytes;
  };
  // Keeps files of this evidence's set. Nothing is kept unless all of them can be read as what
  // their roles say (kInvalidInput) and are good at `now`.
  Result<std::vector<Entry>> Keep(const std::vector<GivenFile>& files, UnixSeconds now,
                                  const attest::Kind& kind,
                                  const attest::UnverifiedFiles& evidence) const;

  // Takes the files of this evidence's set from `from`, where each is called by its role, with or
  // without an extension, or lies under KIND/SET as it does in a cache. Files that are of other
  // roles are left alone. kNotFound if there is none; otherwise as Keep.
  Result<std::vector<Entry>> TakeFrom(const std::string& from, UnixSeconds now,
                                      const attest::Kind& kind,
                                      const attest::UnverifiedFiles& evidence) const;

 private:
  std::string folder_;
};

}  // namespace anchorhold::client
