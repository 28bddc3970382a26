#include "untrusted/host/enclave_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "shared/wire/window.h"

namespace anchorhold::host {
namespace {

constexpr int kCannotExec = 127;
// Above every descriptor that the child is to get, so that no dup2 overwrites one still needed.
constexpr int kSafeFd = 16;

struct ChildFds {
  int relay;
  int store;
  int log;
  int null;
};

// Between fork and exec: only calls that are safe there.
[[noreturn]] void BecomeEnclave(const char* executable, const ChildFds& fds) {
  const int relay = ::fcntl(fds.relay, F_DUPFD, kSafeFd);
  const int store = ::fcntl(fds.store, F_DUPFD, kSafeFd);
  const int log = ::fcntl(fds.log, F_DUPFD, kSafeFd);
  const int null = ::fcntl(fds.null, F_DUPFD, kSafeFd);
  if (relay < 0 || store < 0 || log < 0 || null < 0) ::_exit(kCannotExec);
  if (::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(log, 2) < 0 ||
      ::dup2(relay, wire::kRelayFd) < 0 || ::dup2(store, wire::kStoreFd) < 0) {
    ::_exit(kCannotExec);
  }
  if (::close_range(wire::kStoreFd + 1, ~0U, 0) != 0) ::_exit(kCannotExec);
  // A group of its own: Ctrl-C at the terminal reaches the host, which stops the enclave in order.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  std::array<char, 19> name{"anchorhold-enclave"};
  std::array<char*, 2> arguments{name.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  ::execve(executable, arguments.data(), environment.data());
  ::_exit(kCannotExec);
}

struct SocketPair {
  UniqueFd host;
  UniqueFd enclave;
};

Result<SocketPair> MakeSocketPair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return Unavailable("the system gives no sockets for the enclave");
  }
  return SocketPair{.host = UniqueFd(fds[0]), .enclave = UniqueFd(fds[1])};
}

}  // namespace

Result<EnclaveProcess> EnclaveProcess::Start(const std::filesystem::path& executable,
                                             const std::filesystem::path& log) {
  if (::access(executable.c_str(), X_OK) != 0) {
    return FileError("cannot run the enclave", executable);
  }
  AH_ASSIGN_OR_RETURN(const UniqueFd log_file, OpenFile(log, O_WRONLY | O_CREAT | O_APPEND));
  AH_ASSIGN_OR_RETURN(const UniqueFd null, OpenFile("/dev/null", O_RDWR));
  AH_ASSIGN_OR_RETURN(SocketPair relay, MakeSocketPair());
  AH_ASSIGN_OR_RETURN(SocketPair store, MakeSocketPair());
  const std::string path = executable.string();
  const pid_t pid = ::fork();
  if (pid < 0) return Unavailable("the system cannot start another process");
  if (pid == 0) {
    BecomeEnclave(path.c_str(), {.relay = relay.enclave.get(),
                                 .store = store.enclave.get(),
                                 .log = log_file.get(),
                                 .null = null.get()});
  }
  return EnclaveProcess(pid, std::move(relay.host), std::move(store.host));
}

EnclaveProcess::EnclaveProcess(EnclaveProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(other.ended_),
      status_(other.status_),
      relay_(std::move(other.relay_)),
      store_(std::move(other.store_)) {}

EnclaveProcess::~EnclaveProcess() {
  if (pid_ > 0) Kill();
}

bool EnclaveProcess::WaitEnded(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ended_) {
    const pid_t waited = ::waitpid(pid_, &status_, WNOHANG);
    if (waited == pid_ || (waited < 0 && errno != EINTR)) {
      ended_ = true;
    } else if (std::chrono::steady_clock::now() >= deadline) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  return ended_;
}

void EnclaveProcess::Kill() {
  if (ended_) return;  // its number may belong to another process by now
  ::kill(pid_, SIGKILL);
  WaitEnded(std::chrono::seconds(10));
}

std::string EnclaveProcess::HowItEnded() const {
  if (WIFSIGNALED(status_)) {
    const int signal = WTERMSIG(status_);
    return "was killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
  }
  return "ended with status " + std::to_string(WEXITSTATUS(status_));
}

}  // namespace anchorhold::host
