#include "client/gpu/xml_signature.h"

#include <libxml/c14n.h>
#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>

#include "shared/base/base64.h"
#include "shared/crypto/certificate_chain.h"

namespace anchorhold::client {
namespace {

constexpr const char* kDs = kXmlSignatureNamespace;
constexpr std::string_view kC14n11 = "http://www.w3.org/2006/12/xml-c14n11";
constexpr std::string_view kEcdsaSha384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
constexpr std::string_view kEnveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
constexpr std::string_view kSha384 = "http://www.w3.org/2001/04/xmldsig-more#sha384";

// Refusals are this program's to word.
void SayNothing(const char*, int, const char*, const char*, const char*, int, const char*) {}

// Once in a program. Without the callbacks for input, the library can open nothing by a URI.
bool LibraryIsReady() {
  static const bool kReady = [] {
    if (xmlSecInit() < 0 || xmlSecCryptoAppInit(nullptr) < 0 || xmlSecCryptoInit() < 0) {
      return false;
    }
    xmlSecErrorsSetCallback(SayNothing);
    xmlSecIOCleanupCallbacks();
    return true;
  }();
  return kReady;
}

struct FreeContext {
  void operator()(xmlSecDSigCtx* context) const { xmlSecDSigCtxDestroy(context); }
};
struct CloseBuffer {
  void operator()(xmlOutputBuffer* buffer) const { xmlOutputBufferClose(buffer); }
};

// An element with that algorithm, and nothing in it.
bool IsMethod(const xmlNode* element, std::string_view name, std::string_view algorithm) {
  return XmlIs(element, kDs, name) && XmlChildren(element).empty() &&
         XmlAttribute(element, "Algorithm") == std::string(algorithm);
}

bool IsReference(const xmlNode* element) {
  const auto parts = XmlChildren(element);
  if (!XmlIs(element, kDs, "Reference") || XmlAttribute(element, "URI") != "" ||
      parts.size() != 3 || !XmlIs(parts[0], kDs, "Transforms")) {
    return false;
  }
  const auto transforms = XmlChildren(parts[0]);
  return transforms.size() == 2 && IsMethod(transforms[0], "Transform", kEnveloped) &&
         IsMethod(transforms[1], "Transform", kC14n11) &&
         IsMethod(parts[1], "DigestMethod", kSha384) && XmlIs(parts[2], kDs, "DigestValue") &&
         XmlChildren(parts[2]).empty();
}

bool IsSignedInfo(const xmlNode* element) {
  const auto parts = XmlChildren(element);
  return XmlIs(element, kDs, "SignedInfo") && parts.size() == 3 &&
         IsMethod(parts[0], "CanonicalizationMethod", kC14n11) &&
         IsMethod(parts[1], "SignatureMethod", kEcdsaSha384) && IsReference(parts[2]);
}

Result<std::vector<crypto::UnverifiedCertificate>> ReadKeyInfo(const xmlNode* key_info) {
  AH_ASSIGN_OR_RETURN(const xmlNode* const data, XmlOnlyChild(key_info, kDs, "X509Data"));
  std::vector<crypto::UnverifiedCertificate> out;
  for (const xmlNode* const element : XmlChildren(data)) {
    if (!XmlIs(element, kDs, "X509Certificate") || out.size() == crypto::kChainLengthMax) {
      return InvalidInput("X509Data does not hold a chain of certificates");
    }
    AH_ASSIGN_OR_RETURN(const std::string text, XmlPackedText(element));
    AH_ASSIGN_OR_RETURN(const Bytes der, DecodeBase64(text, Base64::kStandard));
    AH_ASSIGN_OR_RETURN(auto certificate, crypto::UnverifiedCertificate::FromDer(der));
    out.push_back(std::move(certificate));
  }
  if (out.empty()) return InvalidInput("X509Data holds no certificate");
  return out;
}

// For canonicalization: whether a node is in the subtree that `top` is. Of a namespace, `parent` is
// the element that it is of.
int IsBelow(void* top, xmlNode* node, xmlNode* parent) {
  const xmlNode* at = node->type == XML_NAMESPACE_DECL ? parent : node;
  for (; at != nullptr; at = at->parent) {
    if (at == top) return 1;
  }
  return 0;
}

std::optional<std::string> Canonical(xmlDoc* document, xmlNode* subtree) {
  const std::unique_ptr<xmlOutputBuffer, CloseBuffer> buffer(xmlAllocOutputBuffer(nullptr));
  AH_CHECK(buffer != nullptr);
  if (xmlC14NExecute(document, IsBelow, subtree, XML_C14N_1_1, nullptr, 0, buffer.get()) < 0) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(xmlOutputBufferGetContent(buffer.get())),
                     xmlOutputBufferGetSize(buffer.get()));
}

std::size_t CountSignatures(const xmlNode* element) {
  std::size_t count = 0;
  for (const xmlNode* const child : XmlChildren(element)) {
    count += (XmlIs(child, kDs, "Signature") ? 1 : 0) + CountSignatures(child);
  }
  return count;
}

}  // namespace

