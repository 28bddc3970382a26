// The passes of sums.h. All are bound by memory: they read and write each number once.
#include "trusted/simd/sums.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trusted/simd/sums.cc"
#include "trusted/simd/tables.h"
// After tables.h, which chooses the targets.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trusted/simd/squares-inl.h"
#include "trusted/simd/sums_update-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anchorhold::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

// From the last s to the first, so that the least one stands in the end: each goes to all t from it
// on that are equal to it. Whole vectors are read and written; what one that begins before s then
// holds there, its own s writes over.
void FindRepeats(std::size_t n, const std::int32_t* rows, std::int32_t* first) {
  const hn::ScalableTag<std::int32_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = n / lanes * lanes;
  for (std::size_t s = n; s-- > 0;) {
    const auto row = hn::Set(d, rows[s]);
    const auto place = hn::Set(d, static_cast<std::int32_t>(s));
    for (std::size_t t = s / lanes * lanes; t < whole; t += lanes) {
      const auto equal = hn::Eq(hn::LoadU(d, rows + t), row);
      hn::StoreU(hn::IfThenElse(equal, place, hn::LoadU(d, first + t)), d, first + t);
    }
    if (whole == n) continue;
    const auto equal = hn::Eq(LoadPart(d, rows + whole, n - whole), row);
    const auto known = LoadPart(d, first + whole, n - whole);
    StorePart(hn::IfThenElse(equal, place, known), d, first + whole, n - whole);
  }
}

void AddScaled(std::size_t n, const float* x, float scale, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  const auto counts = hn::Ne(factor, hn::Zero(d));
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto kept = hn::IfThenElseZero(counts, hn::LoadU(d, x + i));
    hn::StoreU(hn::MulAdd(factor, kept, hn::LoadU(d, y + i)), d, y + i);
  }
  if (i == n) return;
  const auto kept = hn::IfThenElseZero(counts, LoadPart(d, x + i, n - i));
  StorePart(hn::MulAdd(factor, kept, LoadPart(d, y + i, n - i)), d, y + i, n - i);
}

// sum += sign v, v = round(scale x), which is what the calls return: a vector or a part of one.
struct GridAdd {
  using D = hn::ScalableTag<float>;
  using DI = hn::RebindToSigned<D>;
  using V = hn::Vec<D>;
  V factor;
  hn::Mask<D> counts;
  hn::Vec<DI> negative;

  HWY_INLINE GridAdd(float scale, std::int32_t sign)
      : factor(hn::Set(D(), scale)),
        counts(hn::Ne(factor, hn::Zero(D()))),
        negative(hn::Set(DI(), sign < 0 ? -1 : 0)) {}
  // A float of 2^24 or more is a whole number, so the rounded product is v, as a float too.
  HWY_INLINE V Whole(V x) const {
    const auto product = hn::Round(hn::Mul(factor, hn::IfThenElseZero(counts, x)));
    return AtMost(hn::Set(D(), 0x1.fffffep30F), AtLeast(hn::Set(D(), -0x1p31F), product));
  }
  HWY_INLINE hn::Vec<DI> Signed(V v) const {  // -v = ~v + 1
    return hn::Sub(hn::Xor(hn::ConvertTo(DI(), v), negative), negative);
  }
  HWY_INLINE V operator()(const float* x, std::int32_t* sum) const {
    const V v = Whole(hn::LoadU(D(), x));
    hn::StoreU(hn::Add(hn::LoadU(DI(), sum), Signed(v)), DI(), sum);
    return v;
  }
  HWY_INLINE V operator()(const float* x, std::int32_t* sum, std::size_t rest) const {
    const V v = Whole(LoadPart(D(), x, rest));
    StorePart(hn::Add(LoadPart(DI(), sum, rest), Signed(v)), DI(), sum, rest);
    return v;
  }
};

double AddGrid(std::size_t n, const float* x, float scale, std::int32_t sign, std::int32_t* sum) {
  const GridAdd add(scale, sign);
  return SumSquares(
      n, [&](std::size_t i) HWY_ATTR { return add(x + i, sum + i); },
      [&](std::size_t i, std::size_t rest) HWY_ATTR { return add(x + i, sum + i, rest); });
}

// Calls visit(t) for each row t that counts. Those are listed first, without branches, which
// nothing could foretell.
constexpr std::size_t kListed = 128;
template <class Visit>
HWY_INLINE void ForRows(const TableRows& rows, const Visit& visit) {
  std::uint32_t listed[kListed];
  const auto range = static_cast<std::uint32_t>(rows.end - rows.begin);
  for (std::size_t first = 0; first < rows.count; first += kListed) {
    const std::size_t size = std::min(kListed, rows.count - first);
    std::size_t count = 0;
    for (std::size_t t = 0; t < size; ++t) {
      listed[count] = static_cast<std::uint32_t>(t);
      const auto place = static_cast<std::uint32_t>(rows.rows[first + t] - rows.begin);
      count += static_cast<std::size_t>(place < range);
    }
    for (std::size_t i = 0; i < count; ++i) visit(first + listed[i]);
  }
}

void AddScaledRows(const TableRows& rows, const float* x, float scale, float* table) {
  ForRows(rows, [&](std::size_t t) HWY_ATTR {
    AddScaled(rows.d, rows.From(t, x), rows.Scale(t, scale), table + rows.To(t));
  });
}

