// Names that a model's author chose, fit for one line of a message.
#pragma once

#include <string>

namespace anchorhold::graph {

// What is not printable ASCII is replaced; cut at 80 bytes.
std::string Printable(const std::string& name);
std::string Quoted(const std::string& name);  // the same, in quotes

}  // namespace anchorhold::graph
