// Gets a machine's endorsements from those who hand them out: AMD's Key Distribution Service,
// Intel's Provisioning Certification Service, or a mirror of theirs.
#pragma once

#include <string>
#include <vector>

#include "client/core/endorsement_cache.h"
#include "client/core/https.h"

namespace anchorhold::client {

struct EndorsementService {
  // Of a mirror, "https://cache.example/amd": in every address it stands for the vendor's scheme
  // and host. Empty: the vendors' own.
  std::string url = {};
  PlainHttp plain = PlainHttp::kRefuse;  // of a mirror; the vendors' own are https always
  HttpLimits limits = {};
};

// Fetches every file that EndorsementOrigins names and keeps them, as EndorsementCache::Keep does:
// all or none. Errors name the file and its address, and how to go on without a network; besides
// those of HttpGet and Keep, kUnsupported for evidence whose endorsements no service hands out.
Result<std::vector<EndorsementCache::Entry>> FetchEndorsements(
    const EndorsementCache& cache, const EndorsementService& service, UnixSeconds now,
    const attest::Kind& kind, const attest::UnverifiedFiles& evidence);

}  // namespace anchorhold::client
