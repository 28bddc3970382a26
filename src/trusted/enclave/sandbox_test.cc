// Every class of call that an enclave must not make, made after LockIn in a child process: the
// child must die of SIGSYS. And what it needs must go on working.
#include "trusted/enclave/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "shared/base/bytes.h"

namespace anchorhold::enclave {
namespace {

constexpr int kLockFailed = 90;
constexpr int kSurvived = 91;

// Runs `body` in a forked child; returns its wait status.
int InChild(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(kSurvived);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

void LockOrExit() {
  const std::array<int, 1> keep = {2};
  if (!LockIn(keep).ok()) ::_exit(kLockFailed);
}

struct Forbidden {
  const char* name;
  long (*attempt)();
};

long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return ::syscall(number, a, b, c, d, e, f);
}
long Pointer(const void* p) { return reinterpret_cast<long>(p); }

constexpr Forbidden kForbidden[] = {
    {"open", [] { return Call(SYS_open, Pointer("/etc/passwd"), O_RDONLY); }},
    {"openat", [] { return Call(SYS_openat, AT_FDCWD, Pointer("/etc/passwd"), O_RDONLY); }},
    {"openat2", [] { return Call(SYS_openat2, AT_FDCWD, Pointer("/etc/passwd"), 0, 0); }},
    {"creat", [] { return Call(SYS_creat, Pointer("/tmp/anchorhold-sandbox"), 0600); }},
    {"unlink", [] { return Call(SYS_unlink, Pointer("/tmp/anchorhold-sandbox")); }},
    {"readlink", [] { return Call(SYS_readlink, Pointer("/proc/self/exe"), 0, 0); }},
    {"stat", [] { return Call(SYS_stat, Pointer("/"), 0); }},
    {"socket", [] { return Call(SYS_socket, 2, 1, 0); }},
    {"connect", [] { return Call(SYS_connect, 2, 0, 0); }},
    {"sendmsg", [] { return Call(SYS_sendmsg, 2, 0, 0); }},
    {"recvmsg", [] { return Call(SYS_recvmsg, 2, 0, 0); }},
    {"bind", [] { return Call(SYS_bind, 2, 0, 0); }},
    {"fork", [] { return Call(SYS_fork); }},
    {"vfork", [] { return Call(SYS_vfork); }},
    {"clone", [] { return Call(SYS_clone, SIGCHLD); }},
    {"clone3", [] { return Call(SYS_clone3, 0, 0); }},
    {"execve", [] { return Call(SYS_execve, Pointer("/bin/true"), 0, 0); }},
    {"execveat", [] { return Call(SYS_execveat, AT_FDCWD, Pointer("/bin/true"), 0, 0, 0); }},
    {"ptrace", [] { return Call(SYS_ptrace, 0, 0, 0, 0); }},
    {"process_vm_readv", [] { return Call(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0); }},
    {"process_vm_writev", [] { return Call(SYS_process_vm_writev, 1, 0, 0, 0, 0, 0); }},
    {"kill", [] { return Call(SYS_kill, 1, 0); }},
    {"tgkill", [] { return Call(SYS_tgkill, 1, 1, 0); }},
    {"prctl", [] { return Call(SYS_prctl, PR_SET_DUMPABLE, 1); }},
    {"seccomp", [] { return Call(SYS_seccomp, 0, 0, 0); }},
    {"personality", [] { return Call(SYS_personality, 0); }},
    {"io_uring_setup", [] { return Call(SYS_io_uring_setup, 1, 0); }},
    {"memfd_create", [] { return Call(SYS_memfd_create, Pointer("x"), 0); }},
    {"dup", [] { return Call(SYS_dup, 2); }},
    {"fcntl", [] { return Call(SYS_fcntl, 2, F_GETFL); }},
    {"ioctl", [] { return Call(SYS_ioctl, 2, 0, 0); }},
    {"bpf", [] { return Call(SYS_bpf, 0, 0, 0); }},
    {"shmget", [] { return Call(SYS_shmget, 0, 4096, 0600); }},
    {"unshare", [] { return Call(SYS_unshare, 0); }},
    {"mmap of executable memory",
     [] {
       return Call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
     }},
    {"mmap of a file", [] { return Call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 2, 0); }},
    {"mmap of shared memory",
     [] { return Call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }},
    {"mprotect to executable",
     [] {
       alignas(4096) static std::array<char, 4096> page;
       return Call(SYS_mprotect, Pointer(page.data()), 4096, PROT_READ | PROT_EXEC);
     }},
};

class ForbiddenCall : public ::testing::TestWithParam<Forbidden> {};

TEST_P(ForbiddenCall, KillsTheProcess) {
  const int status = InChild([] {
    LockOrExit();
    GetParam().attempt();
  });
  EXPECT_TRUE(WIFSIGNALED(status)) << "status " << status;
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

// A thread that ran before the lock is behind it too.
TEST_P(ForbiddenCall, KillsTheProcessFromAnotherThread) {
  const int status = InChild([] {
    std::atomic<bool> running = false;
    std::atomic<bool> locked = false;
    std::thread other([&] {
      running = true;
      while (!locked) ::sched_yield();
      GetParam().attempt();
      ::_exit(kSurvived);
    });
    while (!running) ::sched_yield();
    LockOrExit();
    locked = true;
    other.join();
  });
  EXPECT_TRUE(WIFSIGNALED(status)) << "status " << status;
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

std::string NameOf(const ::testing::TestParamInfo<Forbidden>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (c == ' ') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Sandbox, ForbiddenCall, ::testing::ValuesIn(kForbidden), NameOf);

void UseMemory() {
  for (std::size_t size = 1; size < (64U << 20); size *= 3) {
    auto* block = static_cast<unsigned char*>(std::malloc(size));
    std::memset(block, 1, size);
    block = static_cast<unsigned char*>(std::realloc(block, size * 2));
    if (block == nullptr) ::_exit(1);
    std::free(block);
  }
}

TEST(Sandbox, WhatAnEnclaveNeedsGoesOnWorking) {
  const int status = InChild([] {
    std::mutex mutex;
    std::condition_variable changed;
    int turn = 0;
    std::thread worker([&] {
      std::unique_lock lock(mutex);
      turn = 1;
      changed.notify_all();
      changed.wait(lock, [&] { return turn == 2; });
      UseMemory();
      turn = 3;
      changed.notify_all();
      changed.wait(lock, [] { return false; });
    });
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return turn == 1; });
    }
    LockOrExit();
    UseMemory();
    std::array<unsigned char, 32> random{};
    if (::getrandom(random.data(), random.size(), 0) != 32) ::_exit(2);
    timespec now{};
    if (::clock_gettime(CLOCK_MONOTONIC, &now) != 0) ::_exit(3);
    if (std::time(nullptr) <= 0) ::_exit(4);
    {
      std::unique_lock lock(mutex);
      turn = 2;
      changed.notify_all();
      changed.wait(lock, [&] { return turn == 3; });
    }
    if (::write(2, "", 0) != 0) ::_exit(5);
    ::_exit(0);
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sandbox, ClosesWhatItWasNotToldToKeep) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const int status = InChild([&] {
    LockOrExit();
    const char byte = 'x';
    ::_exit(::write(pipe[1], &byte, 1) == -1 && errno == EBADF ? 0 : 1);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Sandbox, KeepsWhatItWasToldToKeep) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const int status = InChild([&] {
    const std::array<int, 2> keep = {pipe[1], 2};
    if (!LockIn(keep).ok()) ::_exit(kLockFailed);
    const char byte = 'x';
    ::_exit(::write(pipe[1], &byte, 1) == 1 ? 0 : 1);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Sandbox, EndsWithItsParent) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    if (::fork() == 0) {
      ::close(pipe[0]);
      if (!DieWithHost().ok()) ::_exit(1);
      const char ready = 'r';
      if (::write(pipe[1], &ready, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char ready = 0;
    [[maybe_unused]] const auto got = ::read(pipe[0], &ready, 1);
    ::_exit(0);
  }
  ::close(pipe[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  // End of file comes only once the grandchild, which holds the other end, is gone.
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0);
  ::close(pipe[0]);
}

}  // namespace
}  // namespace anchorhold::enclave
