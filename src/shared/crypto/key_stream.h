// The expansion behind random.h: AES-256-CTR with fast key erasure.
//
//   block = AES-256-CTR(key, counter 0, 64 KiB of zeros)
//   key'  = block[0..32),  output = block[32..65536)
//
// What a request takes of a new block is written straight to its place, the rest is kept here. The
// key is replaced as soon as its block is made and output is zeroed here as it is handed out, so
// that who reads this memory later learns nothing of numbers already drawn. A copy of the process
// (fork) would draw the same numbers as the original; nothing that draws may fork.
// Internal to crypto/.
#pragma once

#include <array>

#include "shared/crypto/counter_mode.h"
#include "shared/crypto/secret.h"

namespace anchorhold::crypto::internal {

class KeyStream {
 public:
  static constexpr std::size_t kKeyBytes = CounterMode::kKeyBytes;
  static constexpr std::size_t kBufferBytes = 64 * 1024;
  static constexpr std::size_t kOutputBytes = kBufferBytes - kKeyBytes;
  // A reseeding stream mixes 32 bytes of getrandom(2) into its key after so many bytes of output.
  static constexpr std::uint64_t kReseedBytes = std::uint64_t{1} << 32;
  enum class Reseed { kNever, kFromSystem };

  // Precondition: a key of kKeyBytes.
  KeyStream(const SecretBytes& key, Reseed reseed);
  ~KeyStream();
  KeyStream(const KeyStream&) = delete;
  KeyStream& operator=(const KeyStream&) = delete;

  void Fill(MutableByteSpan out);

 private:
  // Writes the next block, whose first bytes become the key: its output, kOutputBytes, to `out` and
  // then `rest`.
  void WriteBlock(MutableByteSpan out, MutableByteSpan rest);

  CounterMode mode_;  // always keyed for the next block
  Reseed reseed_;
  std::uint64_t bytes_since_seed_ = 0;
  std::size_t position_ = kOutputBytes;  // the first byte of buffer_ not handed out
  // Nothing in it means anything before `position_`, nor was drawn there: not worth zeroing.
  std::array<std::byte, kOutputBytes> buffer_;
};

// Fills `out` from getrandom(2). A failure aborts.
void FillFromSystem(MutableByteSpan out);

}  // namespace anchorhold::crypto::internal
