// Where a relying party's endorsements come from: certificates, revocation lists and collateral
// that it keeps beside what travels with the evidence.
#pragma once

#include "shared/attest/carried.h"
#include "shared/base/clock.h"

namespace anchorhold::attest {

struct Kind;
class UnverifiedFiles;

class EndorsementSource {
 public:
  virtual ~EndorsementSource() = default;
  // Files for endorsement roles of `kind` that belong to this evidence, which nobody has verified
  // yet; none if none are known. What comes from here is preferred to what the evidence brings
  // along, and is verified like it. An error refuses the evidence: what is kept has expired, say.
  virtual Result<std::vector<CarriedFile>> Find(UnixSeconds now, const Kind& kind,
                                                const UnverifiedFiles& evidence) const = 0;
};

}  // namespace anchorhold::attest
