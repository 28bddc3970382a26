#include "trusted/graph/names.h"

namespace anchorhold::graph {

std::string Printable(const std::string& name) {
  constexpr std::size_t kBytesMax = 80;
  std::string text = name.substr(0, kBytesMax);
  for (char& c : text) {
    if (c < 0x20 || c == 0x7f) c = '?';  // a byte above 127 is negative, and goes too
  }
  return name.size() > kBytesMax ? text + "..." : text;
}

std::string Quoted(const std::string& name) { return "'" + Printable(name) + "'"; }

}  // namespace anchorhold::graph
