#include "client/compile/runtime_object.h"

// The build says which file.
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl anchorhold_runtime_object\n"
    "anchorhold_runtime_object:\n"
    ".incbin \"" ANCHORHOLD_RUNTIME_OBJECT
    "\"\n"
    ".globl anchorhold_runtime_object_end\n"
    "anchorhold_runtime_object_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" {
extern const char anchorhold_runtime_object[] __attribute__((visibility("hidden")));
extern const char anchorhold_runtime_object_end[] __attribute__((visibility("hidden")));
}

namespace anchorhold::client {

ByteSpan RuntimeObject() {
  return AsBytes(
      {anchorhold_runtime_object,
       static_cast<std::size_t>(anchorhold_runtime_object_end - anchorhold_runtime_object)});
}

}  // namespace anchorhold::client
