#include "client/gpu/rim.h"

#include <algorithm>

namespace anchorhold::client {
namespace {

constexpr const char* kSwid = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
constexpr const char* kHashes = "http://www.w3.org/2001/04/xmlenc#sha384";
constexpr std::size_t kHashBytes = 48;
constexpr std::size_t kIndexMax = 254;  // the block's is one more, in a byte

Result<std::string> Required(const xmlNode* element, const std::string& name) {
  auto value = XmlAttribute(element, name);
  if (!value.has_value() || value->empty()) return InvalidInput("no attribute " + name);
  return std::move(*value);
}

Result<std::size_t> Number(const xmlNode* element, const std::string& name, std::size_t max) {
  AH_ASSIGN_OR_RETURN(const std::string text, Required(element, name));
  std::size_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || text.size() > 3) return InvalidInput(name + " is not a small number");
    value = value * 10 + static_cast<std::size_t>(c - '0');
  }
  if (value > max) return LimitExceeded(name + " is over " + std::to_string(max));
  return value;
}

// Of a Resource that counts; nothing for others.
Result<std::optional<RimReference>> ReadResource(const xmlNode* element) {
  AH_ASSIGN_OR_RETURN(const std::string active, Required(element, "active"));
  if (active != "True" && active != "False") return InvalidInput("active is no truth value");
  if (XmlAttribute(element, "type") != "Measurement") {
    return InvalidInput("a Resource that is no measurement");
  }
  RimReference out;
  AH_ASSIGN_OR_RETURN(const std::size_t index, Number(element, "index", kIndexMax));
  out.index = static_cast<std::uint8_t>(index);
  if (active == "False") return std::optional<RimReference>();
  AH_ASSIGN_OR_RETURN(const std::size_t count,
                      Number(element, "alternatives", kRimAlternativesMax));
  for (std::size_t i = 0; i < count; ++i) {
    const auto hex = XmlAttribute(element, "Hash" + std::to_string(i), kHashes);
    if (!hex.has_value()) return InvalidInput("a Resource with fewer hashes than alternatives");
    AH_ASSIGN_OR_RETURN(Bytes hash, FromHex(*hex));
    if (hash.size() != kHashBytes) return InvalidInput("a hash that has not 48 bytes");
    out.accepted.push_back(std::move(hash));
  }
  if (out.accepted.empty()) return InvalidInput("an active Resource without a hash");
  return std::optional(std::move(out));
}

Result<RimFields> ReadFields(const XmlDocument& document) {
  if (!XmlIs(document.root(), kSwid, "SoftwareIdentity")) return InvalidInput("not a SWID tag");
  RimFields out;
  AH_ASSIGN_OR_RETURN(const xmlNode* const meta, XmlOnlyChild(document.root(), kSwid, "Meta"));
  AH_ASSIGN_OR_RETURN(out.id, Required(meta, "colloquialVersion"));
  AH_ASSIGN_OR_RETURN(out.product, Required(meta, "product"));
  AH_ASSIGN_OR_RETURN(out.edition, Required(meta, "edition"));
  AH_ASSIGN_OR_RETURN(const xmlNode* const payload,
                      XmlOnlyChild(document.root(), kSwid, "Payload"));
  const auto resources = XmlChildren(payload);
  if (resources.size() > kRimResourcesMax) return LimitExceeded("too many Resources");
  for (const xmlNode* const element : resources) {
    if (!XmlIs(element, kSwid, "Resource")) return InvalidInput("a Payload of another form");
    AH_ASSIGN_OR_RETURN(auto reference, ReadResource(element));
    if (reference.has_value()) out.active.push_back(std::move(*reference));
  }
  std::sort(out.active.begin(), out.active.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  const auto twice =
      std::adjacent_find(out.active.begin(), out.active.end(),
                         [](const auto& a, const auto& b) { return a.index == b.index; });
  if (twice != out.active.end()) return InvalidInput("two Resources have the same index");
  return out;
}

}  // namespace

Result<UnverifiedRim> UnverifiedRim::Parse(ByteSpan bytes) {
  AH_ASSIGN_OR_RETURN(const XmlDocument document, XmlDocument::Parse(bytes));
  UnverifiedRim out;
  AH_ASSIGN_OR_RETURN(out.fields_, ReadFields(document));
  AH_ASSIGN_OR_RETURN(const XmlSignature signature, XmlSignature::Find(document));
  out.chain_ = signature.certificates();
  out.document_ = CopyBytes(bytes);
  return out;
}

Result<XmlSignature::Outcome> UnverifiedRim::CheckSignature(const crypto::PublicKey& key) const {
  AH_ASSIGN_OR_RETURN(const XmlDocument document, XmlDocument::Parse(document_));
  AH_ASSIGN_OR_RETURN(const XmlSignature signature, XmlSignature::Find(document));
  return signature.Verify(key);
}

Result<RimFields> UnverifiedRim::VerifiedBy(const crypto::PublicKey& key) const {
  AH_ASSIGN_OR_RETURN(const auto outcome, CheckSignature(key));
  if (!outcome.Holds()) return IntegrityError("the RIM is not signed with that key as it stands");
  return fields_;
}

}  // namespace anchorhold::client
