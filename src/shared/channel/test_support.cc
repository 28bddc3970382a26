#include "shared/channel/test_support.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "shared/attest/answer.h"
#include "shared/wire/session.pb.h"

namespace anchorhold::channel::testing {
namespace {

ServerIdentity MakeIdentity(const TestEnclave& enclave) {
  return ServerIdentity::Create(enclave.tls_key, enclave.keys, enclave.evidence).value();
}

KeyPtr MakeKey(std::string_view type) {
  if (type == "RSA") return KeyPtr(EVP_RSA_gen(2048));
  if (type == "P-256") return KeyPtr(EVP_EC_gen("P-256"));
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

CertificatePtr MakeRawCertificate(EVP_PKEY* key, EVP_PKEY* signer, std::size_t padding) {
  CertificatePtr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  if (padding > 0) {
    const std::string comment(padding, 'x');
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, comment.c_str());
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  const bool is_ed25519 = EVP_PKEY_get_id(signer) == EVP_PKEY_ED25519;
  AH_CHECK(X509_sign(certificate.get(), signer, is_ed25519 ? nullptr : EVP_sha256()) > 0);
  return certificate;
}

// Listens on a free port of the loopback interface.
int Listen(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  AH_CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  AH_CHECK(::listen(fd, 8) == 0);
  socklen_t size = sizeof(address);
  AH_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

bool SendAll(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

TestEnclave::TestEnclave(std::uint8_t measurement)
    : TestEnclave(
          std::make_unique<attest::SimulatedAttester>(attest::testing::MakeAttester(measurement))) {
}

TestEnclave::TestEnclave(std::unique_ptr<attest::Attester> platform)
    : owned(std::move(platform)),
      attester(*owned),
      tls_key(crypto::Ed25519PrivateKey::Generate()),
      keys(attest::testing::MakeKeys(tls_key.public_key())),
      evidence(attester.Attest(attest::BindKeys(keys)).value()),
      identity(MakeIdentity(*this)) {}

RawClient::RawClient(const RawClientOptions& options) : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, options.max_version);
  AH_CHECK(SSL_CTX_set_ciphersuites(context, options.ciphersuites) == 1);
  AH_CHECK(SSL_CTX_set1_groups_list(context, options.groups) == 1);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  if (options.key_type != nullptr) {
    const KeyPtr key = MakeKey(options.key_type);
    const KeyPtr other = MakeKey(options.key_type);
    const CertificatePtr certificate = MakeRawCertificate(
        key.get(), options.signed_by_itself ? key.get() : other.get(), options.padding);
    AH_CHECK(SSL_CTX_use_certificate(context, certificate.get()) == 1);
    AH_CHECK(SSL_CTX_use_PrivateKey(context, key.get()) == 1);
    for (int i = 0; i < options.extra_chain; ++i) {
      SSL_CTX_add1_chain_cert(context, certificate.get());
    }
  }
  ssl_.reset(SSL_new(context));
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
}

Bytes RawClient::Step(ByteSpan from_server) {
  ERR_clear_error();
  if (!from_server.empty()) {
    BIO_write(SSL_get_rbio(ssl_.get()), from_server.data(), static_cast<int>(from_server.size()));
  }
  int result = SSL_do_handshake(ssl_.get());
  std::array<std::byte, 16384> buffer;
  while (result == 1) {
    std::size_t size = 0;
    result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size);
    if (result == 1) AppendBytes(plaintext_, ByteSpan(buffer).first(size));
  }
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) failed_ = true;
  return TakeOutput();
}

Bytes RawClient::Encrypt(ByteSpan plaintext) {
  std::size_t written = 0;
  AH_CHECK(SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) == 1);
  return TakeOutput();
}

Bytes RawClient::Close() {
  SSL_shutdown(ssl_.get());
  return TakeOutput();
}

Bytes RawClient::Exporter() const {
  Bytes out(32);
  AH_CHECK(SSL_export_keying_material(ssl_.get(), RawMutable(MutableByteSpan(out)), out.size(),
                                      "EXPORTER-anchorhold-attestation", 31, nullptr, 0, 0) == 1);
  return out;
}

