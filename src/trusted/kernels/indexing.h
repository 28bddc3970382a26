// Reading and writing by index. The indices say which runs of neighbouring numbers of an array x
// are meant: the j-th run of y (or of the updates) stands for the run of x that starts at a. A
// negative index counts from the end of its axis; one out of range means no run at all.
//
//   AxisAddresses     Gather: j = (o, n), a = (o * size + index[n]) * run, run = the sizes after
//                     the axis
//   ElementAddresses  GatherElements, ScatterElements: a = j's place in x, with index[j] along the
//                     axis; run = 1
//   TupleAddresses    GatherND, ScatterND: j = (b, n), a = (b * batch + sum_k index[j, k] stride_k)
//
// Runs are visited in the order of j, so sums of runs that meet are the same each time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "trusted/kernels/strided.h"

namespace anchorhold::kernels {

inline constexpr std::int64_t kNowhere = -1;

// What reading nowhere gives: NaN, or the least integer. It must not stop the program: an index may
// be private.
template <typename E>
constexpr E Missing() {
  if constexpr (std::numeric_limits<E>::has_quiet_NaN) return std::numeric_limits<E>::quiet_NaN();
  return std::numeric_limits<E>::min();
}

// index in [0, size), or kNowhere.
inline std::int64_t Resolve(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) return kNowhere;
  return index < 0 ? index + size : index;
}

inline std::int64_t Product(Dims dims) {
  std::int64_t product = 1;
  for (const std::int64_t size : dims) product *= size;
  return product;
}

// Visit calls visit(a, j) with a element numbers, or kNowhere, and j run numbers. The spans of the
// shapes must outlive the addresses.
class AxisAddresses {
 public:
  AxisAddresses(Dims x, Dims index, std::size_t axis)
      : run(static_cast<std::size_t>(Product(x.subspan(axis + 1)))),
        outer_(Product(x.first(axis))),
        size_(x[axis]),
        count_(Product(index)) {}

  template <typename F>
  void Visit(const std::int64_t* index, F visit) const {
    std::size_t j = 0;
    for (std::int64_t o = 0; o < outer_; ++o) {
      for (std::int64_t n = 0; n < count_; ++n, ++j) {
        const std::int64_t at = Resolve(index[n], size_);
        visit(at == kNowhere ? kNowhere : (o * size_ + at) * static_cast<std::int64_t>(run), j);
      }
    }
  }

  std::size_t run;

 private:
  std::int64_t outer_;
  std::int64_t size_;
  std::int64_t count_;
};

// The indices have x's rank and are no longer than x along the axes other than `axis`.
class ElementAddresses {
 public:
  ElementAddresses(Dims x, Dims index, std::size_t axis)
      : axis_(axis), size_(x[axis]), index_(index), count_(Product(index)) {
    std::int64_t stride = 1;
    for (std::size_t k = x.size(); k-- > 0;) {
      stride_[k] = stride;
      stride *= x[k];
    }
  }

  template <typename F>
  void Visit(const std::int64_t* index, F visit) const {
    std::array<std::int64_t, kRankMax> at{};
    std::int64_t base = 0;  // the address without its part along the axis
    for (std::int64_t j = 0; j < count_; ++j) {
      const std::int64_t i = Resolve(index[j], size_);
      visit(i == kNowhere ? kNowhere : base + i * stride_[axis_], static_cast<std::size_t>(j));
      for (std::size_t k = index_.size(); k-- > 0;) {
        const std::int64_t step = k == axis_ ? 0 : stride_[k];
        base += step;
        if (++at[k] < index_[k]) break;
        base -= step * index_[k];
        at[k] = 0;
      }
    }
  }

  static constexpr std::size_t run = 1;

 private:
  std::size_t axis_;
  std::int64_t size_;
  Dims index_;
  std::int64_t count_;
  std::array<std::int64_t, kRankMax> stride_{};
};

// The first `batch_axes` axes of x and of the indices are the same; the indices' last axis holds
// tuples, each of which addresses the following axes of x.
class TupleAddresses {
 public:
  TupleAddresses(Dims x, Dims index, std::size_t batch_axes)
      : run(1),
        batches_(Product(x.first(batch_axes))),
        tuples_(Product(index.subspan(batch_axes)) / index.back()),
        addressed_(x.subspan(batch_axes, static_cast<std::size_t>(index.back()))) {
    run = static_cast<std::size_t>(Product(x.subspan(batch_axes + addressed_.size())));
  }

  template <typename F>
  void Visit(const std::int64_t* index, F visit) const {
    std::size_t j = 0;
    for (std::int64_t b = 0; b < batches_; ++b) {
      for (std::int64_t n = 0; n < tuples_; ++n, ++j, index += addressed_.size()) {
        std::int64_t at = b;
        for (std::size_t k = 0; k < addressed_.size() && at != kNowhere; ++k) {
          const std::int64_t i = Resolve(index[k], addressed_[k]);
          at = i == kNowhere ? kNowhere : at * addressed_[k] + i;
        }
        visit(at == kNowhere ? kNowhere : at * static_cast<std::int64_t>(run), j);
      }
    }
  }

