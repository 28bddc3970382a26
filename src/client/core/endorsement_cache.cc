#include "client/core/endorsement_cache.h"

#include <algorithm>
#include <filesystem>

#include "client/core/endorsement_set.h"
#include "client/core/files.h"
#include "shared/base/limits.h"
#include "shared/crypto/revocation_list.h"
#include "shared/wire/json.h"

namespace anchorhold::client {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCertificatesMax = 16;
constexpr const char* kExtensions[] = {"", ".der", ".pem", ".crl", ".json", ".bin", ".crt", ".cer"};

// Intel's TCB info and QE identity: {"tcbInfo": {..., "nextUpdate": "..."}, "signature": "..."}.
Result<UnixSeconds> CollateralGoodUntil(ByteSpan file, std::string_view name) {
  AH_ASSIGN_OR_RETURN(const wire::JsonValue json,
                      wire::ParseJson(file, limits::kEvidenceFileBytesMax));
  const wire::JsonValue* const body = json.Find(name);
  if (body == nullptr) return InvalidInput("no " + std::string(name));
  AH_ASSIGN_OR_RETURN(const std::string_view next, body->String("nextUpdate"));
  return ParseTime(next);
}

Result<UnixSeconds> ListGoodUntil(ByteSpan file) {
  AH_ASSIGN_OR_RETURN(const auto lists, crypto::ReadRevocationLists(file, 1));
  if (lists.empty()) return InvalidInput("no revocation list");
  const auto next = lists.front().unverified_next_update();
  if (!next.has_value()) return InvalidInput("a revocation list that does not say until when");
  return *next;
}

Result<UnixSeconds> CertificatesGoodUntil(ByteSpan file) {
  AH_ASSIGN_OR_RETURN(const auto certificates, crypto::ReadCertificates(file, kCertificatesMax));
  if (certificates.empty()) return InvalidInput("no certificate");
  UnixSeconds until = certificates.front().unverified().not_after;
  for (const auto& certificate : certificates) {
    until = std::min(until, certificate.unverified().not_after);
  }
  return until;
}

std::vector<std::string> FoldersIn(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(path, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Error Stale(const std::string& path, UnixSeconds good_until) {
  return attest::Refuse("endorsements_current",
                        path + " was good until " + FormatTime(good_until) +
                            "; get its successor with 'anchorhold endorsements fetch'");
}

// Nothing if the folder has no file for the role.
Result<std::optional<Bytes>> ReadRole(const std::string& folder, std::string_view role) {
  for (const char* extension : kExtensions) {
    const std::string path = JoinPath(folder, std::string(role) + extension);
    if (!PathExists(path)) continue;
    AH_ASSIGN_OR_RETURN(Bytes bytes, ReadWholeFile(path, limits::kEvidenceFileBytesMax));
    return std::optional<Bytes>(std::move(bytes));
  }
  return std::optional<Bytes>();
}

}  // namespace

Result<UnixSeconds> UnverifiedGoodUntil(std::string_view role, ByteSpan file) {
  switch (FormOfRole(role)) {
    case EndorsementForm::kCertificates:
      return CertificatesGoodUntil(file);
    case EndorsementForm::kRevocationList:
      return ListGoodUntil(file);
    case EndorsementForm::kTcbInfo:
      return CollateralGoodUntil(file, "tcbInfo");
    case EndorsementForm::kQeIdentity:
      return CollateralGoodUntil(file, "enclaveIdentity");
  }
  return InternalError("a form that nobody knows");
}

Result<std::vector<attest::CarriedFile>> EndorsementCache::Find(
    UnixSeconds now, const attest::Kind& kind, const attest::UnverifiedFiles& evidence) const {
  std::vector<attest::CarriedFile> out;
  const auto set = EndorsementSet(kind, evidence);
  // Evidence that cannot be read is the verifier's to refuse, by the name of its check.
  if (!set.ok()) return out;
  const std::string folder = JoinPath(folder_, std::string(kind.name()) + "/" + *set);
  for (const attest::Role& role : kind.roles) {
    if (role.part != attest::RolePart::kEndorsement) continue;
    const std::string path = JoinPath(folder, role.name);
    if (!PathExists(path)) continue;
    AH_ASSIGN_OR_RETURN(Bytes bytes, ReadWholeFile(path, limits::kEvidenceFileBytesMax));
    const auto good_until = UnverifiedGoodUntil(role.name, bytes);
    if (!good_until.ok()) return good_until.error().At(path);
    if (*good_until < now) return Stale(path, *good_until);
    out.push_back({std::string(role.name), std::move(bytes)});
  }
  return out;
}

Result<std::vector<EndorsementCache::Entry>> EndorsementCache::List() const {
  std::vector<Entry> out;
  for (const std::string& kind : FoldersIn(folder_)) {
    const std::string of_kind = JoinPath(folder_, kind);
    for (const std::string& set : FoldersIn(of_kind)) {
      const std::string of_set = JoinPath(of_kind, set);
      for (const std::string& role : FoldersIn(of_set)) {
        Entry entry{kind, set, role, JoinPath(of_set, role), std::nullopt};
        const auto bytes = ReadWholeFile(entry.path, limits::kEvidenceFileBytesMax);
        if (bytes.ok()) {
          const auto good_until = UnverifiedGoodUntil(role, *bytes);
          if (good_until.ok()) entry.good_until = *good_until;
        }
        out.push_back(std::move(entry));
      }
    }
  }
  return out;
}

Result<std::vector<EndorsementCache::Entry>> EndorsementCache::TakeFrom(
    const std::string& from, UnixSeconds now, const attest::Kind& kind,
    const attest::UnverifiedFiles& evidence) const {
  AH_ASSIGN_OR_RETURN(const std::string set, EndorsementSet(kind, evidence));
  const std::string place = std::string(kind.name()) + "/" + set;
  std::vector<GivenFile> files;
  for (const attest::Role& role : kind.roles) {
    if (role.part != attest::RolePart::kEndorsement) continue;
    AH_ASSIGN_OR_RETURN(auto bytes, ReadRole(JoinPath(from, place), role.name));
    if (!bytes.has_value()) {
      AH_ASSIGN_OR_RETURN(bytes, ReadRole(from, role.name));
    }
    if (!bytes.has_value()) continue;
    files.push_back(
        {std::string(role.name), from + ": " + std::string(role.name), *std::move(bytes)});
  }
  if (files.empty()) {
    return NotFound("no file is called by a role of " + std::string(kind.name()) +
                    ", here or under " + place)
        .At(from);
  }
  return Keep(files, now, kind, evidence);
}

Result<std::vector<EndorsementCache::Entry>> EndorsementCache::Keep(
    const std::vector<GivenFile>& files, UnixSeconds now, const attest::Kind& kind,
    const attest::UnverifiedFiles& evidence) const {
  AH_ASSIGN_OR_RETURN(const std::string set, EndorsementSet(kind, evidence));
  const std::string folder = JoinPath(folder_, std::string(kind.name()) + "/" + set);
  std::vector<Entry> out;
  for (const GivenFile& file : files) {
    const auto good_until = UnverifiedGoodUntil(file.role, file.bytes);
    if (!good_until.ok()) return good_until.error().At(file.where);
    if (*good_until < now) {
      return InvalidInput("was good until " + FormatTime(*good_until) + "; get a newer one")
          .At(file.where);
    }
    out.push_back(
        {std::string(kind.name()), set, file.role, JoinPath(folder, file.role), *good_until});
  }
  AH_RETURN_IF_ERROR(MakeFolder(folder, 0700));
  for (std::size_t i = 0; i < files.size(); ++i) {
    AH_RETURN_IF_ERROR(WriteWholeFile(out[i].path, files[i].bytes, IfExists::kReplace));
  }
  return out;
}

}  // namespace anchorhold::client
