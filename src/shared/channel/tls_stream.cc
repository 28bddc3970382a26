#include "shared/channel/tls_stream.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "shared/attest/answer.h"
#include "shared/channel/certificate.h"

namespace anchorhold::channel {
namespace {

constexpr std::size_t kRecordBytesMax = 16 * limits::kKiB;
constexpr std::string_view kExporterLabel = "EXPORTER-anchorhold-attestation";
// Security level 2: at least 112 bits for everything; ours has 128.
constexpr int kSecurityLevel = 2;

std::size_t PeerCertificateBytesMax(End end) {
  return end == End::kServer ? kClientCertificateBytesMax : kServerCertificateBytesMax;
}

bool SetAlgorithms(SSL_CTX* context) {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
         SSL_CTX_set1_client_sigalgs_list(context, "ed25519") == 1;
}

bool ForgetSessions(SSL_CTX* context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  return SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1 &&
         SSL_CTX_set_recv_max_early_data(context, 0) == 1;
}

}  // namespace

Result<ContextPtr> TlsStream::MakeContext(End end, const crypto::Ed25519PrivateKey& key,
                                          X509* certificate) {
  // Ahead of libssl's own first call, which would read openssl.cnf.
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr) != 1) {
    return InternalError("libssl cannot be initialised");
  }
  ContextPtr context(SSL_CTX_new(end == End::kServer ? TLS_server_method() : TLS_client_method()));
  const KeyPtr openssl_key = ToOpensslKey(key);
  if (context == nullptr || !SetAlgorithms(context.get()) || !ForgetSessions(context.get()) ||
      SSL_CTX_use_certificate(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), openssl_key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return InternalError("libssl does not take the channel's settings, key or certificate");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), VerifyCallback, nullptr);
  // The chain is the certificate alone: libssl must not look for issuers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
  // The length field of the certificate message covers a few bytes of framing too.
  SSL_CTX_set_max_cert_list(context.get(), static_cast<long>(PeerCertificateBytesMax(end) + 64));
  return context;
}

TlsStream::TlsStream(SSL_CTX* context, End end, PeerVerifier& verifier)
    : ssl_(SSL_new(context)),
      verifier_(&verifier),
      handshake_bytes_max_(limits::kHandshakeBytesMax +
                           (end == End::kClient ? kServerCertificateBytesMax : 0)) {
  AH_CHECK(ssl_ != nullptr);
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  AH_CHECK(in != nullptr && out != nullptr);
  SSL_set_bio(ssl_.get(), in, out);
  SSL_set_app_data(ssl_.get(), this);
  if (end == End::kServer) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

int TlsStream::VerifyCallback(X509_STORE_CTX* store, void*) {
  void* const ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  AH_CHECK(ssl != nullptr);
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(static_cast<SSL*>(ssl)));
  const Status verified = stream->Verify(store);
  if (verified.ok()) return 1;
  stream->refusal_ = verified.error();
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

Status TlsStream::Verify(X509_STORE_CTX* store) {
  X509* const certificate = X509_STORE_CTX_get0_cert(store);
  if (certificate == nullptr || sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) != 1) {
    return InvalidInput("TLS: exactly one certificate belongs here");
  }
  return verifier_->VerifyPeer(certificate);
}

Status TlsStream::Feed(ByteSpan from_network) {
  if (failure_.has_value()) return *failure_;
  ERR_clear_error();
  const Status status = Advance(from_network);
  if (!status.ok()) failure_ = status.error();
  return status;
}

Status TlsStream::Advance(ByteSpan from_network) {
  ByteSpan rest = from_network;
  do {
    const ByteSpan piece = rest.first(std::min(rest.size(), kRecordBytesMax));
    rest = rest.subspan(piece.size());
    if (!piece.empty()) {
      const int size = static_cast<int>(piece.size());
      AH_CHECK(BIO_write(SSL_get_rbio(ssl_.get()), piece.data(), size) == size);
    }
    if (!established_) {
      handshake_bytes_ += piece.size();
      AH_RETURN_IF_ERROR(Handshake());
    }
    if (established_) AH_RETURN_IF_ERROR(ReadAll());
  } while (!rest.empty());
  return Ok();
}

Status TlsStream::Handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    established_ = true;
    return Ok();
  }
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return TlsError();
  if (handshake_bytes_ > handshake_bytes_max_) {
    return LimitExceeded("TLS: a handshake of more than " + std::to_string(handshake_bytes_max_) +
                         " bytes");
  }
  return Ok();
}

Status TlsStream::ReadAll() {
  std::array<std::byte, kRecordBytesMax> plaintext;
  while (true) {
    std::size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), plaintext.data(), plaintext.size(), &size);
    if (result == 1) {
      AH_RETURN_IF_ERROR(deframer_.Feed(ByteSpan(plaintext).first(size)));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) return Ok();
    if (error == SSL_ERROR_ZERO_RETURN) return Unavailable("the other end closed the channel");
    return TlsError();
  }
}

Error TlsStream::TlsError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (refusal_.has_value()) return *refusal_;
  const char* const reason = ERR_reason_error_string(code);
  const std::string text = reason != nullptr ? reason : "no reason given";
  // Alerts of the other end have reasons from SSL_AD_REASON_OFFSET on (openssl/ssl.h).
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET) {
    return Unavailable("TLS: the other end refused: " + text);
  }
  return InvalidInput("TLS: " + text);
}

Bytes TlsStream::TakeOutput() {
  BIO* const out = SSL_get_wbio(ssl_.get());
  Bytes bytes(BIO_ctrl_pending(out));
  if (bytes.empty()) return bytes;
  std::size_t taken = 0;
  AH_CHECK(BIO_read_ex(out, bytes.data(), bytes.size(), &taken) == 1);
  AH_CHECK(taken == bytes.size());
  return bytes;
}

Bytes TlsStream::Exporter() const {
  AH_CHECK(established_);
  Bytes out(attest::kExporterBytes);
  AH_CHECK(SSL_export_keying_material(ssl_.get(), RawMutable(MutableByteSpan(out)), out.size(),
                                      kExporterLabel.data(), kExporterLabel.size(), nullptr, 0,
                                      /*use_context=*/0) == 1);
  return out;
}

Status TlsStream::Send(ByteSpan message) {
  AH_CHECK(established_);
  if (failure_.has_value()) return *failure_;
  if (message.size() > limits::kMessageBytesMax) {
    return LimitExceeded("a message of " + std::to_string(message.size()) +
                         " bytes; the limit is " + std::to_string(limits::kMessageBytesMax));
  }
  const Bytes framed = Frame(message);
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_.get(), framed.data(), framed.size(), &written) != 1) {
    failure_ = TlsError();
    return *failure_;
  }
  // Memory takes everything at once.
  AH_CHECK(written == framed.size());
  return Ok();
}

void TlsStream::Close() {
  if (!established_ || failure_.has_value()) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  failure_ = Unavailable("the channel is closed");
}

}  // namespace anchorhold::channel
