// Conversions between libcrypto's X.509 objects and ours. Internal to crypto/.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "shared/crypto/certificate.h"
#include "shared/crypto/openssl_der.h"

namespace anchorhold::crypto::internal {

using X509Ptr = OpensslPtr<X509, X509_free>;
using CrlPtr = OpensslPtr<X509_CRL, X509_CRL_free>;

// A certificate that parsed before.
X509Ptr ParseAgain(const CertificateFields& fields);

// Years 1970 to 9999.
Result<UnixSeconds> TimeOf(const ASN1_TIME* time);
// Big-endian, without leading zeros. An error for a negative number or one of more than 20 bytes.
Result<Bytes> SerialOf(const ASN1_INTEGER* serial);
std::string NameOf(const X509_NAME* name);
std::string OidOf(const ASN1_OBJECT* object);
// Whether the algorithm's hash is of the SHA-2 family; SHA-1 and MD5 signatures can be forged.
bool HashIsSound(const X509* certificate);
bool HashIsSound(const X509_CRL* list);

}  // namespace anchorhold::crypto::internal
