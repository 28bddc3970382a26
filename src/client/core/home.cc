#include "client/core/home.h"

#include <algorithm>

#include "shared/base/limits.h"
#include "shared/crypto/hash.h"

namespace anchorhold::client {
namespace {

constexpr std::string_view kKeyHeader = "anchorhold-key-v1\n";
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kKeyFileBytes = kKeyHeader.size() + 2 * kSeedBytes + 1;
constexpr std::size_t kServerBytesMax = 512;

}  // namespace

Result<crypto::Ed25519PrivateKey> ParseKeyFile(ByteSpan text) {
  const Error broken = InvalidInput(
      "not a key file of anchorhold: restore it from a copy, or move it away and run "
      "'anchorhold keygen'");
  const std::string_view view = AsText(text);
  if (view.size() != kKeyFileBytes || view.substr(0, kKeyHeader.size()) != kKeyHeader ||
      view.back() != '\n') {
    return broken;
  }
  const std::string_view hex = view.substr(kKeyHeader.size(), 2 * kSeedBytes);
  crypto::SecretBytes seed(kSeedBytes);
  // Not FromHex: that would leave the seed in memory of its own.
  for (std::size_t i = 0; i < kSeedBytes; ++i) {
    const int high = HexDigit(hex[2 * i]);
    const int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return broken;
    seed.mutable_span()[i] = static_cast<std::byte>(high * 16 + low);
  }
  return crypto::Ed25519PrivateKey::FromSeed(std::move(seed));
}

crypto::SecretBytes FormatKeyFile(const crypto::Ed25519PrivateKey& key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  crypto::SecretBytes file(kKeyFileBytes);
  const MutableByteSpan out = file.mutable_span();
  const ByteSpan header = AsBytes(kKeyHeader);
  std::copy(header.begin(), header.end(), out.begin());
  const ByteSpan seed = key.seed().ExposeSecret();
  for (std::size_t i = 0; i < kSeedBytes; ++i) {
    const auto value = std::to_integer<unsigned>(seed[i]);
    out[kKeyHeader.size() + 2 * i] = static_cast<std::byte>(kDigits[value >> 4]);
    out[kKeyHeader.size() + 2 * i + 1] = static_cast<std::byte>(kDigits[value & 15]);
  }
  out[kKeyFileBytes - 1] = static_cast<std::byte>('\n');
  return file;
}

Result<Home> Home::Locate(const std::string& option, const char* anchorhold_home,
                          const char* user_home) {
  if (!option.empty()) return Home(option);
  if (anchorhold_home != nullptr && *anchorhold_home != '\0') return Home(anchorhold_home);
  if (user_home != nullptr && *user_home != '\0') return Home(JoinPath(user_home, ".anchorhold"));
  return InvalidInput("no home folder: give --home DIR or set ANCHORHOLD_HOME");
}

Result<crypto::Ed25519PublicKey> Home::CreateKey() const {
  AH_RETURN_IF_ERROR(MakeFolder(path_, 0700));
  if (PathExists(key_path())) {
    return AlreadyExists("there is a key already and it is never overwritten; use another --home")
        .At(key_path());
  }
  const auto key = crypto::Ed25519PrivateKey::Generate();
  const crypto::SecretBytes file = FormatKeyFile(key);
  AH_RETURN_IF_ERROR(WriteWholeFile(key_path(), file.ExposeSecret(), IfExists::kRefuse, 0600));
  const std::string text = "key = \"" + key.public_key().hex() + "\"\nfingerprint = \"" +
                           crypto::FingerprintOf(key.public_key()).hex() + "\"\n";
  AH_RETURN_IF_ERROR(WriteWholeFile(JoinPath(path_, "key.pub"), AsBytes(text), IfExists::kReplace));
  return key.public_key();
}

Result<crypto::Ed25519PrivateKey> Home::LoadKey() const {
  auto file = ReadSecretFile(key_path(), kKeyFileBytes);
  if (!file.ok()) {
    if (file.error().code() != ErrorCode::kNotFound) return file.error();
    return NotFound("no key: make one with 'anchorhold keygen --home " + path_ + "'")
        .At(key_path());
  }
  auto key = ParseKeyFile(file->ExposeSecret());
  if (!key.ok()) return key.error().At(key_path());
  return key;
}

Result<Home::PolicyFile> Home::ReadPolicy(const std::string& option) const {
  const std::string path = option.empty() ? policy_path() : option;
  const auto text = ReadWholeFile(path, limits::kPolicyBytesMax);
  if (!text.ok()) {
    if (text.error().code() != ErrorCode::kNotFound) return text.error();
    return NotFound(
               "no appraisal policy: write one with 'anchorhold policy new', or give --policy FILE")
        .At(path);
  }
  auto policy = attest::ParsePolicy(*text);
  if (!policy.ok()) return policy.error().At(path);
  return PolicyFile{std::move(policy).value(), crypto::Sha256(*text).hex()};
}

Result<attest::AppraisalPolicy> Home::LoadPolicy(const std::string& option) const {
  AH_ASSIGN_OR_RETURN(PolicyFile file, ReadPolicy(option));
  return std::move(file.policy);
}

Result<std::string> Home::LoadServer() const {
  const std::string path = JoinPath(path_, "server");
  const auto text = ReadWholeFile(path, kServerBytesMax);
  if (!text.ok()) {
    if (text.error().code() != ErrorCode::kNotFound) return text.error();
    return NotFound(
               "no enclave appraised yet: run 'anchorhold attest --server HOST:PORT' first, or "
               "give --server")
        .At(path);
  }
  std::string address = CopyText(*text);
  while (!address.empty() && address.back() == '\n') address.pop_back();
  return address;
}

Status Home::RememberServer(const std::string& address) const {
  AH_RETURN_IF_ERROR(MakeFolder(path_, 0700));
  return WriteWholeFile(JoinPath(path_, "server"), AsBytes(address + "\n"), IfExists::kReplace);
}

}  // namespace anchorhold::client
