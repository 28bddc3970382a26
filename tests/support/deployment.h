// A whole deployment in a temporary folder: host, enclave, and parties with homes of their own, all
// driven through the public command line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/command.h"

namespace anchorhold::testing {

class Deployment {
 public:
  Deployment();
  ~Deployment();  // stops what is still running and removes the folder
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // Starts host and enclave and waits until they serve. Fails the test otherwise.
  void Up();
  void Down();
  // Starts again after a crash or Down, on the same state and port number or another.
  void Restart() { Up(); }
  bool IsUp() const;
  pid_t host_pid() const;
  pid_t enclave_pid() const;

  // `anchorhold ARGUMENTS` as `party`.
  Outcome As(const std::string& party, const std::vector<std::string>& arguments) const;
  // The same, which must succeed, with --json added: its parsed output.
  nlohmann::json JsonAs(const std::string& party, std::vector<std::string> arguments) const;
  // Starts it in the background.
  pid_t StartAs(const std::string& party, const std::vector<std::string>& arguments) const;

  // Key, policy, attested server: all that a party does before its first request.
  void Introduce(const std::string& party);
  // Tells a party the present address of the server (it changes with a restart).
  void AttestAgain(const std::string& party);
  std::string FingerprintOf(const std::string& party) const;
  // Writes and signs a contract over `csv` for one researcher; returns its path.
  std::string Contract(const std::string& owner, const std::string& dataset, const std::string& csv,
                       const std::string& researcher, double epsilon);
  Outcome Put(const std::string& owner, const std::string& csv, const std::string& contract) const;

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string state() const { return Path("state"); }
  const std::string& server() const { return server_; }

 private:
  std::string folder_;
  std::string server_;
};

// Paths of the build and of the example's files.
std::string Binary(const std::string& name);
std::string ExamplePath(const std::string& name);

// A CSV that the example's schema takes, with `rows` rows made up from `seed`; classes alternate.
std::string SyntheticCsv(int rows, unsigned seed);

}  // namespace anchorhold::testing
