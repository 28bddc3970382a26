#include "client/core/npy_header.h"

#include <string>
#include <utility>

namespace anchorhold::client {
namespace {

using graph::ElementType;

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kHeaderBytesMax = 10'000;  // NumPy's own limit
constexpr std::size_t kAlignment = 64;           // of the data, in the files that are written
constexpr std::size_t kAxesMax = 64;             // NumPy's own limit
constexpr std::int64_t kSizeMax = std::int64_t{1} << 40;

struct Descr {
  std::string_view code;  // without the byte order
  ElementType element;
  std::size_t width;
};
// The first entry of an element type is the one that is written.
constexpr Descr kDescrs[] = {
    {"f4", ElementType::kFloat32, 4},  {"f8", ElementType::kFloat64, 8},
    {"f2", ElementType::kFloat16, 2},  {"i8", ElementType::kInt64, 8},
    {"i4", ElementType::kInt32, 4},    {"i2", ElementType::kInt16, 2},
    {"i1", ElementType::kInt8, 1},     {"u8", ElementType::kUInt64, 8},
    {"u4", ElementType::kUInt32, 4},   {"u2", ElementType::kUInt16, 2},
    {"u1", ElementType::kUInt8, 1},    {"b1", ElementType::kBool, 1},
    {"f4", ElementType::kBFloat16, 4},
};

Error Damaged(const char* what) {
  return InvalidInput(std::string("not a .npy file, or a damaged one: ") + what);
}

Status SetElement(std::string_view descr, NpyHeader& header) {
  const std::string_view code = descr.empty() ? descr : descr.substr(1);
  for (const Descr& known : kDescrs) {
    if (known.code != code) continue;
    if (descr[0] == '>' && known.width > 1) {
      return Unsupported("the array is big-endian; save it as array.astype('<" + std::string(code) +
                         "')");
    }
    if (descr[0] != (known.width > 1 ? '<' : '|') && !(descr[0] == '<' && known.width == 1)) break;
    header.element = known.element;
    header.width = known.width;
    return Ok();
  }
  if (code.substr(0, 1) == "O") {
    return Unsupported("the array holds Python objects; save an array of numbers");
  }
  return Unsupported(
      "the array's element type is not one of f2, f4, f8, i1 to i8, u1 to u8 and b1; "
      "convert it with array.astype");
}

// Reads the header's text, left to right.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Status Parse(NpyHeader& header) {
    if (!Take('{')) return Damaged("its header is no dictionary");
    bool descr = false;
    bool order = false;
    bool shape = false;
    while (!Take('}')) {
      AH_ASSIGN_OR_RETURN(const std::string_view key, Text());
      if (!Take(':')) return Damaged("a ':' is missing in its header");
      bool& seen = key == "descr" ? descr : key == "fortran_order" ? order : shape;
      if (seen || (&seen == &shape && key != "shape")) {
        return Damaged("its header has an unknown key, or one twice");
      }
      seen = true;
      AH_RETURN_IF_ERROR(key == "descr"           ? ReadDescr(header)
                         : key == "fortran_order" ? ReadOrder(header)
                                                  : ReadShape(header));
      if (Take(',')) continue;
      if (!Take('}')) return Damaged("a ',' is missing in its header");
      break;
    }
    if (!descr || !order || !shape) return Damaged("its header lacks a key");
    if (text_ != "\n") return Damaged("its header does not end where it should");
    return Ok();
  }

 private:
  void SkipSpaces() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }
  // Also skips the spaces after it, up to the newline that ends the header.
  bool Take(char c) {
    SkipSpaces();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    SkipSpaces();
    return true;
  }
  bool TakeWord(std::string_view word) {
    SkipSpaces();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  Result<std::string_view> Text() {
    SkipSpaces();
    const char quote = text_.empty() ? '\0' : text_.front();
    if (quote != '\'' && quote != '"') return Damaged("a text is missing in its header");
    text_.remove_prefix(1);
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) return Damaged("a text in its header has no end");
    const std::string_view text = text_.substr(0, end);
    if (text.find('\\') != std::string_view::npos) return Damaged("its header has an escape");
    text_.remove_prefix(end + 1);
    return text;
  }
  Status ReadDescr(NpyHeader& header) {
    SkipSpaces();
    if (!text_.empty() && (text_.front() == '[' || text_.front() == '(')) {
      return Unsupported("the array is structured, with named fields; save each field by itself");
    }
    AH_ASSIGN_OR_RETURN(const std::string_view descr, Text());
    return SetElement(descr, header);
  }
  Status ReadOrder(NpyHeader& header) {
    header.fortran_order = TakeWord("True");
    if (header.fortran_order || TakeWord("False")) return Ok();
    return Damaged("'fortran_order' is neither True nor False");
  }
  Result<std::int64_t> Size() {
    SkipSpaces();
    std::int64_t size = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      size = size * 10 + (text_[digits] - '0');
      if (size > kSizeMax) return LimitExceeded("an axis of the array is too long");
    }
    if (digits == 0) return Damaged("its shape is no list of sizes");
    if (digits > 1 && text_.front() == '0') return Damaged("a size begins with 0");
    text_.remove_prefix(digits);
    return size;
  }
  // (), (3,), (3, 4), (3, 4,): with one size the comma is needed.
  Status ReadShape(NpyHeader& header) {
    if (!Take('(')) return Damaged("its shape is no tuple");
    bool comma = false;
    while (!Take(')')) {
      if (!header.shape.empty() && !comma) return Damaged("a ',' is missing in its shape");
      if (header.shape.size() == kAxesMax) return LimitExceeded("the array has too many axes");
      AH_ASSIGN_OR_RETURN(const std::int64_t size, Size());
      header.shape.push_back(size);
      comma = Take(',');
    }
    if (header.shape.size() == 1 && !comma) return Damaged("its shape is no tuple");
    return Ok();
  }

  std::string_view text_;
};

}  // namespace

Result<NpyHeader> ParseNpyHeader(ByteSpan file) {
  const std::string_view text = AsText(file);
  if (text.substr(0, kMagic.size()) != kMagic) {
    return Damaged("it does not begin with the mark of one");
  }
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(file[i]); };
  std::size_t at = kMagic.size() + 2;
  if (file.size() < at) return Damaged("it ends in its header");
  const std::size_t major = byte(kMagic.size());
  if (major < 1 || major > 3 || byte(kMagic.size() + 1) != 0) {
    return Unsupported("the file's format version is not 1.0, 2.0 or 3.0");
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (file.size() < at + length_bytes) return Damaged("it ends in its header");
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= byte(at + i) << (8 * i);
  at += length_bytes;
  if (length > kHeaderBytesMax) return LimitExceeded("the file's header is too long");
  if (file.size() - at < length) return Damaged("it ends in its header");
  NpyHeader header;
  header.data_begin = at + length;
  AH_RETURN_IF_ERROR(HeaderParser(text.substr(at, length)).Parse(header));
  return header;
}

Bytes NpyHeaderBytes(ElementType element, const graph::Shape& shape) {
  std::string text = "{'descr': '";
  for (const Descr& descr : kDescrs) {
    if (descr.element != element) continue;
    text += (descr.width > 1 ? "<" : "|") + std::string(descr.code);
  }
  text += "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  text += shape.size() == 1 ? ",), }" : "), }";
  const std::size_t before = kMagic.size() + 4;
  text.append(kAlignment - 1 - (before + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  return CopyBytes(AsBytes(out + text));
}

}  // namespace anchorhold::client
