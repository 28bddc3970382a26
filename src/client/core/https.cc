#include "client/core/https.h"

#include <curl/curl.h>
#include <strings.h>

#include <memory>

namespace anchorhold::client {
namespace {

constexpr std::size_t kHeaderBytesMax = 256 * limits::kKiB;  // of one answer, all together
constexpr std::size_t kQuotedBytesMax = 200;

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

struct Receiver {
  HttpAnswer answer;
  std::size_t body_bytes_max = 0;
  std::size_t header_bytes = 0;
  std::size_t exceeded = 0;  // the limit that the answer went over
};

// Both tell libcurl to give up by taking less than they were given.
std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* to) {
  Receiver& receiver = *static_cast<Receiver*>(to);
  const std::size_t bytes = size * count;
  if (bytes > receiver.body_bytes_max - receiver.answer.body.size()) {
    receiver.exceeded = receiver.body_bytes_max;
    return 0;
  }
  AppendBytes(receiver.answer.body, AsBytes({data, bytes}));
  return bytes;
}

std::size_t TakeHeader(char* data, std::size_t size, std::size_t count, void* to) {
  Receiver& receiver = *static_cast<Receiver*>(to);
  const std::size_t bytes = size * count;
  if (bytes > kHeaderBytesMax - receiver.header_bytes) {
    receiver.exceeded = kHeaderBytesMax;
    return 0;
  }
  receiver.header_bytes += bytes;
  const std::string_view line(data, bytes);
  // A status line begins the headers of another answer: those of "100 Continue" are nobody's.
  if (line.starts_with("HTTP/")) receiver.answer.headers.clear();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bytes;
  std::string_view value = line.substr(colon + 1);
  const std::size_t first = value.find_first_not_of(" \t\r\n");
  value = first == std::string_view::npos ? "" : value.substr(first);
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  receiver.answer.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  return bytes;
}

CURLcode Perform(CURL* curl, const std::string& url, PlainHttp plain, const HttpLimits& limits,
                 Receiver& receiver) {
  const auto time = static_cast<long>(limits.time.count());
  const char* const schemes = plain == PlainHttp::kAllow ? "https,http" : "https";
  CURLcode code = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl_easy_setopt(curl, option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, schemes);
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, time);
  set(CURLOPT_TIMEOUT_MS, time);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_WRITEFUNCTION, &TakeBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  set(CURLOPT_HEADERFUNCTION, &TakeHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&receiver));
  return code == CURLE_OK ? curl_easy_perform(curl) : code;
}

std::string Seconds(std::chrono::milliseconds time) {
  const auto tenths = time.count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " seconds";
}

Error NoAnswer(CURLcode code, std::string_view detail, const HttpLimits& limits,
               const Receiver& receiver) {
  if (receiver.exceeded != 0) {
    return LimitExceeded("the answer is larger than " + std::to_string(receiver.exceeded) +
                         " bytes, more than such a file ever is");
  }
  std::string reason(detail.empty() ? curl_easy_strerror(code) : detail);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return IntegrityError("the server's certificate does not hold (" + reason +
                            "); the system's certificate authorities decide");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:  // a user's name in the address
      return InvalidInput("not an address to fetch from (" + reason + ")");
    case CURLE_OPERATION_TIMEDOUT:
      return Unavailable("no complete answer within " + Seconds(limits.time));
    case CURLE_PARTIAL_FILE:
      return Unavailable("the answer broke off");
    default:
      return Unavailable("no answer (" + reason + ")");
  }
}

// Of an answer other than 200.
Error WrongStatus(long status, const HttpAnswer& answer) {
  const std::string number = std::to_string(status);
  const auto quoted = [&](std::string_view name) {
    return answer.Header(name).ok() ? answer.Header(name)->substr(0, kQuotedBytesMax)
                                    : std::string("nowhere");
  };
  if (status == 404 || status == 410) {
    return NotFound("the server has no such file (status " + number + ")");
  }
  if (status >= 300 && status < 400) {
    return Unsupported("the server points elsewhere (status " + number + ", to " +
                       quoted("Location") + "), and redirects are not followed");
  }
  if (status == 429) {
    return Unavailable("the server asks to wait (status 429); try again in some minutes");
  }
  if (status == 408 || status >= 500) {
    return Unavailable("the server failed (status " + number + "); try again later");
  }
  return Unsupported("the server refused (status " + number + ")");
}

}  // namespace

Result<std::string> HttpAnswer::Header(std::string_view name) const {
  const HttpHeader* found = nullptr;
  const std::string wanted(name);
  for (const HttpHeader& header : headers) {
    if (strcasecmp(header.name.c_str(), wanted.c_str()) != 0) continue;
    if (found != nullptr) return InvalidInput("the answer has several headers " + wanted);
    found = &header;
  }
  if (found == nullptr) return NotFound("the answer has no header " + wanted);
  return found->value;
}

Result<HttpAnswer> HttpGet(const std::string& url, PlainHttp plain, const HttpLimits& limits) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, CurlDeleter> curl(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (curl == nullptr) return Unavailable("libcurl does not start");
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, detail);
  Receiver receiver;
  receiver.body_bytes_max = limits.body_bytes;
  const CURLcode code = Perform(curl.get(), url, plain, limits, receiver);
  if (code != CURLE_OK) return NoAnswer(code, detail, limits, receiver);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return WrongStatus(status, receiver.answer);
  return std::move(receiver.answer);
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return InvalidInput("'%' without two hexadecimal digits");
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace anchorhold::client
