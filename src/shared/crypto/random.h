// Randomness. RandomSource is an interface so that tests can replay a stream; products use
// SystemRandom, the operating system's CSPRNG behind a fast AES-256-CTR expansion.
#pragma once

#include <memory>

#include "shared/crypto/secret.h"

namespace anchorhold::crypto {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Fills `out`. Failure of the system's generator aborts: there is no safe way to go on.
  virtual void Fill(MutableByteSpan out) = 0;
  std::uint64_t NextU64();
};

// AES-256-CTR key stream over a 256-bit seed drawn from getrandom(2), rekeyed from its own output
// after every `Fill` that crosses a 64 KiB buffer (fast key erasure), and reseeded after 2^32
// bytes. One instance a thread; streams of separate instances are independent.
class SystemRandom final : public RandomSource {
 public:
  SystemRandom();
  ~SystemRandom() override;
  void Fill(MutableByteSpan out) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// The same expansion from a key of 32 bytes drawn from `parent`, never reseeded: a stream that is
// independent of its parent and of other branches, to whoever does not know the parent's key. What
// several threads draw from branches taken in a fixed order does not depend on the threads. A
// branch holds 64 KiB and makes them at once: take one for a good many draws.
class BranchedRandom final : public RandomSource {
 public:
  explicit BranchedRandom(RandomSource& parent);
  ~BranchedRandom() override;
  void Fill(MutableByteSpan out) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// The same expansion from a given seed: for tests, and for reproducible public choices. Its name
// says what a private computation must never use.
class InsecureSeededRandom final : public RandomSource {
 public:
  explicit InsecureSeededRandom(std::uint64_t seed);
  ~InsecureSeededRandom() override;
  void Fill(MutableByteSpan out) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// `count` fresh bytes of key material from getrandom(2).
SecretBytes RandomSecret(std::size_t count);
Bytes RandomBytes(std::size_t count);

}  // namespace anchorhold::crypto
