#include "client/compile/object_file.h"

#include <cstring>

#include "shared/base/check.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kEntryBytes = 64;    // of the section table
constexpr std::size_t kSymbolBytes = 24;   // of the symbol table
constexpr std::uint32_t kSymbolTable = 2;  // SHT_SYMTAB
constexpr std::size_t kAlignment = 64;

// Reads of a little-endian file, which machines that can run its code share.
class Elf {
 public:
  static Result<Elf> Open(ByteSpan bytes);

  struct Section {
    std::size_t entry = 0;  // where its entry is in the file
    std::uint32_t name = 0;
    std::uint32_t type = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint32_t link = 0;
  };
  std::size_t sections() const { return count_; }
  Result<Section> At(std::size_t index) const;
  // The zero-ended text at an offset of a section.
  Result<std::string_view> Text(const Section& section, std::uint64_t at) const;
  Result<std::string_view> Name(const Section& section) const;
  Result<ByteSpan> Contents(const Section& section) const;

 private:
  explicit Elf(ByteSpan bytes) : bytes_(bytes) {}
  template <typename T>
  T Read(std::size_t at) const {
    T value;
    AH_CHECK(at + sizeof(T) <= bytes_.size());
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  ByteSpan bytes_;
  std::size_t table_ = 0;
  std::size_t count_ = 0;
  std::size_t names_ = 0;
};

Error NotAnObject() { return InvalidInput("not an ELF object of 64 bits, or cut short"); }

Result<Elf> Elf::Open(ByteSpan bytes) {
  constexpr char kMagic[] =
      "\x7f"
      "ELF\x02\x01";  // 64 bits, little-endian
  if (bytes.size() < 64 || std::memcmp(bytes.data(), kMagic, 6) != 0) return NotAnObject();
  Elf elf(bytes);
  const auto table = elf.Read<std::uint64_t>(0x28);
  elf.count_ = elf.Read<std::uint16_t>(0x3C);
  elf.names_ = elf.Read<std::uint16_t>(0x3E);
  if (table > bytes.size() || elf.count_ * kEntryBytes > bytes.size() - table ||
      elf.names_ >= elf.count_) {
    return NotAnObject();
  }
  elf.table_ = static_cast<std::size_t>(table);
  return elf;
}

Result<Elf::Section> Elf::At(std::size_t index) const {
  if (index >= count_) return NotAnObject();
  Section section;
  section.entry = table_ + index * kEntryBytes;
  section.name = Read<std::uint32_t>(section.entry);
  section.type = Read<std::uint32_t>(section.entry + 0x04);
  section.offset = Read<std::uint64_t>(section.entry + 0x18);
  section.size = Read<std::uint64_t>(section.entry + 0x20);
  section.link = Read<std::uint32_t>(section.entry + 0x28);
  return section;
}

Result<ByteSpan> Elf::Contents(const Section& section) const {
  if (section.offset > bytes_.size() || section.size > bytes_.size() - section.offset) {
    return NotAnObject();
  }
  return bytes_.subspan(static_cast<std::size_t>(section.offset),
                        static_cast<std::size_t>(section.size));
}

Result<std::string_view> Elf::Text(const Section& section, std::uint64_t at) const {
  AH_ASSIGN_OR_RETURN(const ByteSpan contents, Contents(section));
  if (at >= contents.size()) return NotAnObject();
  const std::string_view text = AsText(contents.subspan(static_cast<std::size_t>(at)));
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return NotAnObject();
  return text.substr(0, end);
}

Result<std::string_view> Elf::Name(const Section& section) const {
  AH_ASSIGN_OR_RETURN(const Section names, At(names_));
  return Text(names, section.name);
}

template <typename T>
void Put(Bytes& bytes, std::size_t at, T value) {
  AH_CHECK(at + sizeof(T) <= bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

void AppendText(Bytes& bytes, std::string_view text) { AppendBytes(bytes, AsBytes(text)); }

void AppendBigEndian(Bytes& bytes, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::byte>(value >> shift & 0xFF));
  }
}

std::string Padded(std::string text, std::size_t width) {
  text.resize(width, ' ');
  return text;
}

std::string MemberHeader(std::string_view name, std::size_t size, std::string_view mode) {
  return Padded(std::string(name), 16) + Padded("0", 12) + Padded("0", 6) + Padded("0", 6) +
         Padded(std::string(mode), 8) + Padded(std::to_string(size), 10) + "`\n";
}

std::size_t Even(std::size_t size) { return size + size % 2; }

}  // namespace

