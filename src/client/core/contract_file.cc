#include "client/core/contract_file.h"

#include "client/core/files.h"
#include "client/core/number.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

std::string QuotedList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    out += "\"" + item + "\"";
  }
  return out + "]";
}

std::string EnclaveSection(const attest::AppraisalPolicy& policy) {
  std::vector<std::string> platforms;
  std::vector<std::string> measurements;
  for (const auto platform : policy.platforms) {
    platforms.emplace_back(attest::PlatformName(platform));
  }
  for (const auto& measurement : policy.measurements) measurements.push_back(ToHex(measurement));
  return "# Who may open the data: only an enclave on one of these platforms with one of these\n"
         "# measurements. insecure-simulated protects against nobody who owns the machine.\n"
         "[enclave]\n"
         "platforms = " +
         QuotedList(platforms) + "\nmeasurements = " + QuotedList(measurements) + "\n";
}

std::string GrantSections(const std::vector<ContractDraft::Grant>& grants) {
  if (grants.empty()) {
    return "# Nobody has a grant yet: the data can be stored, and no job may use it.\n";
  }
  std::string out =
      "# Who may use the data, and for what. Each epsilon bounds all that is ever released to "
      "that\n"
      "# researcher; all of them together stay within privacy.epsilon above.\n";
  for (const auto& grant : grants) {
    out += "[[grant]]\nresearcher = \"" + grant.researcher.hex() +
           "\"\npurposes = [\"train\"]\nepsilon = " + FormatNumber(grant.epsilon.value()) + "\n\n";
  }
  out.pop_back();
  return out;
}

}  // namespace

Status CheckPublicRows(std::uint64_t public_rows, std::uint64_t rows) {
  const std::string facts = "the table has " + std::to_string(rows) +
                            " rows and the contract tells " + std::to_string(public_rows);
  if (rows > public_rows) {
    return PrivacyRefused(facts +
                          "; public_rows may not be below the rows, for it bounds what the "
                          "time of training shows");
  }
  if (rows < public_rows / 2) {
    return InvalidInput(facts + ", more than twice as many; lower public_rows");
  }
  return Ok();
}

Status CheckDelta(Delta delta, std::uint64_t rows) {
  if (delta.value() * static_cast<double>(rows) < 1) return Ok();
  return PrivacyRefused("delta " + FormatNumber(delta.value()) + " is not below 1/rows = 1/" +
                        std::to_string(rows) + "; choose a smaller delta");
}

Result<std::string> FormatContract(const ContractDraft& draft) {
  AH_RETURN_IF_ERROR(wire::CheckName(draft.dataset));
  AH_RETURN_IF_ERROR(CheckDelta(draft.delta, draft.public_rows));
  std::string text =
      "# A contract of Anchorhold: what the owner of a dataset allows. Read it, change what you\n"
      "# want, then sign it with 'anchorhold contract sign'. The enclave enforces it line by "
      "line,\n"
      "# and everybody may read it.\n"
      "version = 1\n"
      "dataset = \"" +
      draft.dataset +
      "\"\n"
      "# SHA-256 of the schema file. If the schema changes, this must change.\n"
      "schema_sha256 = \"" +
      draft.schema_sha256.hex() +
      "\"\n"
      "# The number of rows that researchers are told. Round it: the exact number is private.\n"
      "public_rows = " +
      std::to_string(draft.public_rows) +
      "\n"
      "# After this moment no job may start.\n"
      "expires = \"" +
      FormatTime(draft.expires) +
      "\"\n\n"
      "# Everything ever released from this dataset, composed, is (epsilon, delta)-differentially\n"
      "# private for one row that is added or removed. Smaller is stricter; delta is below "
      "1/rows.\n"
      "[privacy]\n"
      "unit = \"row\"\n"
      "epsilon = " +
      FormatNumber(draft.epsilon.value()) + "\ndelta = " + FormatNumber(draft.delta.value()) +
      "\n\n" + EnclaveSection(draft.enclave) + "\n" + GrantSections(draft.grants);
  const auto parsed = wire::ParseContract(AsBytes(text));
  if (!parsed.ok()) return parsed.error();
  return text;
}

Result<ContractDraft::Grant> ParseGrant(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return InvalidInput("give the researcher's fingerprint and an epsilon, FINGERPRINT:EPSILON")
        .At("--grant");
  }
  const auto researcher = crypto::KeyFingerprint::FromHexText(text.substr(0, colon));
  if (!researcher.ok()) {
    return InvalidInput(
               "the fingerprint must be 64 hexadecimal digits, as 'anchorhold keygen' "
               "prints them")
        .At("--grant");
  }
  AH_ASSIGN_OR_RETURN(const Epsilon epsilon, ParseEpsilon("--grant", text.substr(colon + 1)));
  return ContractDraft::Grant{.researcher = *researcher, .epsilon = epsilon};
}

Result<ContractFile> ReadContractFile(const std::string& path) {
  ContractFile file;
  AH_ASSIGN_OR_RETURN(file.text, ReadWholeFile(path, limits::kContractBytesMax));
  auto contract = wire::ParseContract(file.text);
  if (!contract.ok()) return contract.error().At(path);
  file.contract = *std::move(contract);
  return file;
}

std::string SignaturePath(const std::string& contract_path) { return contract_path + ".sig"; }

Result<ContractFile> SignContractFile(const std::string& path, const crypto::Ed25519PrivateKey& key,
                                      UnixSeconds now) {
  AH_ASSIGN_OR_RETURN(ContractFile file, ReadContractFile(path));
  const wire::ContractSignature signature{
      .key = key.public_key(), .signature = key.Sign(wire::kContractSignatureContext, file.text)};
  const auto accepted = wire::AcceptContract(file.text, signature.key, signature.signature, now);
  if (!accepted.ok()) return accepted.error().At(path);
  AH_RETURN_IF_ERROR(WriteWholeFile(
      SignaturePath(path), AsBytes(wire::FormatContractSignature(signature)), IfExists::kReplace));
  return file;
}

Result<SignedContract> ReadSignedContract(const std::string& path, UnixSeconds now) {
  constexpr std::size_t kSignatureFileBytesMax = 4096;
  SignedContract out;
  AH_ASSIGN_OR_RETURN(out.file, ReadContractFile(path));
  const std::string signature_path = SignaturePath(path);
  const auto text = ReadWholeFile(signature_path, kSignatureFileBytesMax);
  if (!text.ok()) {
    if (text.error().code() != ErrorCode::kNotFound) return text.error();
    return NotFound("the contract is not signed; run 'anchorhold contract sign " + path + "'")
        .At(signature_path);
  }
  auto signature = wire::ParseContractSignature(*text);
  if (!signature.ok()) return signature.error().At(signature_path);
  out.signature = *signature;
  const auto accepted =
      wire::AcceptContract(out.file.text, out.signature.key, out.signature.signature, now);
  if (!accepted.ok()) return accepted.error().At(path);
  return out;
}

}  // namespace anchorhold::client
