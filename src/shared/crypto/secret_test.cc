#include "shared/crypto/secret.h"

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <new>
#include <ostream>
#include <type_traits>

#include "shared/crypto/test_util.h"

// Every deallocation of this program passes here, so that a test can look at memory in the moment
// before it is given back: reading it afterwards would be undefined.
namespace {

const void* g_watched = nullptr;
std::size_t g_watched_size = 0;
bool g_seen = false;
bool g_seen_wiped = false;

void Inspect(const void* memory) {
  if (memory == nullptr || memory != g_watched) return;
  const auto* const bytes = static_cast<const std::byte*>(memory);
  g_seen = true;
  g_seen_wiped =
      std::all_of(bytes, bytes + g_watched_size, [](std::byte b) { return b == std::byte{0}; });
  g_watched = nullptr;
}

void Watch(anchorhold::ByteSpan memory) {
  g_watched = memory.data();
  g_watched_size = memory.size();
  g_seen = g_seen_wiped = false;
}

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept {
  Inspect(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  Inspect(memory);
  std::free(memory);
}

namespace anchorhold::crypto {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(Printable<int>);
static_assert(!Printable<SecretBytes>);
static_assert(!std::copyable<SecretBytes>);
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(std::is_nothrow_move_assignable_v<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, ByteSpan>);
static_assert(!std::is_convertible_v<std::size_t, SecretBytes>);

constexpr std::string_view kSecretHex = "00112233445566778899aabbccddeeff";

TEST(SecretBytes, CopiesClonesAndCompares) {
  const SecretBytes a = UnhexSecret(kSecretHex);
  const SecretBytes b = a.Clone();
  EXPECT_TRUE(a == b);
  EXPECT_EQ(a.size(), 16u);
  EXPECT_EQ(Hex(b), kSecretHex);
  EXPECT_NE(a.ExposeSecret().data(), b.ExposeSecret().data());
  EXPECT_FALSE(a == UnhexSecret("00112233445566778899aabbccddeefe"));
  EXPECT_FALSE(a == UnhexSecret("00112233445566778899aabbccddee"));
  EXPECT_TRUE(SecretBytes() == SecretBytes(0));
  EXPECT_EQ(Hex(SecretBytes(3)), "000000");
}

TEST(SecretBytes, MovingLeavesNothingBehind) {
  SecretBytes a = UnhexSecret(kSecretHex);
  SecretBytes b = std::move(a);
  EXPECT_EQ(a.size(), 0u);  // NOLINT: the moved-from state is the point
  EXPECT_EQ(Hex(b), kSecretHex);
  SecretBytes c(4);
  c = std::move(b);
  EXPECT_EQ(b.size(), 0u);  // NOLINT
  EXPECT_EQ(Hex(c), kSecretHex);
  SecretBytes& alias = c;
  c = std::move(alias);
  EXPECT_EQ(Hex(c), kSecretHex);
}

TEST(SecretBytes, MemoryIsWipedBeforeItIsGivenBack) {
  {
    const SecretBytes dying = UnhexSecret(kSecretHex);
    Watch(dying.ExposeSecret());
  }
  EXPECT_TRUE(g_seen);
  EXPECT_TRUE(g_seen_wiped);

  SecretBytes overwritten = UnhexSecret(kSecretHex);
  Watch(overwritten.ExposeSecret());
  overwritten = UnhexSecret("0102");
  EXPECT_TRUE(g_seen);
  EXPECT_TRUE(g_seen_wiped);

  {
    const Bytes ordinary = Unhex(kSecretHex);  // what the check itself can see
    Watch(ordinary);
  }
  EXPECT_TRUE(g_seen);
  EXPECT_FALSE(g_seen_wiped);
}

TEST(Wipe, Overwrites) {
  Bytes bytes = Unhex(kSecretHex);
  Wipe(MutableByteSpan(bytes).subspan(1, 2));
  EXPECT_EQ(ToHex(bytes), "00000033445566778899aabbccddeeff");
  Wipe(bytes);
  EXPECT_EQ(bytes, Bytes(16));
  Wipe({});
}

TEST(ConstantTimeEqual, ComparesEveryByte) {
  const Bytes bytes = Unhex(kSecretHex);
  EXPECT_TRUE(ConstantTimeEqual(bytes, CopyBytes(bytes)));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  ForEachBitFlip(bytes, [&](const Bytes& other) { EXPECT_FALSE(ConstantTimeEqual(bytes, other)); });
  ForEachTruncation(bytes,
                    [&](const Bytes& other) { EXPECT_FALSE(ConstantTimeEqual(bytes, other)); });
}

}  // namespace
}  // namespace anchorhold::crypto
