#include "tests/support/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace anchorhold::testing {
namespace {

// In the child: never returns.
[[noreturn]] void Exec(const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& environment, int out, int err) {
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (int fd = 3; fd < 256; ++fd) close(fd);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  std::fprintf(stderr, "cannot run %s\n", argv[0]);
  _exit(127);
}

// Reads both pipes until both are closed.
void Drain(std::array<int, 2> fds, std::array<std::string*, 2> texts) {
  std::array<pollfd, 2> polls = {{{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}}};
  std::array<char, 4096> buffer = {};
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    if (poll(polls.data(), polls.size(), -1) < 0) return;
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].fd < 0 || polls[i].revents == 0) continue;
      const ssize_t n = read(polls[i].fd, buffer.data(), buffer.size());
      if (n > 0) {
        texts[i]->append(buffer.data(), static_cast<std::size_t>(n));
      } else {
        polls[i].fd = -1;
      }
    }
  }
}

}  // namespace

Outcome RunCommand(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment) {
  int out[2] = {};
  int err[2] = {};
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) Exec(arguments, environment, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  Outcome outcome;
  Drain({out[0], err[0]}, {&outcome.out, &outcome.err});
  close(out[0]);
  close(err[0]);
  outcome.status = WaitFor(pid);
  return outcome;
}

pid_t StartCommand(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment,
                   const std::string& log_path) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  Exec(arguments, environment, log, log);
}

int WaitFor(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace anchorhold::testing
