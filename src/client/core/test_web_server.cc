#include "client/core/test_web_server.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "shared/base/check.h"

namespace anchorhold::client {
namespace {

constexpr const char* kProxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                    "ALL_PROXY",  "no_proxy",    "NO_PROXY",    "HTTP_PROXY"};

}  // namespace

TestWebServer::TestWebServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  AH_CHECK(listener_ >= 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  AH_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  AH_CHECK(listen(listener_, 16) == 0);
  AH_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TestWebServer::~TestWebServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  for (const int fd : stalled_) close(fd);
  close(listener_);
}

std::string TestWebServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

void TestWebServer::Say(const std::string& target, const std::string& answer) {
  const std::lock_guard lock(mutex_);
  answers_[target] = answer;
}

void TestWebServer::StallAfter(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  stall_after_ = bytes;
}

std::vector<std::string> TestWebServer::Requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string TestWebServer::Answer(const std::string& body, const std::string& headers) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

void TestWebServer::Run() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) Serve(fd);
  }
}

void TestWebServer::Serve(int fd) {
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    if (got <= 0) break;
    request.append(buffer, static_cast<std::size_t>(got));
  }
  const std::size_t from = std::min(request.find(' '), request.size() - 1) + 1;
  const std::string target = request.substr(from, request.find(' ', from) - from);
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  const auto found = answers_.find(target);
  const std::string answer = found != answers_.end()
                                 ? found->second
                                 : "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
  const std::size_t end = std::min(stall_after_, answer.size());
  // A client that has heard enough hangs up, so not all of it need be taken.
  for (std::size_t sent = 0; sent < end;) {
    const ssize_t taken = send(fd, answer.data() + sent, end - sent, MSG_NOSIGNAL);
    if (taken <= 0) break;
    sent += static_cast<std::size_t>(taken);
  }
  if (stall_after_ != std::string::npos) {
    stalled_.push_back(fd);
  } else {
    close(fd);
  }
}

WithoutProxies::WithoutProxies() {
  for (const char* name : kProxies) {
    if (const char* value = getenv(name); value != nullptr) kept_[name] = value;
    unsetenv(name);
  }
}

WithoutProxies::~WithoutProxies() {
  for (const char* name : kProxies) unsetenv(name);
  for (const auto& [name, value] : kept_) setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace anchorhold::client
