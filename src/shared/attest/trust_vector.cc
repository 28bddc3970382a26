#include "shared/attest/trust_vector.h"

#include <algorithm>
#include <array>
#include <utility>

namespace anchorhold::attest {
namespace {

using Row = std::pair<std::string_view, TrustTier>;

std::array<Row, 8> Rows(const TrustVector& v) {
  return {Row{"instance-identity", v.instance_identity},
          Row{"configuration", v.configuration},
          Row{"executables", v.executables},
          Row{"file-system", v.file_system},
          Row{"hardware", v.hardware},
          Row{"runtime-opaque", v.runtime_opaque},
          Row{"storage-opaque", v.storage_opaque},
          Row{"sourced-data", v.sourced_data}};
}

}  // namespace

std::string_view TrustTierName(TrustTier tier) {
  switch (tier) {
    case TrustTier::kNone:
      return "none";
    case TrustTier::kAffirming:
      return "affirming";
    case TrustTier::kWarning:
      return "warning";
    case TrustTier::kContraindicated:
      return "contraindicated";
  }
  return "none";
}

TrustTier TrustVector::Status() const {
  TrustTier worst = TrustTier::kNone;
  for (const auto& [name, tier] : Rows(*this)) worst = std::max(worst, tier);
  return worst;
}

Claim TrustVector::ToClaim() const {
  Claim out = Claim::Map();
  for (const auto& [name, tier] : Rows(*this)) {
    if (tier != TrustTier::kNone) out.Add(name, Claim::Number(static_cast<std::uint64_t>(tier)));
  }
  return out;
}

}  // namespace anchorhold::attest
