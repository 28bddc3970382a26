// The two file formats of a static library, as far as packing one needs them.
//
//   object   ELF, 64 bits, little-endian: a header of 64 bytes with the section table's place
//            (e_shoff, 0x28), its entries' number (e_shnum, 0x3C) and the names' section
//            (e_shstrndx, 0x3E); each entry of 64 bytes: name, type, flags, address, offset (0x18),
//            size (0x20), link, info, alignment, entry size                       System V ABI,
//            "Sections"
//   archive  "!<arch>\n", then members, each a header of 60 characters (name[16], date[12], uid[6],
//            gid[6], mode[8], size[10], "`\n") and its bytes, padded to even length. The first
//            member, "/", is the symbol index: a big-endian count, as many offsets of members'
//            headers, and as many names, each ended by a zero.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::client {

// The object with other contents of the named section, which are put at the file's end, aligned to
// 64 bytes. kInvalidInput if `object` is not such a file or has no such section.
Result<Bytes> ReplaceSection(ByteSpan object, std::string_view section, ByteSpan contents);

// The global symbols that an object defines, or those that it needs from others, in its own order.
// kInvalidInput as above.
enum class SymbolKind { kDefined, kUndefined };
Result<std::vector<std::string>> GlobalSymbols(ByteSpan object, SymbolKind kind);

// An archive of one object, with the index of the symbols that it defines. `name` has at most 15
// characters. The same input gives the same bytes: dates and owners are zero.
Result<Bytes> MakeArchive(std::string_view name, ByteSpan object);

}  // namespace anchorhold::client
