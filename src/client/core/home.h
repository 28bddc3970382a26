// A party's home: the folder that holds who they are and whom they have come to trust.
//
//   key             who they are; mode 0600: "anchorhold-key-v1\n" hex of the 32-byte seed "\n"
//   key.pub         the public half: key = "hex" and fingerprint = "hex"
//   policy.toml     which enclaves they accept (attest/verifier.h)
//   endorsements/   certificates and collateral of the machines they talk to (endorsement_cache.h)
//   server          "host:port\n" of the enclave that they last appraised with success
//   witness/KEY     the last tree head of the ledger KEY that they verified (witness.h)
#pragma once

#include <optional>
#include <string>

#include "client/core/files.h"
#include "shared/attest/verifier.h"
#include "shared/crypto/signature.h"

namespace anchorhold::client {

class Home {
 public:
  // The first that is set: the --home option, the variable ANCHORHOLD_HOME, "USER_HOME/.anchorhold"
  // (the variable HOME). kInvalidInput if none is.
  static Result<Home> Locate(const std::string& option, const char* anchorhold_home,
                             const char* user_home);

  const std::string& path() const { return path_; }
  std::string key_path() const { return JoinPath(path_, "key"); }
  std::string policy_path() const { return JoinPath(path_, "policy.toml"); }
  std::string endorsements_folder() const { return JoinPath(path_, "endorsements"); }
  std::string witness_folder() const { return JoinPath(path_, "witness"); }

  // Makes a fresh key. kAlreadyExists if there is one: a key is never overwritten.
  Result<crypto::Ed25519PublicKey> CreateKey() const;
  Result<crypto::Ed25519PrivateKey> LoadKey() const;
  // The policy at `option`, or at policy_path() if that is empty.
  struct PolicyFile {
    attest::AppraisalPolicy policy;
    std::string sha256;  // of the file as it was read, in hex
  };
  Result<PolicyFile> ReadPolicy(const std::string& option) const;
  Result<attest::AppraisalPolicy> LoadPolicy(const std::string& option) const;

  Result<std::string> LoadServer() const;
  Status RememberServer(const std::string& address) const;

 private:
  explicit Home(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The key file's text. The error never repeats any of it.
Result<crypto::Ed25519PrivateKey> ParseKeyFile(ByteSpan text);
crypto::SecretBytes FormatKeyFile(const crypto::Ed25519PrivateKey& key);

}  // namespace anchorhold::client