Bytes RawClient::TakeOutput() {
  Bytes out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
  if (!out.empty()) {
    BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
  }
  return out;
}

Status Pair(RawClient& client, ServerSession& server) {
  Bytes to_server = client.Step({});
  Status status = Ok();
  while (!to_server.empty()) {
    status = server.Feed(to_server);
    to_server = client.Step(server.TakeOutput());
    if (!status.ok()) break;
  }
  return status;
}

LoopbackServer::LoopbackServer(TestEnclave& enclave, Options options)
    : enclave_(enclave), options_(std::move(options)), listener_(Listen(port_)) {
  thread_ = std::thread([this] { Run(); });
}

LoopbackServer::~LoopbackServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

LoopbackServer::Seen LoopbackServer::WaitForEnd(int connections) {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_ >= connections) return seen_;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void LoopbackServer::Run() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    Seen seen;
    Serve(fd, seen);
    ::close(fd);
    const std::lock_guard lock(mutex_);
    seen_ = seen;
    ++ended_;
  }
}

void LoopbackServer::Serve(int fd, Seen& seen) {
  ServerSession session(enclave_.identity);
  Bytes buffer(64 * 1024);
  while (true) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) return;
    seen.bytes_received += static_cast<std::size_t>(size);
    const Status fed = session.Feed(ByteSpan(buffer).first(static_cast<std::size_t>(size)));
    seen.established = session.established();
    while (const auto message = session.NextMessage()) Answer(session, *message);
    const Bytes output = session.TakeOutput();
    const std::size_t left = options_.cut_after - seen.bytes_sent;
    const bool sent = SendAll(fd, ByteSpan(output).first(std::min(left, output.size())));
    seen.bytes_sent += std::min(left, output.size());
    if (!fed.ok()) seen.error = fed.error().message();
    if (!fed.ok() || !sent || output.size() > left) return;
  }
}

void LoopbackServer::Answer(ServerSession& session, ByteSpan message) {
  wire::proto::Request request;
  const bool is_request = request.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (!is_request || !request.has_attest()) {
    AH_CHECK(session.Send(message).ok());
    return;
  }
  const ByteSpan nonce = AsBytes(request.attest().nonce());
  const Bytes exporter = session.Exporter();
  const Bytes evidence =
      options_.answer != nullptr
          ? options_.answer(nonce, exporter)
          : attest::AnswerAttest(enclave_.attester, enclave_.keys, nonce, exporter).value();
  wire::proto::Response response;
  response.mutable_attest()->set_evidence(CopyText(evidence));
  AH_CHECK(session.Send(AsBytes(response.SerializeAsString())).ok());
}

SayingServer::SayingServer(Bytes words) : listener_(Listen(port_)) {
  thread_ = std::thread([this, words = std::move(words)] {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    SendAll(fd, words);
    ::shutdown(fd, SHUT_WR);
    Bytes ignored(4096);
    while (::recv(fd, ignored.data(), ignored.size(), 0) > 0) continue;
    ::close(fd);
  });
}

SayingServer::~SayingServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

RawServer::RawServer(const crypto::Ed25519PrivateKey& key, X509* certificate)
    : context_(SSL_CTX_new(TLS_server_method())), listener_(Listen(port_)) {
  const KeyPtr openssl_key = ToOpensslKey(key);
  AH_CHECK(SSL_CTX_use_certificate(context_.get(), certificate) == 1);
  AH_CHECK(SSL_CTX_use_PrivateKey(context_.get(), openssl_key.get()) == 1);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  thread_ = std::thread([this] {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    Serve(fd);
    ::close(fd);
  });
}

void RawServer::Serve(int fd) {
  const SslPtr ssl(SSL_new(context_.get()));
  SSL_set_fd(ssl.get(), fd);
  SSL_accept(ssl.get());
  saw_certificate_ = SSL_get0_peer_certificate(ssl.get()) != nullptr;
}

bool RawServer::WaitSawCertificate() {
  thread_.join();
  return saw_certificate_;
}

RawServer::~RawServer() {
  ::shutdown(listener_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  ::close(listener_);
}

}  // namespace anchorhold::channel::testing
