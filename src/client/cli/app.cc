#include "client/cli/app.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "client/cli/render.h"
#include "client/core/messages.h"

namespace anchorhold::client {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitReaderGone = 128 + SIGPIPE;  // as a shell tells of a process that SIGPIPE ended

// Whether standard output is a pipe whose reader has gone, as `head` does when it has seen enough.
bool ReaderIsGone() {
  pollfd out = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace

CLI::App* App::AddCommand(CLI::App& parent, const std::string& name, const std::string& purpose,
                          const std::string& example, std::function<Status()> run) {
  CLI::App* const command = parent.add_subcommand(name, purpose);
  command->footer("Example:\n  " + example);
  command->callback([this, run = std::move(run)] { run_ = run; });
  return command;
}

CLI::App* App::AddGroup(CLI::App& parent, const std::string& name, const std::string& purpose) {
  CLI::App* const group = parent.add_subcommand(name, purpose);
  group->require_subcommand(1);
  return group;
}

void App::AddJsonOption(CLI::App* command) {
  command->add_flag("--json", json_, "Print exactly one JSON object on standard output.");
}

void App::AddHomeOption(CLI::App* command) {
  command
      ->add_option("--home", home_,
                   "Folder of your key, policy and witnesses. Default: $ANCHORHOLD_HOME, else "
                   "~/.anchorhold.")
      ->type_name("DIR");
}

void App::AddConnectOptions(CLI::App* command) {
  AddHomeOption(command);
  command
      ->add_option(
          "--server", connect_.server,
          "Address of the enclave. Default: the one that 'anchorhold attest' accepted last.")
      ->type_name("HOST:PORT");
  command
      ->add_option(
          "--policy", connect_.policy,
          "Appraisal policy: which enclaves you accept. Default: policy.toml in your home.")
      ->type_name("FILE");
}

Result<Home> App::FindHome() const {
  return Home::Locate(home_, std::getenv("ANCHORHOLD_HOME"), std::getenv("HOME"));
}

Result<Session> App::Connect() const {
  AH_ASSIGN_OR_RETURN(const Home home, FindHome());
  return Session::Connect(home, connect_, clock_);
}

void App::PrintJson(const Json& object) const {
  const std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void App::Print(const std::string& text) const {
  if (!json_) std::fwrite(text.data(), 1, text.size(), stdout);
}

void App::Remark(const std::string& text) const {
  FILE* const out = json_ ? stderr : stdout;
  std::fwrite(text.data(), 1, text.size(), out);
}

int App::Report(const Error& error) const {
  const std::string message = OneLine(error.message());
  if (json_) {
    Json object = failure_details_;
    object["error"] = {{"code", ErrorCodeName(error.code())}, {"message", message}};
    PrintJson(object);
  }
  std::fprintf(stderr, "anchorhold: %s\n", message.c_str());
  return ExitStatus(error.code());
}

int App::ReportUsage(const CLI::App& cli, const CLI::ParseError& error, bool json) const {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return cli.exit(error);
  // The deepest command that was named: its help is the one that helps.
  const CLI::App* command = &cli;
  std::string name = "anchorhold";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  // Of a word that is no command, CLI11 says only that a command is missing.
  const std::vector<std::string> unknown = command->remaining();
  const std::string what = unknown.empty() || !command->get_require_subcommand_min()
                               ? error.what()
                               : "there is no command '" + unknown.front() + "'";
  const std::string message = OneLine(what + "; see '" + name + " --help'");
  if (json) {
    PrintJson(
        {{"error", {{"code", ErrorCodeName(ErrorCode::kInvalidInput)}, {"message", message}}}});
  }
  std::fprintf(stderr, "anchorhold: %s\n", message.c_str());
  return kExitUsage;
}

int App::Main(CLI::App& cli, int argc, char** argv) {
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    bool json = false;
    for (int i = 1; i < argc; ++i) json = json || std::strcmp(argv[i], "--json") == 0;
    return ReportUsage(cli, error, json);
  }
  const Status status = run_();
  if (!status.ok()) return Report(status.error());
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    if (ReaderIsGone()) return kExitReaderGone;
    return Report(Unavailable("standard output cannot be written; is the disk full?"));
  }
  return 0;
}

}  // namespace anchorhold::client
