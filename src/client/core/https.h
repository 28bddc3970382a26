// A file from a server of the web: one GET, its whole answer or an error. HTTPS with the system's
// certificate authorities. No redirect is followed, no cookie is kept, no password is sent, nothing
// is decompressed. A proxy is used only if the user names it, in the usual variables of the
// environment (https_proxy, no_proxy, ...). Uses libcurl.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/limits.h"

namespace anchorhold::client {

struct HttpLimits {
  std::size_t body_bytes = limits::kEvidenceFileBytesMax;
  std::chrono::milliseconds time{30'000};  // from looking the name up to the answer's last byte
};

// Whether an address may begin with http:// too. What is fetched that way anybody on the path can
// read, replace and withhold.
enum class PlainHttp { kRefuse, kAllow };

struct HttpHeader {
  std::string name, value;
};

struct HttpAnswer {
  Bytes body;
  std::vector<HttpHeader> headers;

  // The only header of that name, in any case of letters. kNotFound; kInvalidInput if there are
  // several.
  Result<std::string> Header(std::string_view name) const;
};

// The answer to a GET if its status is 200. Otherwise one line without the address: kNotFound (404,
// 410), kLimitExceeded (too large), kIntegrity (the server's certificate), kInvalidInput (an
// address that is none, or is of http), kUnsupported (redirects, other statuses), kUnavailable
// (everything that may pass: no way to the server, too slow, broken off, 408, 429, 5xx).
Result<HttpAnswer> HttpGet(const std::string& url, PlainHttp plain, const HttpLimits& limits);

// "%41%0A" for "A\n"; everything else, '+' too, stands for itself. kInvalidInput if a '%' is not
// followed by two hexadecimal digits.
Result<std::string> PercentDecode(std::string_view text);

}  // namespace anchorhold::client
