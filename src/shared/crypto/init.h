// Start-up of libcrypto, for a process that is about to lock itself into a sandbox.
#pragma once

#include "shared/base/result.h"

namespace anchorhold::crypto {

// Makes every later call of crypto/ free of files and of dynamic loading: no openssl.cnf is read
// (now or later), no engine or provider module is loaded, and everything that libcrypto sets up on
// first use is used once, its random generator (which libssl draws from) included. Call it first
// thing in main, before any other use of libcrypto or libssl in the process and before the sandbox
// closes; calling it again does no harm. kInternal when this libcrypto lacks an algorithm or one
// does not open what it sealed.
//
// Afterwards crypto/ makes no system call but getrandom, those of malloc and futex, and getpid when
// libcrypto's own generator is used. Threads started later need nothing of their own.
Status InitCrypto();

}  // namespace anchorhold::crypto
