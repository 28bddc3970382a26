// Invariants. A broken invariant is a bug in this program, never bad input: it aborts, in every
// build. Bad input is a Result (result.h).
#pragma once

namespace anchorhold {

// Writes "file:line: invariant broken: text" to standard error and aborts. `text` is a string
// literal of the source, so that no private value can reach it.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);

}  // namespace anchorhold

#define AH_CHECK(condition)                                      \
  do {                                                           \
    if (!(condition)) [[unlikely]] {                             \
      ::anchorhold::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                            \
  } while (false)
