#include "shared/crypto/jws.h"

#include "shared/base/base64.h"
#include "shared/crypto/signature_internal.h"

namespace anchorhold::crypto {
namespace {

constexpr std::string_view kHeader = R"({"alg":"EdDSA","typ":"JWT"})";

std::string Encode(std::string_view text) { return EncodeBase64(AsBytes(text), Base64::kUrl); }

}  // namespace

std::string SignJws(const Ed25519PrivateKey& key, std::string_view payload) {
  const std::string text = Encode(kHeader) + "." + Encode(payload);
  const Ed25519Signature signature = internal::SignRaw(key.seed(), AsBytes(text));
  return text + "." + EncodeBase64(signature.span(), Base64::kUrl);
}

Result<std::string> VerifyJws(const Ed25519PublicKey& key, std::string_view token) {
  const std::string head = Encode(kHeader) + ".";
  const std::size_t dot = token.rfind('.');
  if (!token.starts_with(head) || dot == std::string_view::npos || dot < head.size()) {
    return InvalidInput("not a token of the form and header that are read here");
  }
  const std::string_view text = token.substr(0, dot);
  AH_ASSIGN_OR_RETURN(const Bytes bytes, DecodeBase64(token.substr(dot + 1), Base64::kUrl));
  AH_ASSIGN_OR_RETURN(const auto signature, Ed25519Signature::From(bytes));
  if (!internal::VerifyRaw(key, AsBytes(text), signature)) {
    return IntegrityError("the token is not signed by the key that is trusted");
  }
  AH_ASSIGN_OR_RETURN(const Bytes payload, DecodeBase64(text.substr(head.size()), Base64::kUrl));
  return CopyText(payload);
}

}  // namespace anchorhold::crypto
