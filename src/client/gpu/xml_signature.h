// The one form of XML Signature (W3C, version 1.1) that vendors' RIMs have, verified by libxmlsec1:
//
//   <Signature>                      one, directly below the document's root: enveloped
//     <SignedInfo>
//       <CanonicalizationMethod>     Canonical XML 1.1
//       <SignatureMethod>            ECDSA over SHA-384
//       <Reference URI="">           the whole document but the signature
//         <Transforms>               enveloped-signature, then Canonical XML 1.1
//         <DigestMethod>, <DigestValue>   SHA-384
//     <SignatureValue>               r || s
//     <KeyInfo><X509Data>            certificates, the signer's first
//
// Anything else is refused before the library is asked, so nothing but the whole document can be
// what was signed. The library is told which key; of KeyInfo it learns nothing, and a certificate
// chain is judged as every other (crypto/certificate_chain.h).
#pragma once

#include "client/gpu/xml_document.h"
#include "shared/crypto/certificate.h"

namespace anchorhold::client {

inline constexpr const char* kXmlSignatureNamespace = "http://www.w3.org/2000/09/xmldsig#";

class XmlSignature {
 public:
  // The document's signature, which must have that form. `document` must outlive it.
  static Result<XmlSignature> Find(const XmlDocument& document);

  // As they stand in X509Data; 1 to kChainLengthMax of them.
  const std::vector<crypto::UnverifiedCertificate>& certificates() const { return certificates_; }

  struct Outcome {
    bool reference_digest = false;  // the document is the one that was signed
    bool signature_value = false;   // SignedInfo, which holds the digest, is signed by the key
    bool Holds() const { return reference_digest && signature_value; }
  };
  // `key` on P-384; with another, nothing holds.
  Outcome Verify(const crypto::PublicKey& key) const;

 private:
  explicit XmlSignature(const XmlDocument& document) : document_(&document) {}
  // Whether the key signed SignedInfo, whatever the digest in it is of.
  bool SignedInfoIsSigned(const crypto::PublicKey& key) const;

  const XmlDocument* document_;
  xmlNode* signature_ = nullptr;
  xmlNode* signed_info_ = nullptr;
  Bytes value_;
  std::vector<crypto::UnverifiedCertificate> certificates_;
};

}  // namespace anchorhold::client
