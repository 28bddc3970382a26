// A web server for tests, on a loopback port: reads one request of each connection, says the bytes
// that it was told to say to its path, closes.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace anchorhold::client {

class TestWebServer {
 public:
  TestWebServer();
  ~TestWebServer();
  TestWebServer(const TestWebServer&) = delete;
  TestWebServer& operator=(const TestWebServer&) = delete;

  // "http://127.0.0.1:PORT"
  std::string url() const;
  // All of an answer to what comes after GET: "HTTP/1.1 200 OK\r\n...". Other targets are 404.
  void Say(const std::string& target, const std::string& answer);
  // Every later answer stops after that many bytes, and the connection stays open until the server
  // dies.
  void StallAfter(std::size_t bytes);
  // In the order of their coming: the request line and the headers, as they came.
  std::vector<std::string> Requests() const;

  // 200, with its length; `headers` are whole lines, "Name: value\r\n".
  static std::string Answer(const std::string& body, const std::string& headers = "");

 private:
  void Run();
  void Serve(int fd);

  int listener_ = -1;
  unsigned port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> answers_;
  std::size_t stall_after_ = std::string::npos;
  std::vector<std::string> requests_;
  std::vector<int> stalled_;
  std::thread thread_;
};

// Forgets the proxies that the environment may name, and brings them back at the end.
class WithoutProxies {
 public:
  WithoutProxies();
  ~WithoutProxies();
  WithoutProxies(const WithoutProxies&) = delete;
  WithoutProxies& operator=(const WithoutProxies&) = delete;

 private:
  std::map<std::string, std::string> kept_;
};

}  // namespace anchorhold::client
