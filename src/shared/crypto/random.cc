#include "shared/crypto/random.h"

#include "shared/crypto/concat.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/key_stream.h"

namespace anchorhold::crypto {
namespace {

using internal::KeyStream;

std::array<std::byte, 8> LittleEndian(std::uint64_t value) {
  std::array<std::byte, 8> out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
  return out;
}

SecretBytes KeyFromSeed(std::uint64_t seed) {
  const SecretBytes input = internal::Concat(
      {AsBytes("anchorhold insecure seeded random v1"), ByteSpan(LittleEndian(seed))});
  return SecretBytes::CopyOf(Sha256(input.ExposeSecret()).span());
}

}  // namespace

std::uint64_t RandomSource::NextU64() {
  std::array<std::byte, 8> bytes;
  Fill(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

class SystemRandom::State {
 public:
  KeyStream stream{RandomSecret(KeyStream::kKeyBytes), KeyStream::Reseed::kFromSystem};
};

SystemRandom::SystemRandom() : state_(std::make_unique<State>()) {}
SystemRandom::~SystemRandom() = default;
void SystemRandom::Fill(MutableByteSpan out) { state_->stream.Fill(out); }

class BranchedRandom::State {
 public:
  explicit State(const SecretBytes& key) : stream(key, KeyStream::Reseed::kNever) {}
  KeyStream stream;
};

BranchedRandom::BranchedRandom(RandomSource& parent) {
  SecretBytes key(KeyStream::kKeyBytes);
  parent.Fill(key.mutable_span());
  state_ = std::make_unique<State>(key);
}
BranchedRandom::~BranchedRandom() = default;
void BranchedRandom::Fill(MutableByteSpan out) { state_->stream.Fill(out); }

class InsecureSeededRandom::State {
 public:
  explicit State(std::uint64_t seed) : stream(KeyFromSeed(seed), KeyStream::Reseed::kNever) {}
  KeyStream stream;
};

InsecureSeededRandom::InsecureSeededRandom(std::uint64_t seed)
    : state_(std::make_unique<State>(seed)) {}
InsecureSeededRandom::~InsecureSeededRandom() = default;
void InsecureSeededRandom::Fill(MutableByteSpan out) { state_->stream.Fill(out); }

SecretBytes RandomSecret(std::size_t count) {
  SecretBytes out(count);
  internal::FillFromSystem(out.mutable_span());
  return out;
}

Bytes RandomBytes(std::size_t count) {
  Bytes out(count);
  internal::FillFromSystem(out);
  return out;
}

}  // namespace anchorhold::crypto
