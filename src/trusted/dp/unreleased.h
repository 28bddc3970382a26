// Unreleased<T> holds something computed from private data. It can be carried and stored sealed,
// but nobody can look inside: the only way out is ledger::Ledger::Release, which writes down what
// was spent first and then makes a Released<T>.
#pragma once

#include <utility>

namespace anchorhold::ledger {
class Ledger;
}

namespace anchorhold::dp {

template <typename T>
class Unreleased {
 public:
  explicit Unreleased(T value) : value_(std::move(value)) {}
  Unreleased(Unreleased&&) noexcept = default;
  Unreleased& operator=(Unreleased&&) noexcept = default;
  Unreleased(const Unreleased&) = delete;
  Unreleased& operator=(const Unreleased&) = delete;

  // Reshapes the value (a parameter vector into a file, say) without letting it out. `f` must be a
  // pure function; every caller is on the list in docs/release.md, which a test compares.
  template <typename F>
  auto Map(F f) && -> Unreleased<decltype(f(std::declval<T>()))> {
    return Unreleased<decltype(f(std::declval<T>()))>(f(std::move(value_)));
  }

 private:
  friend class anchorhold::ledger::Ledger;
  T value_;
};

// A value that the ledger has let go, after the charge was written down.
template <typename T>
class Released {
 public:
  const T& value() const& { return value_; }
  T&& value() && { return std::move(value_); }

 private:
  friend class anchorhold::ledger::Ledger;
  explicit Released(T value) : value_(std::move(value)) {}
  T value_;
};

}  // namespace anchorhold::dp
