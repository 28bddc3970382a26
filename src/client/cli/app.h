// What every command shares: the options that all of them take, where output goes, and how a
// command ends. A command group is a file of its own with one Add...Commands function; main.cc
// lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "client/core/home.h"
#include "client/core/session.h"
#include "shared/base/clock.h"

namespace anchorhold::client {

using Json = nlohmann::ordered_json;

class App {
 public:
  // A subcommand of `parent`: what it is for, in one sentence, and an example for its help.
  // `run` is called after the command line has been parsed, if this is the command given.
  CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& purpose,
                       const std::string& example, std::function<Status()> run);
  // A command that only holds others.
  CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& purpose);

  // Options that several commands take; each is declared where it makes a difference.
  void AddJsonOption(CLI::App* command);
  void AddHomeOption(CLI::App* command);
  void AddConnectOptions(CLI::App* command);  // --server, --policy and --home

  Result<Home> FindHome() const;
  Result<Session> Connect() const;
  const ConnectOptions& connect_options() const { return connect_; }
  const Clock& clock() const { return clock_; }

  bool json() const { return json_; }
  void set_json(bool json) { json_ = json; }
  // Exactly one JSON object, under --json.
  void PrintJson(const Json& object) const;
  // Text for people; not under --json, which leaves standard output to the object.
  void Print(const std::string& text) const;
  // A remark that must be seen under --json too: on standard error.
  void Remark(const std::string& text) const;
  // What --json says of a failure besides its error: members of the object.
  void set_failure_details(Json details) { failure_details_ = std::move(details); }
  // The stream for progress: standard output, or standard error under --json.
  FILE* progress_stream() const { return json_ ? stderr : stdout; }

  // Parses, runs and reports. Returns the exit status.
  int Main(CLI::App& cli, int argc, char** argv);

 private:
  int Report(const Error& error) const;
  int ReportUsage(const CLI::App& cli, const CLI::ParseError& error, bool json) const;

  bool json_ = false;
  Json failure_details_ = Json::object();
  std::string home_;
  ConnectOptions connect_;
  std::function<Status()> run_;
  SystemClock clock_;
};

}  // namespace anchorhold::client