Result<XmlSignature> XmlSignature::Find(const XmlDocument& document) {
  XmlSignature out(document);
  AH_ASSIGN_OR_RETURN(out.signature_, XmlOnlyChild(document.root(), kDs, "Signature"));
  if (CountSignatures(document.root()) != 1) return InvalidInput("more than one signature");
  const auto parts = XmlChildren(out.signature_);
  if (parts.size() != 3 || !IsSignedInfo(parts[0]) || !XmlIs(parts[1], kDs, "SignatureValue") ||
      !XmlIs(parts[2], kDs, "KeyInfo")) {
    return InvalidInput("the XML signature is not of the form that RIMs have");
  }
  out.signed_info_ = parts[0];
  AH_ASSIGN_OR_RETURN(const std::string value, XmlPackedText(parts[1]));
  AH_ASSIGN_OR_RETURN(out.value_, DecodeBase64(value, Base64::kStandard));
  AH_ASSIGN_OR_RETURN(out.certificates_, ReadKeyInfo(parts[2]));
  return out;
}

bool XmlSignature::SignedInfoIsSigned(const crypto::PublicKey& key) const {
  const auto text = Canonical(document_->native(), signed_info_);
  const auto signature = crypto::EcdsaSignature::FromRaw(value_);
  return text.has_value() && signature.ok() &&
         crypto::VerifyEcdsa(key, crypto::HashName::kSha384, AsBytes(*text), *signature).ok();
}

XmlSignature::Outcome XmlSignature::Verify(const crypto::PublicKey& key) const {
  Outcome out;
  if (key.type() != crypto::KeyType::kEcP384 || !LibraryIsReady()) return out;
  const std::unique_ptr<xmlSecDSigCtx, FreeContext> context(xmlSecDSigCtxCreate(nullptr));
  AH_CHECK(context != nullptr);
  context->enabledReferenceUris = xmlSecTransformUriTypeEmpty;
  context->signKey =
      xmlSecCryptoAppKeyLoadMemory(reinterpret_cast<const xmlSecByte*>(key.spki().data()),
                                   static_cast<xmlSecSize>(key.spki().size()),
                                   xmlSecKeyDataFormatDer, nullptr, nullptr, nullptr);
  if (context->signKey == nullptr) return out;
  const bool done = xmlSecDSigCtxVerify(context.get(), signature_) == 0;
  if (xmlSecPtrListGetSize(&context->signedInfoReferences) == 1) {
    const auto* const reference = static_cast<const xmlSecDSigReferenceCtx*>(
        xmlSecPtrListGetItem(&context->signedInfoReferences, 0));
    out.reference_digest = reference->status == xmlSecDSigStatusSucceeded;
  }
  // The library stops at a digest that is wrong; who signed SignedInfo is still worth knowing.
  out.signature_value = out.reference_digest ? done && context->status == xmlSecDSigStatusSucceeded
                                             : SignedInfoIsSigned(key);
  return out;
}

}  // namespace anchorhold::client
