// The enclave serves sessions after it has locked itself in: no file can be opened, no socket made,
// no memory made executable. Everything that OpenSSL loads on first use must do without.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "shared/attest/answer.h"
#include "shared/channel/frame.h"
#include "shared/channel/test_support.h"

namespace anchorhold::channel {
namespace {

constexpr std::array kForbidden = {SYS_open,   SYS_openat,    SYS_socket,     SYS_connect,
                                   SYS_execve, SYS_clone,     SYS_clone3,     SYS_stat,
                                   SYS_access, SYS_prlimit64, SYS_newfstatat, SYS_readlink};

// Any of kForbidden kills the process from now on.
bool LockIn() {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : kForbidden) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                           .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// What the child says with its exit status.
enum Outcome { kServed = 0, kNoFilter = 10, kFailed = 11, kNotRefused = 12 };

int ServeLockedIn() {
  testing::TestEnclave enclave;
  testing::RawClient client;
  testing::RawClient bad({.max_version = TLS1_2_VERSION});
  if (!LockIn()) return kNoFilter;
  ServerSession server(enclave.identity);
  if (!testing::Pair(client, server).ok() || !server.established()) return kFailed;
  if (!server.Feed(client.Encrypt(Frame(AsBytes("request")))).ok()) return kFailed;
  if (server.NextMessage() != CopyBytes(AsBytes("request"))) return kFailed;
  if (!server.Send(AsBytes("answer")).ok() || server.Exporter() != client.Exporter()) {
    return kFailed;
  }
  const Bytes nonce(attest::kNonceBytes);
  if (!attest::AnswerAttest(enclave.attester, enclave.keys, nonce, server.Exporter()).ok()) {
    return kFailed;
  }
  // Refusals load texts of errors.
  ServerSession refusing(enclave.identity);
  return testing::Pair(bad, refusing).ok() ? kNotRefused : kServed;
}

int RunInChild(int (*body)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(LockedIn, ServesWithoutFilesAndSockets) { EXPECT_EQ(RunInChild(ServeLockedIn), kServed); }

int OpenLockedIn() {
  if (!LockIn()) return kNoFilter;
  return ::syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY) < 0 ? kFailed : kNotRefused;
}

TEST(LockedIn, TheFilterOfThisTestBites) { EXPECT_EQ(RunInChild(OpenLockedIn), -SIGSYS); }

}  // namespace
}  // namespace anchorhold::channel
