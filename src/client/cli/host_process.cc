#include "client/cli/host_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "client/core/files.h"
#include "client/core/messages.h"

namespace anchorhold::client {
namespace {

constexpr char kHostName[] = "anchorhold-host";
constexpr std::size_t kDescriptionBytesMax = 64 * 1024;
constexpr int kReadySecondsMax = 150;
constexpr int kStopSecondsMax = 60;

// Whether the process is an anchorhold-host: a pid in an old file may be somebody else's by now.
// One that has ended and that nobody has waited for keeps its name, but not its command line.
bool IsHost(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const auto name = ReadWholeFile(folder + "/comm", 64);
  if (!name.ok() || AsText(*name) != std::string(kHostName) + "\n") return false;
  const auto command = ReadWholeFile(folder + "/cmdline", 1 << 20);
  return command.ok() && !command->empty();
}

void SleepMilliseconds(long milliseconds) {
  const timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

// The child: never returns. Only async-signal-safe calls on the way to exec.
[[noreturn]] void BecomeHost(const HostLaunch& launch, int log_fd, pid_t parent,
                             std::vector<char*>& arguments) {
  if (launch.foreground) {
    // Whoever starts the host in the foreground wants it to end with them.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
  } else {
    setsid();
    const int null_fd = open("/dev/null", O_RDONLY);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
  }
  signal(SIGPIPE, SIG_DFL);
  execv(arguments.front(), arguments.data());
  _exit(127);
}

// The first line that the host writes, or what it wrote until it ended.
Result<std::string> ReadReadyLine(int fd) {
  std::string line;
  const time_t deadline = time(nullptr) + kReadySecondsMax;
  while (line.find('\n') == std::string::npos && line.size() < kDescriptionBytesMax) {
    pollfd waiting = {.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, 1000);
    if (ready < 0 && errno != EINTR) return Unavailable("cannot wait for the host");
    if (time(nullptr) > deadline) {
      return Unavailable("the host did not get ready within " + std::to_string(kReadySecondsMax) +
                         " seconds");
    }
    if (ready <= 0) continue;
    char buffer[1024];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) break;
    if (count > 0) line.append(buffer, static_cast<std::size_t>(count));
  }
  return line;
}

std::vector<char*> Pointers(std::vector<std::string>& arguments) {
  std::vector<char*> out;
  for (std::string& argument : arguments) out.push_back(argument.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<std::string> BesideThisBinary(const std::string& name) {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) {
    return Unavailable("cannot find this program's own folder; is /proc mounted?");
  }
  return JoinPath(FolderOf(std::string(path, static_cast<std::size_t>(size))), name);
}

Result<RunningHost> ParseHostDescription(const std::string& json) {
  const Error broken = InvalidInput("this does not describe a running host");
  const auto object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return broken;
  const auto text = [&](const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  if (!text("error").empty()) return Unavailable(OneLine(text("error")));
  RunningHost host;
  host.address = OneLine(text("address"));
  host.measurement = OneLine(text("measurement"));
  host.platform = OneLine(text("platform"));
  const auto pid = number("pid");
  const auto enclave_pid = number("enclave_pid");
  if (host.address.empty() || pid <= 1 || pid > INT_MAX || enclave_pid < 0 ||
      enclave_pid > INT_MAX) {
    return broken;
  }
  host.pid = static_cast<pid_t>(pid);
  host.enclave_pid = static_cast<pid_t>(enclave_pid);
  return host;
}

Result<std::optional<RunningHost>> FindRunningHost(const std::string& state) {
  using Found = std::optional<RunningHost>;
  const std::string path = JoinPath(state, "host.json");
  if (!PathExists(path)) return Found();
  AH_ASSIGN_OR_RETURN(const Bytes text, ReadWholeFile(path, kDescriptionBytesMax));
  const auto host = ParseHostDescription(CopyText(text));
  if (!host.ok()) return host.error().At(path);
  if (!IsHost(host->pid)) return Found();
  return Found(*host);
}

Result<StartedHost> StartHost(const HostLaunch& launch) {
  AH_ASSIGN_OR_RETURN(const std::string binary, BesideThisBinary(kHostName));
  if (access(binary.c_str(), X_OK) != 0) {
    return NotFound(
               "no such program; build it, or install all of anchorhold's programs in one "
               "folder")
        .At(binary);
  }
  AH_RETURN_IF_ERROR(MakeFolder(launch.state, 0700));
  const std::string log = JoinPath(launch.state, "host.log");
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return Unavailable("cannot make a pipe");
  // The host inherits the writing end, and nothing else of this process.
  fcntl(ready[1], F_SETFD, 0);
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::vector<std::string> arguments = {binary,
                                        "--state",
                                        launch.state,
                                        "--listen",
                                        launch.listen,
                                        "--enclave",
                                        launch.enclave,
                                        "--platform",
                                        launch.platform,
                                        "--ready-fd",
                                        std::to_string(ready[1])};
  if (!launch.device.empty()) {
    arguments.insert(arguments.end(), {"--device", launch.device});
  }
  if (!launch.vmpl.empty()) arguments.insert(arguments.end(), {"--vmpl", launch.vmpl});
  std::vector<char*> pointers = Pointers(arguments);
  const pid_t parent = getpid();
  const pid_t child = log_fd < 0 ? -1 : fork();
  if (child == 0) BecomeHost(launch, log_fd, parent, pointers);
  close(ready[1]);
  if (log_fd >= 0) close(log_fd);
  const auto line = child < 0 ? Result<std::string>(Unavailable("cannot start a process"))
                              : ReadReadyLine(ready[0]);
  close(ready[0]);
  if (!line.ok()) {
    if (child > 0) kill(child, SIGTERM);
    return line.error();
  }
  if (line->empty()) {
    return Unavailable("the host ended before it served" +
                       (launch.foreground ? std::string() : "; see " + log));
  }
  AH_ASSIGN_OR_RETURN(const RunningHost host, ParseHostDescription(*line));
  return StartedHost{.host = host, .child = child};
}

Status WaitForHost(pid_t child) {
  // Ctrl-C reaches the host too, which ends cleanly; this process waits for that.
  signal(SIGINT, SIG_IGN);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Unavailable("the host was lost");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ok();
  if (WIFSIGNALED(status)) {
    return Unavailable("the host was killed by signal " + std::to_string(WTERMSIG(status)));
  }
  return Unavailable("the host ended with status " + std::to_string(WEXITSTATUS(status)));
}

Status StopHost(const RunningHost& host) {
  if (kill(host.pid, SIGTERM) != 0) {
    if (errno == ESRCH) return Ok();
    return PermissionDenied("process " + std::to_string(host.pid) + " belongs to another user");
  }
  constexpr long kPollMilliseconds = 20;
  for (long waited = 0; waited < kStopSecondsMax * 1000; waited += kPollMilliseconds) {
    if (!IsHost(host.pid)) return Ok();
    SleepMilliseconds(kPollMilliseconds);
  }
  return Unavailable("the host (process " + std::to_string(host.pid) + ") has not ended within " +
                     std::to_string(kStopSecondsMax) + " seconds");
}

}  // namespace anchorhold::client
