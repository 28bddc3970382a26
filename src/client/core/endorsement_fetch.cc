#include "client/core/endorsement_fetch.h"

#include <map>

#include "client/core/endorsement_set.h"
#include "shared/crypto/certificate.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kChainMax = 16;
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

// Every error says how to do without.
Error OrByHand(const Error& error) {
  return Error(error.code(), error.message() +
                                 "; or get the files on another machine, as 'anchorhold "
                                 "endorsements fetch --addresses' lists them, and say --from DIR");
}

// Without slashes at its end.
Result<std::string> CheckService(const EndorsementService& service) {
  std::string url = service.url;
  while (url.ends_with('/')) url.pop_back();
  const bool http = url.starts_with(kHttp);
  if (http && service.plain == PlainHttp::kRefuse) {
    return InvalidInput(
        "http, which anybody on the way can change; use https, or say --insecure-http-service");
  }
  const std::size_t host = (http ? kHttp : kHttps).size();
  if ((!http && !url.starts_with(kHttps)) || url.size() <= host || url[host] == '/' ||
      url.find_first_of("?#@ ") != std::string::npos) {
    return InvalidInput("not an address such as https://cache.example/endorsements");
  }
  return url;
}

// The vendor's address, at the mirror if there is one.
std::string AddressAt(const std::string& mirror, const std::string& url) {
  if (mirror.empty()) return url;
  const std::size_t path = url.find('/', kHttps.size());
  return path == std::string::npos ? mirror : mirror + url.substr(path);
}

// AMD's chain: the intermediate, then the root that issued it.
Result<Bytes> FromChain(ByteSpan body, std::size_t index) {
  AH_ASSIGN_OR_RETURN(const auto chain, crypto::ReadCertificates(body, kChainMax));
  if (chain.size() != 2) {
    return InvalidInput("a chain of " + std::to_string(chain.size()) + " certificates, not of two");
  }
  const auto& intermediate = chain.front().unverified();
  const auto& root = chain.back().unverified();
  if (root.subject != root.issuer || intermediate.issuer != root.subject) {
    return InvalidInput("not an intermediate certificate and the root that issued it");
  }
  return chain[index].unverified().der;
}

Result<Bytes> PartOf(const HttpAnswer& answer, const EndorsementOrigin& origin) {
  switch (origin.part) {
    case AnswerPart::kBody:
      return answer.body;
    case AnswerPart::kFirstCertificate:
      return FromChain(answer.body, 0);
    case AnswerPart::kSecondCertificate:
      return FromChain(answer.body, 1);
    case AnswerPart::kHeader: {
      AH_ASSIGN_OR_RETURN(const std::string value, answer.Header(origin.header));
      const auto decoded = PercentDecode(value);
      if (!decoded.ok()) return decoded.error().At("its header " + origin.header);
      return CopyBytes(AsBytes(*decoded));
    }
  }
  return InternalError("a part of an answer that nobody knows");
}

using GivenFiles = std::vector<EndorsementCache::GivenFile>;

// All files of the origins; each address is asked once.
Result<GivenFiles> GetAll(const EndorsementOrigins& origins, const std::string& mirror,
                          const EndorsementService& service) {
  const PlainHttp plain = mirror.empty() ? PlainHttp::kRefuse : service.plain;
  std::map<std::string, HttpAnswer> answers;
  GivenFiles files;
  for (const EndorsementOrigin& origin : origins) {
    if (origin.url.empty()) return Unsupported("no service hands it out").At(origin.role);
    const std::string url = AddressAt(mirror, origin.url);
    const std::string where = origin.role + " from " + url;
    if (!answers.contains(url)) {
      auto answer = HttpGet(url, plain, service.limits);
      if (!answer.ok()) return answer.error().At(where);
      answers.emplace(url, *std::move(answer));
    }
    auto bytes = PartOf(answers.at(url), origin);
    // An answer without one of its parts is not a file that nobody has.
    if (!bytes.ok()) return InvalidInput(bytes.error().message()).At(where);
    files.push_back({origin.role, where, *std::move(bytes)});
  }
  return files;
}

}  // namespace

Result<std::vector<EndorsementCache::Entry>> FetchEndorsements(
    const EndorsementCache& cache, const EndorsementService& service, UnixSeconds now,
    const attest::Kind& kind, const attest::UnverifiedFiles& evidence) {
  AH_ASSIGN_OR_RETURN(const auto choices, EndorsementChoices(kind, evidence));
  std::string mirror;
  if (!service.url.empty()) {
    auto checked = CheckService(service);
    if (!checked.ok()) return checked.error().At("--service " + service.url);
    mirror = *std::move(checked);
  }
  // More than one if the evidence leaves open which product its machine is. Only the machine's own
  // file tells: a service does not have it among those of another product.
  if (choices.size() > 1 && choices.front().front().role != "vek") {
    return OrByHand(Unsupported("the report does not say which product its processor is"));
  }
  Result<GivenFiles> files = NotFound("no service hands them out");
  for (const auto& origins : choices) {
    files = GetAll(origins, mirror, service);
    if (files.ok() || files.error().code() != ErrorCode::kNotFound) break;
  }
  if (!files.ok()) return OrByHand(files.error());
  auto kept = cache.Keep(*files, now, kind, evidence);
  if (!kept.ok()) return OrByHand(kept.error());
  return kept;
}

}  // namespace anchorhold::client