  std::size_t run;

 private:
  std::int64_t batches_;
  std::int64_t tuples_;
  Dims addressed_;
};

// y's runs are x's. E is float, double or int64, here and below.
template <typename Addresses, typename E>
void GatherRuns(const Addresses& addresses, const E* x, const std::int64_t* index, E* y) {
  const std::size_t run = addresses.run;
  addresses.Visit(index, [&](std::int64_t a, std::size_t j) {
    if (a == kNowhere) {
      std::fill_n(y + j * run, run, Missing<E>());
    } else {
      std::copy_n(x + a, run, y + j * run);
    }
  });
}

// Calls f(place in x, place in the runs) for each number of each run, in the order of j, or in the
// opposite one.
template <typename Addresses, typename F>
void ForEachNumber(const Addresses& addresses, const std::int64_t* index, F f) {
  addresses.Visit(index, [&](std::int64_t a, std::size_t j) {
    if (a == kNowhere) return;
    for (std::size_t i = 0; i < addresses.run; ++i) {
      f(static_cast<std::size_t>(a) + i, j * addresses.run + i);
    }
  });
}

enum class ScatterMode : int { kReplace, kAdd, kMul, kMax, kMin };

template <typename E>
E ScatterOne(ScatterMode mode, E old, E update) {
  switch (mode) {
    case ScatterMode::kReplace:
      return update;
    case ScatterMode::kMax:
      return std::max(old, update);
    case ScatterMode::kMin:
      return std::min(old, update);
    default:
      break;
  }
  if constexpr (std::numeric_limits<E>::is_integer) {  // wraps
    const auto a = static_cast<std::uint64_t>(old);
    const auto b = static_cast<std::uint64_t>(update);
    return static_cast<E>(mode == ScatterMode::kAdd ? a + b : a * b);
  } else {
    return mode == ScatterMode::kAdd ? old + update : old * update;
  }
}

// y, which holds x, with the updates written to it one after another.
template <typename Addresses, typename E>
void ScatterRuns(ScatterMode mode, const Addresses& addresses, const std::int64_t* index,
                 const E* updates, E* y) {
  ForEachNumber(addresses, index,
                [&](std::size_t a, std::size_t j) { y[a] = ScatterOne(mode, y[a], updates[j]); });
}

// The gradient g of y = scatter(x, u) with respect to x, and with respect to the updates u, which
// is 0 for updates that go nowhere.
//   replace  dx = g where nothing was written; du: g for the last update of a place
//   add      dx = g; du = g
//   mul      dx = g times the updates; du = g times x times the other updates of the place
//   max/min  g goes to the first of x and the updates that has the extreme value
template <typename Addresses, typename T>
void ScatterDataGrad(ScatterMode mode, const Addresses& addresses, const std::int64_t* index,
                     std::span<const T> x, const T* updates, const T* y, const T* g, T* dx) {
  std::copy_n(g, x.size(), dx);
  switch (mode) {
    case ScatterMode::kAdd:
      return;
    case ScatterMode::kReplace:
      return ForEachNumber(addresses, index, [&](std::size_t a, std::size_t) { dx[a] = 0; });
    case ScatterMode::kMul:
      return ScatterRuns(mode, addresses, index, updates, dx);
    case ScatterMode::kMax:
    case ScatterMode::kMin:
      for (std::size_t i = 0; i < x.size(); ++i) dx[i] = x[i] == y[i] ? g[i] : T(0);
  }
}

template <typename Addresses, typename T>
void ScatterUpdatesGrad(ScatterMode mode, const Addresses& addresses, const std::int64_t* index,
                        std::span<const T> x, std::span<const T> updates, const T* y, const T* g,
                        T* du) {
  std::fill_n(du, updates.size(), T(0));
  // Where each number of the updates goes: the backward passes run over it from either end.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  ForEachNumber(addresses, index, [&](std::size_t a, std::size_t j) { places.emplace_back(a, j); });
  std::vector<T> left(g, g + x.size());  // the part of g that is not given away yet
  switch (mode) {
    case ScatterMode::kAdd:
      for (const auto& [a, j] : places) du[j] = g[a];
      return;
    case ScatterMode::kReplace:
      std::reverse(places.begin(), places.end());
      for (const auto& [a, j] : places) du[j] = std::exchange(left[a], T(0));
      return;
    case ScatterMode::kMul: {
      // The product of what came before an update times g and what came after it.
      std::vector<T> before(x.begin(), x.end());
      for (const auto& [a, j] : places) {
        du[j] = before[a];
        before[a] *= updates[j];
      }
      std::reverse(places.begin(), places.end());
      for (const auto& [a, j] : places) {
        du[j] *= left[a];
        left[a] *= updates[j];
      }
      return;
    }
    case ScatterMode::kMax:
    case ScatterMode::kMin:
      for (const auto& [a, j] : places) {
        if (updates[j] == y[a] && x[a] != y[a]) du[j] = std::exchange(left[a], T(0));
      }
  }
}

}  // namespace anchorhold::kernels
