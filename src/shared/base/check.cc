#include "shared/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace anchorhold {

void CheckFailed(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, text);
  std::abort();
}

}  // namespace anchorhold
