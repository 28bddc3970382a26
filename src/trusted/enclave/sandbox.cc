#include "trusted/enclave/sandbox.h"

#include <linux/futex.h>
#include <malloc.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace anchorhold::enclave {
namespace {

struct AllowedCall {
  int number;
  const char* reason;
};

// Calls that are harmless whatever their arguments are.
constexpr AllowedCall kAllowed[] = {
    {SCMP_SYS(read), "the relay, the store and the wake-up descriptor; nothing else is open"},
    {SCMP_SYS(write), "the same, and the log"},
    {SCMP_SYS(poll), "the relay's loop waits for the host or for a finished job"},
    {SCMP_SYS(futex), "mutexes, condition variables, and threads that wait for a task"},
    {SCMP_SYS(munmap), "free() of a large block"},
    {SCMP_SYS(mremap), "realloc() of a large block; it cannot add PROT_EXEC"},
    {SCMP_SYS(brk), "malloc() of a small block"},
    {SCMP_SYS(madvise), "free() gives pages back"},
    {SCMP_SYS(exit_group), "the end"},
    {SCMP_SYS(exit), "the end of a thread"},
    {SCMP_SYS(clock_gettime), "time, where the kernel offers no vDSO"},
    {SCMP_SYS(getrandom), "keys, sampling and noise"},
    {SCMP_SYS(getpid), "OpenSSL's generator asks whether it was forked before every use"},
    {SCMP_SYS(sched_yield), "a mutex under contention"},
    {SCMP_SYS(restart_syscall), "the kernel resumes a timed wait after a stop and continue"},
};

#if defined(ANCHORHOLD_SANITIZED)
// What the sanitizers' run-time needs on top (CMakeLists.txt says when). Only test builds have it:
// the enclave that users run is built without a sanitizer, and its measurement says so.
constexpr AllowedCall kAllowedUnderSanitizers[] = {
    {SCMP_SYS(pipe2), "UndefinedBehaviorSanitizer asks whether memory can be read"},
    {SCMP_SYS(pipe), "the same"},
    {SCMP_SYS(close), "the same"},
    {SCMP_SYS(sigaltstack), "a thread's alternative signal stack"},
    {SCMP_SYS(rt_sigprocmask), "blocked around internal locks"},
    {SCMP_SYS(nanosleep), "ThreadSanitizer's background thread"},
    {SCMP_SYS(clock_nanosleep), "the same"},
    {SCMP_SYS(gettid), "reports name their thread"},
    {SCMP_SYS(rt_sigaction), "reports reset handlers"},
    {SCMP_SYS(rt_sigreturn), "return from a handler"},
    {SCMP_SYS(getrlimit), "stack bounds"},
    {SCMP_SYS(prlimit64), "stack bounds"},
    {SCMP_SYS(sched_getaffinity), "stack bounds"},
    {SCMP_SYS(getrusage), "ThreadSanitizer's memory accounting"},
    {SCMP_SYS(gettimeofday), "time, as ThreadSanitizer's run-time asks for it"},
    {SCMP_SYS(rseq), "a thread of ThreadSanitizer's own begins, perhaps after the enclave"},
    {SCMP_SYS(set_robust_list), "the same"},
};
#endif

Status StepFailed(const char* step) {
  return Unavailable(std::string("the enclave cannot lock itself in: ") + step +
                     " failed; this kernel is not one that Anchorhold can run on");
}

Status CloseOthers(std::span<const int> keep) {
  std::vector<int> sorted(keep.begin(), keep.end());
  std::sort(sorted.begin(), sorted.end());
  unsigned next = 0;
  for (const int fd : sorted) {
    AH_CHECK(fd >= 0);
    const auto kept = static_cast<unsigned>(fd);
    if (kept > next && ::close_range(next, kept - 1, 0) != 0) return StepFailed("close_range");
    next = kept + 1;
  }
  if (::close_range(next, ~0U, 0) != 0) return StepFailed("close_range");
  return Ok();
}

Status ForbidDumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return StepFailed("setrlimit(RLIMIT_CORE)");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return StepFailed("prctl(PR_SET_DUMPABLE)");
  return Ok();
}

// Left to itself, malloc asks how many processors there are (sched_getaffinity) as soon as more
// than a few threads have allocated; told how many arenas it may make, it never does. The
// sanitizers bring a malloc of their own.
Status SettleMalloc() {
#if defined(__GLIBC__) && !defined(ANCHORHOLD_SANITIZED)
  constexpr int kArenasMax = 128;
  if (::mallopt(M_ARENA_MAX, kArenasMax) != 1) return StepFailed("mallopt(M_ARENA_MAX)");
#endif
  return Ok();
}

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release) {}

  bool ok() const { return context_ != nullptr && ok_; }
  void Set(scmp_filter_attr attribute, std::uint32_t value) {
    ok_ = ok_ && context_ && seccomp_attr_set(context_.get(), attribute, value) == 0;
  }
  void Allow(int number) {
    ok_ = ok_ && context_ && seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, number, 0) == 0;
  }
  void AllowIf(int number, std::initializer_list<scmp_arg_cmp> conditions) {
    ok_ = ok_ && context_ &&
          seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, number,
                                 static_cast<unsigned>(conditions.size()), conditions.begin()) == 0;
  }
  bool Load() { return ok() && seccomp_load(context_.get()) == 0; }

 private:
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  bool ok_ = true;
};

// Memory, but never memory that can be executed or that comes from a file.
void AllowMemory(Filter& filter) {
  const scmp_arg_cmp not_executable =
      SCMP_A2(SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(PROT_EXEC), 0);
  const scmp_arg_cmp anonymous =
      SCMP_A3(SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(MAP_ANONYMOUS | MAP_PRIVATE),
              static_cast<scmp_datum_t>(MAP_ANONYMOUS | MAP_PRIVATE));
  filter.AllowIf(SCMP_SYS(mmap), {not_executable, anonymous});
  filter.AllowIf(SCMP_SYS(mprotect), {not_executable});
}

Status InstallFilter() {
  Filter filter;
  filter.Set(SCMP_FLTATR_CTL_TSYNC, 1);
  filter.Set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  filter.Set(SCMP_FLTATR_CTL_NNP, 1);
  for (const AllowedCall& call : kAllowed) filter.Allow(call.number);
#if defined(ANCHORHOLD_SANITIZED)
  for (const AllowedCall& call : kAllowedUnderSanitizers) filter.Allow(call.number);
#endif
  AllowMemory(filter);
  if (!filter.Load()) return StepFailed("seccomp");
  return Ok();
}

}  // namespace

Status DieWithHost() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return StepFailed("prctl(PR_SET_PDEATHSIG)");
  }
  return Ok();
}

Status LockIn(std::span<const int> keep) {
  AH_RETURN_IF_ERROR(SettleMalloc());
  AH_RETURN_IF_ERROR(CloseOthers(keep));
  AH_RETURN_IF_ERROR(ForbidDumps());
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return StepFailed("prctl(NO_NEW_PRIVS)");
  return InstallFilter();
}

}  // namespace anchorhold::enclave