// sum += sign v for each of the sums that begin at places[0 .. count); returns what AddGrid would
// for all of them.
double AddGridTo(const std::size_t* places, std::size_t count, std::size_t n, const float* x,
                 float scale, std::int32_t sign, std::int32_t* sums) {
  const GridAdd add(scale, sign);
  const GridAdd::DI d;
  const double squares = SumSquares(
      n,
      [&](std::size_t i) HWY_ATTR {
        const auto v = add.Whole(hn::LoadU(GridAdd::D(), x + i));
        const auto more = add.Signed(v);
        for (std::size_t k = 0; k < count; ++k) {
          std::int32_t* sum = sums + places[k] + i;
          hn::StoreU(hn::Add(hn::LoadU(d, sum), more), d, sum);
        }
        return v;
      },
      [&](std::size_t i, std::size_t rest) HWY_ATTR {
        const auto v = add.Whole(LoadPart(GridAdd::D(), x + i, rest));
        const auto more = add.Signed(v);
        for (std::size_t k = 0; k < count; ++k) {
          std::int32_t* sum = sums + places[k] + i;
          StorePart(hn::Add(LoadPart(d, sum, rest), more), d, sum, rest);
        }
        return v;
      });
  return static_cast<double>(count) * squares;
}

// Most rows are added to once, so that v is the same for all of them.
double AddGridRepeated(const TableRows& rows, const float* x, float scale, std::int32_t sign,
                       std::int32_t* table) {
  std::size_t once[kListed];
  double squares = 0;
  std::size_t count = 0;
  const auto add_once = [&]() HWY_ATTR {
    squares += AddGridTo(once, count, rows.d, x, scale, sign, table);
    count = 0;
  };
  ForRows(rows, [&](std::size_t t) HWY_ATTR {
    if (rows.times[t] != 1) {
      squares += AddGrid(rows.d, x, rows.Scale(t, scale), sign, table + rows.To(t));
      return;
    }
    once[count] = rows.To(t);
    if (++count == kListed) add_once();
  });
  add_once();
  return squares;
}

// The chains go on over the rows: closing them for each would cost more than a short row.
double AddGridRows(const TableRows& rows, const float* x, float scale, std::int32_t sign,
                   std::int32_t* table) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  if (rows.times != nullptr) return AddGridRepeated(rows, x, scale, sign, table);
  const GridAdd add(scale, sign);
  SquareSum sum;
  std::size_t links = 0;
  const auto link = [&]() HWY_ATTR {
    if (++links < kChain) return;
    sum.CloseChains();
    links = 0;
  };
  ForRows(rows, [&](std::size_t t) HWY_ATTR {
    const float* row = x + t * rows.d;
    std::int32_t* place = table + rows.To(t);
    std::size_t i = 0;
    for (; i + kChains * lanes <= rows.d; i += kChains * lanes) {
      for (std::size_t chain = 0; chain < kChains; ++chain) {
        sum.Add(chain, add(row + i + chain * lanes, place + i + chain * lanes));
      }
      link();
    }
    for (; i + lanes <= rows.d; i += lanes) {
      sum.Add(0, add(row + i, place + i));
      link();
    }
    if (i == rows.d) return;
    sum.Add(0, add(row + i, place + i, rows.d - i));
    link();
  });
  sum.CloseChains();
  return sum.Total();
}

void FlushGrid(std::size_t n, std::int32_t* sum, std::int64_t* total) {
  const hn::ScalableTag<std::int64_t> d;
  const hn::Rebind<std::int32_t, decltype(d)> dh;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto wide = hn::PromoteTo(d, hn::LoadU(dh, sum + i));
    hn::StoreU(hn::Add(hn::LoadU(d, total + i), wide), d, total + i);
    hn::StoreU(hn::Zero(dh), dh, sum + i);
  }
  for (; i < n; ++i) {
    total[i] += sum[i];
    sum[i] = 0;
  }
}

HWY_INLINE auto LoadWide(const std::int64_t* p) {
  return hn::LoadU(hn::ScalableTag<std::int64_t>(), p);
}
HWY_INLINE auto LoadWide(const std::int32_t* p) {
  const hn::ScalableTag<std::int64_t> d;
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::int32_t, decltype(d)>(), p));
}

template <typename Whole>
HWY_INLINE void FromWhole(std::size_t n, const Whole* sum, const std::int64_t* noise, double unit,
                          float* dst) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> dh;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, unit);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto whole = hn::Add(LoadWide(sum + i), LoadWide(noise + i));
    hn::StoreU(hn::DemoteTo(dh, hn::Mul(factor, hn::ConvertTo(d, whole))), dh, dst + i);
  }
  for (; i < n; ++i) dst[i] = static_cast<float>(unit * static_cast<double>(sum[i] + noise[i]));
}

void FromGrid(std::size_t n, const std::int64_t* sum, const std::int64_t* noise, double unit,
              float* dst) {
  FromWhole(n, sum, noise, unit, dst);
}

void FromShortGrid(std::size_t n, const std::int32_t* sum, const std::int64_t* noise, double unit,
                   float* dst) {
  FromWhole(n, sum, noise, unit, dst);
}

extern const SumKernels kSums;
const SumKernels kSums = {FindRepeats, Squares,  AddScaled,     AddGrid, AddScaledRows, AddGridRows,
                          FlushGrid,   FromGrid, FromShortGrid, Sgd,     Adam};

#endif
}  // namespace anchorhold::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anchorhold::simd {
ANCHORHOLD_SIMD_TABLE(SumKernels, SumKernelsFor, kSums)
}  // namespace anchorhold::simd
#endif
