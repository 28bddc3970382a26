// What tests of `anchorhold model compile` share.
#pragma once

#include <string>
#include <vector>

#include "tests/support/command.h"

namespace anchorhold::testing {

// Runs the command, which writes a static library to `folder`.
Outcome CompileModel(const std::string& model, const std::string& folder,
                     const std::vector<std::string>& options,
                     const std::map<std::string, std::string>& environment = {});

// The library's only undefined symbols are memcpy, memset and memmove, and it defines only those
// of model.h.
void ExpectFewSymbolsAreMissing(const std::string& library);

// A C program linked with folder/libmodel.a, its warnings being errors.
Outcome BuildCProgram(const std::string& source, const std::string& folder,
                      const std::string& program);

// The path of a model of tests/exported.
std::string Exported(const std::string& name);

}  // namespace anchorhold::testing
