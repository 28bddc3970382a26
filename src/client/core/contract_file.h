// Contracts on the owner's disk: writing one that its owner can read, signing it, checking it.
// The signature of CONTRACT lies beside it in CONTRACT.sig.
#pragma once

#include <string>
#include <vector>

#include "shared/attest/verifier.h"
#include "shared/wire/contract.h"

namespace anchorhold::client {

struct ContractDraft {
  std::string dataset;
  crypto::Sha256Digest schema_sha256;
  std::uint64_t public_rows = 0;
  Epsilon epsilon;
  Delta delta;
  UnixSeconds expires;
  attest::AppraisalPolicy enclave;  // platforms and measurements that may open the data
  struct Grant {
    crypto::KeyFingerprint researcher;
    Epsilon epsilon;
  };
  std::vector<Grant> grants;
};

// TOML with comments that say what each line means. The result parses (wire::ParseContract), or
// this is the error that says why the draft makes no contract.
Result<std::string> FormatContract(const ContractDraft& draft);

// "FINGERPRINT:EPSILON", as the option --grant takes it.
Result<ContractDraft::Grant> ParseGrant(std::string_view text);

// kPrivacyRefused if delta is not below 1/rows: a mechanism that publishes one row in full would
// pass as private.
Status CheckDelta(Delta delta, std::uint64_t rows);

// The same bounds that the enclave sets: kPrivacyRefused if there are more rows than the contract
// tells, kInvalidInput if there are fewer than half.
Status CheckPublicRows(std::uint64_t public_rows, std::uint64_t rows);

struct ContractFile {
  Bytes text;
  wire::Contract contract;
};
Result<ContractFile> ReadContractFile(const std::string& path);

std::string SignaturePath(const std::string& contract_path);
// Signs the file as it is and writes CONTRACT.sig, in place of an earlier one. Refuses a contract
// that has expired at `now`.
Result<ContractFile> SignContractFile(const std::string& path, const crypto::Ed25519PrivateKey& key,
                                      UnixSeconds now);

struct SignedContract {
  ContractFile file;
  wire::ContractSignature signature;
};
// Contract and signature, valid and not expired at `now`. kNotFound without a signature file, and
// as wire::AcceptContract.
Result<SignedContract> ReadSignedContract(const std::string& path, UnixSeconds now);

}  // namespace anchorhold::client
