// The key stream of AES-256 in counter mode, the counter a 128-bit number from 0 (NIST SP 800-38A,
// 6.5): block i is AES-256(key, i). Internal to crypto/.
//
// OpenSSL 3.0 makes it with instructions that take one block. Noise for training is made of it by
// the hundred megabytes a step, so where the processor has AES for whole vectors (VAES), the blocks
// are made here, two or four an instruction: the same bits, 2.4 times as fast with AVX-512. Nothing
// else of AES is ours. The instructions take the same time whatever the data.
#pragma once

#include <array>
#include <span>

#include "shared/crypto/openssl_ptr.h"
#include "shared/crypto/secret.h"

namespace anchorhold::crypto::internal {

class CounterMode {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  static constexpr std::size_t kBlockBytes = 16;
  static constexpr std::uint64_t kBlocksMax = std::uint64_t{1} << 32;  // of one key

  enum class Unit { kLibrary, kTwoBlocks, kFourBlocks };

  // What this processor has, the fastest last. Each was held against the library once, at the first
  // call; a difference aborts.
  static std::span<const Unit> Units();

  // Precondition: a key is set before anything is written.
  explicit CounterMode(Unit unit = Units().back());
  ~CounterMode();
  CounterMode(const CounterMode&) = delete;
  CounterMode& operator=(const CounterMode&) = delete;

  // Precondition: kKeyBytes.
  void SetKey(ByteSpan key);

  // The next blocks. Precondition: whole ones, kBlocksMax at most since SetKey.
  void Write(MutableByteSpan out);

 private:
  static constexpr std::size_t kRoundKeys = 15;

  Unit unit_;
  std::uint64_t next_ = 0;  // block
  CipherContextPtr context_;
  alignas(16) std::array<std::byte, kRoundKeys * kBlockBytes> round_keys_{};
};

}  // namespace anchorhold::crypto::internal