Result<Bytes> ReplaceSection(ByteSpan object, std::string_view section, ByteSpan contents) {
  AH_ASSIGN_OR_RETURN(const Elf elf, Elf::Open(object));
  for (std::size_t i = 0; i < elf.sections(); ++i) {
    AH_ASSIGN_OR_RETURN(const Elf::Section found, elf.At(i));
    AH_ASSIGN_OR_RETURN(const std::string_view name, elf.Name(found));
    if (name != section) continue;
    Bytes out = CopyBytes(object);
    out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
    Put(out, found.entry + 0x18, std::uint64_t{out.size()});
    Put(out, found.entry + 0x20, std::uint64_t{contents.size()});
    AppendBytes(out, contents);
    return out;
  }
  return InvalidInput("the object has no section '" + std::string(section) + "'");
}

Result<std::vector<std::string>> GlobalSymbols(ByteSpan object, SymbolKind kind) {
  AH_ASSIGN_OR_RETURN(const Elf elf, Elf::Open(object));
  std::vector<std::string> symbols;
  for (std::size_t i = 0; i < elf.sections(); ++i) {
    AH_ASSIGN_OR_RETURN(const Elf::Section table, elf.At(i));
    if (table.type != kSymbolTable) continue;
    AH_ASSIGN_OR_RETURN(const Elf::Section names, elf.At(table.link));
    AH_ASSIGN_OR_RETURN(const ByteSpan entries, elf.Contents(table));
    // Entry 0 is empty. name (4 bytes), info, other, section (2), value, size.
    for (std::size_t at = kSymbolBytes; at + kSymbolBytes <= entries.size(); at += kSymbolBytes) {
      std::uint32_t name = 0;
      std::uint16_t section = 0;
      std::memcpy(&name, entries.data() + at, sizeof(name));
      std::memcpy(&section, entries.data() + at + 6, sizeof(section));
      const bool local = std::to_integer<unsigned>(entries[at + 4]) >> 4 == 0;
      if (local || (section == 0) != (kind == SymbolKind::kUndefined)) continue;
      AH_ASSIGN_OR_RETURN(const std::string_view text, elf.Text(names, name));
      symbols.emplace_back(text);
    }
  }
  return symbols;
}

Result<Bytes> MakeArchive(std::string_view name, ByteSpan object) {
  AH_CHECK(!name.empty() && name.size() <= 15);
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> symbols,
                      GlobalSymbols(object, SymbolKind::kDefined));
  std::size_t index = 4 + 4 * symbols.size();
  for (const std::string& symbol : symbols) index += symbol.size() + 1;
  index = Even(index);
  constexpr std::string_view kMagic = "!<arch>\n";
  constexpr std::size_t kHeader = 60;
  const std::size_t member = kMagic.size() + kHeader + index;
  if (member + kHeader + object.size() > 0xFFFFFFFFU) {
    return LimitExceeded("a library of more than 4 GiB");
  }
  Bytes out;
  out.reserve(member + kHeader + object.size() + 1);
  AppendText(out, kMagic);
  AppendText(out, MemberHeader("/", index, "0"));
  AppendBigEndian(out, symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) AppendBigEndian(out, member);
  for (const std::string& symbol : symbols) AppendText(out, symbol + '\0');
  out.resize(member);
  AppendText(out, MemberHeader(std::string(name) + "/", object.size(), "100644"));
  AppendBytes(out, object);
  if (object.size() % 2 == 1) AppendText(out, "\n");
  return out;
}

}  // namespace anchorhold::client
