#include "client/compile/object_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "client/compile/runtime_object.h"

namespace anchorhold::client {
namespace {

constexpr std::size_t kFunctions = 10;  // of model.h, all modes'

TEST(ObjectFile, TheRuntimeNeedsThreeFunctionsAndDefinesItsInterface) {
  const auto needed = GlobalSymbols(RuntimeObject(), SymbolKind::kUndefined);
  ASSERT_TRUE(needed.ok());
  const std::set<std::string> allowed = {"memcpy", "memset", "memmove"};
  EXPECT_FALSE(needed->empty());
  for (const std::string& symbol : *needed) EXPECT_EQ(allowed.count(symbol), 1u) << symbol;
  const auto defined = GlobalSymbols(RuntimeObject(), SymbolKind::kDefined);
  ASSERT_TRUE(defined.ok());
  EXPECT_EQ(defined->size(), kFunctions);
  for (const std::string& symbol : *defined) EXPECT_EQ(symbol.rfind("model_", 0), 0u) << symbol;
}

TEST(ObjectFile, ReplacesASectionAndNothingElse) {
  const ByteSpan object = RuntimeObject();
  const Bytes contents(1000, std::byte{7});
  const auto replaced = ReplaceSection(object, ".anchorhold_image", contents);
  ASSERT_TRUE(replaced.ok());
  ASSERT_GE(replaced->size(), object.size() + contents.size());
  EXPECT_TRUE(std::equal(contents.begin(), contents.end(), replaced->end() - 1000));
  EXPECT_EQ((replaced->size() - contents.size()) % 64, 0u);
  // The offset and the size in one entry of the section table: 16 bytes at most.
  std::size_t different = 0;
  for (std::size_t i = 0; i < object.size(); ++i) different += object[i] != (*replaced)[i] ? 1 : 0;
  EXPECT_GT(different, 0u);
  EXPECT_LE(different, 16u);
  EXPECT_EQ(*GlobalSymbols(*replaced, SymbolKind::kDefined),
            *GlobalSymbols(object, SymbolKind::kDefined));
  EXPECT_FALSE(ReplaceSection(object, ".nowhere", contents).ok());
}

// Every prefix, and every header with one byte changed, is refused or read; nothing is read past.
TEST(ObjectFile, BrokenObjectsAreRefused) {
  const ByteSpan object = RuntimeObject();
  for (const std::size_t size : {0, 1, 6, 63, 64, 65, 4096}) {
    const Bytes cut = CopyBytes(object.first(static_cast<std::size_t>(size)));
    EXPECT_FALSE(ReplaceSection(cut, ".anchorhold_image", {}).ok()) << size;
    EXPECT_FALSE(GlobalSymbols(cut, SymbolKind::kDefined).ok()) << size;
  }
  Bytes broken = CopyBytes(object);
  for (std::size_t i = 0; i < 64; ++i) {
    for (const std::byte change : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
      broken[i] ^= change;
      (void)ReplaceSection(broken, ".anchorhold_image", {});
      (void)GlobalSymbols(broken, SymbolKind::kDefined);
      broken[i] ^= change;
    }
  }
}

TEST(ObjectFile, AnArchiveHasAnIndexAndTheObject) {
  const auto archive = MakeArchive("model.o", RuntimeObject());
  ASSERT_TRUE(archive.ok());
  const std::string_view text = AsText(*archive);
  EXPECT_EQ(text.substr(0, 8), "!<arch>\n");
  EXPECT_EQ(text.substr(8, 16), "/               ");
  EXPECT_EQ(text.substr(8 + 58, 2), "`\n");
  // The index: a count, then where the member's header is.
  const auto big_endian = [&](std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      value = value << 8 | std::to_integer<std::size_t>((*archive)[at + i]);
    }
    return value;
  };
  EXPECT_EQ(big_endian(68), kFunctions);
  const std::size_t member = big_endian(72);
  ASSERT_LT(member + 60, archive->size());
  EXPECT_EQ(text.substr(member, 8), "model.o/");
  EXPECT_EQ(text.substr(member + 60, 4),
            "\x7f"
            "ELF");
  EXPECT_EQ(archive->size() % 2, 0u);
  EXPECT_NE(text.find("model_forward"), std::string_view::npos);
}

}  // namespace
}  // namespace anchorhold::client
