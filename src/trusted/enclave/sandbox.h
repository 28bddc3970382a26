// The walls. After LockIn the process can compute, talk through the descriptors it kept, tell the
// time, draw random bytes and end; a system call outside the list in sandbox.cc kills it (SIGSYS).
// The list, call by call with its reason, is also in docs/enclave.md.
#pragma once

#include <span>

#include "shared/base/result.h"

namespace anchorhold::enclave {

// Ends this process (SIGKILL) when the thread that started it ends. To be called first thing.
Status DieWithHost();

// Closes every descriptor that is not in `keep`, forbids core dumps, debuggers and new privileges,
// and installs the filter on every thread of the process. Threads that the program needs must run
// already, past their first steps: none can be made afterwards. kUnavailable, naming the step, if
// the kernel refuses; the process may be half locked then and must end.
Status LockIn(std::span<const int> keep);

}  // namespace anchorhold::enclave
