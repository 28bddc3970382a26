// Products of real numbers on a matrix unit that multiplies 16-bit ones (Intel AMX-BF16).
//
// A float has 24 significant bits, a bf16 number eight and the same exponents. Cut off bit by bit,
//
//   x = h + m + l      h = the upper 16 bits of x,  m = those of x - h,  l = those of x - h - m
//
// holds exactly, and so does each product of two parts in float32. Six of the nine products carry
// all that a float32 sum keeps (after Henry, Tang and Heinecke 2019, "Leveraging the bfloat16
// Artificial Intelligence Datatype For Higher-Precision Computations", where parts are rounded):
//
//   a b = ah bl + ah bm + am bm + am bh + al bh + ah bh      |what is left out| < 2^-20.9 |a b|
//
// since m < 2^-7 |x| and l < 2^-15 |x|. The unit adds 32 products of parts to a float32 at once
// (Intel's Instruction Set Reference, TDPBF16PS): two chains of 16 from zero, rounded to the
// nearest even at each addition, then the two and the sum before; numbers below 2^-126, operands
// and results, are zeros. An element of a product of depth `inner` is hence
//
//   for each slab of SlabDepth(inner) k's, zeros behind the last:
//     sum <- 0
//     for each step of 32 of the slab's k's, and each of the six, in the order above:
//       sum <- sum + ((chain over k = 0 .. 15) + (chain over k = 16 .. 31))
//     c <- c + sum
//
// (sums over examples go on from c instead, and convolutions are one slab: gemm_amx.cc,
// convolution_amx.cc), and its error at most
//
//     ((6 ceil(inner / 32) + 22) 2^-24 + 2^-20.9) sum_k |a_ik b_kj|
//   + 2^-125 sum_k (|a_ik| + |b_kj| + 8)
//
// where the second sum is for parts, products and sums below 2^-126. An infinity meets zeros and
// opposite signs and becomes a NaN; what is not finite does not become so.
//
// Operands are packed into panels of 32 rows (of A) or columns (of B):
//
//   [inner / 32][3 parts: h, m, l][2 tiles][16 lines of 64 bytes]
//
// a line of A being a row's k, one of B a pair of k's 16 columns; either way 32-bit element i of a
// line of k's is the pair (k = i, k = 16 + i), so that pairs are made of whole vectors.
#pragma once

// GCC 12 takes the headers' deliberately undefined operands for mistakes of ours.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>

// Compilers are told function by function: the rest of the program runs everywhere.
#define ANCHORHOLD_AMX \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,fma,amx-tile,amx-bf16")))
#define ANCHORHOLD_AMX_INLINE ANCHORHOLD_AMX inline __attribute__((always_inline))
#define ANCHORHOLD_AMX_APART ANCHORHOLD_AMX __attribute__((noinline))
#define ANCHORHOLD_AMX_LAMBDA ANCHORHOLD_AMX __attribute__((always_inline))

namespace anchorhold::simd::amx {

inline constexpr std::size_t kStep = 32;   // k's that one instruction sums
inline constexpr std::size_t kPanel = 32;  // rows or columns of a panel: two tiles
inline constexpr std::size_t kHalf = 16;   // rows or columns of a tile, and pairs of a step
inline constexpr std::size_t kTileBytes = 1024;
inline constexpr std::size_t kLineBytes = 64;
inline constexpr std::size_t kPartBytes = 2 * kTileBytes;
inline constexpr std::size_t kStepBytes = 3 * kPartBytes;

constexpr std::size_t Quotient(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

template <class Float>
Float* AlignToLine(Float* p) {
  const std::size_t past = reinterpret_cast<std::size_t>(p) % kLineBytes;
  return p + (kLineBytes - past) % kLineBytes / sizeof(float);
}

// Switches the matrix unit on for this thread, all eight tiles 16 x 64 bytes; and off, so that a
// change of threads has nothing to save.
class Unit {
 public:
  ANCHORHOLD_AMX_INLINE Unit() {
    struct alignas(64) Config {
      std::uint8_t palette = 1;
      std::uint8_t start = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  ANCHORHOLD_AMX_INLINE ~Unit() { __asm__ volatile("tilerelease" : : : "memory"); }
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;
};

// Tiles are named by number, as the instructions' operands are.
template <int kTile>
ANCHORHOLD_AMX_INLINE void LoadTile(const void* from, std::size_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                   :
                   : "r"(from), "r"(stride), "i"(kTile)
                   : "memory");
}

template <int kTile>
ANCHORHOLD_AMX_INLINE void StoreTile(void* to, std::size_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)"
                   :
                   : "r"(to), "r"(stride), "i"(kTile)
                   : "memory");
}

template <int kTile>
ANCHORHOLD_AMX_INLINE void ZeroTile() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

template <int kSum, int kA, int kB>
ANCHORHOLD_AMX_INLINE void Dot() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
}

// Tiles of a panel of A that exist.
enum class TilesA : unsigned char { kTwo, kOne };

// Tiles 0 to 3 are the sums, [2 of A][2 of B]; 4 and 5 a part of A, 6 and 7 one of B.
template <TilesA kTiles>
ANCHORHOLD_AMX_INLINE void LoadPartA(const char* step, std::size_t part) {
  LoadTile<4>(step + part * kPartBytes, kLineBytes);
  if constexpr (kTiles == TilesA::kTwo)
    LoadTile<5>(step + part * kPartBytes + kTileBytes, kLineBytes);
}

ANCHORHOLD_AMX_INLINE void LoadPartB(const char* step, std::size_t part) {
  LoadTile<6>(step + part * kPartBytes, kLineBytes);
  LoadTile<7>(step + part * kPartBytes + kTileBytes, kLineBytes);
}

template <TilesA kTiles>
ANCHORHOLD_AMX_INLINE void DotParts() {
  Dot<0, 4, 6>();
  Dot<1, 4, 7>();
  if constexpr (kTiles == TilesA::kTwo) {
    Dot<2, 5, 6>();
    Dot<3, 5, 7>();
  }
}

// The six products of one step; each load replaces one factor's part only. Behind product n,
// `meanwhile` is called with n: what else there is to be done comes in small pieces between the
// unit's instructions. A processor that finds all of it behind them does not look far enough ahead
// to do both at once.
inline constexpr std::size_t kSlots = 6;

template <TilesA kTiles = TilesA::kTwo, class Meanwhile>
ANCHORHOLD_AMX_INLINE void DotStep(const char* a, const char* b, const Meanwhile& meanwhile) {
  constexpr std::size_t kH = 0;
  constexpr std::size_t kM = 1;
  constexpr std::size_t kL = 2;
  LoadPartA<kTiles>(a, kH);
  LoadPartB(b, kL);
  DotParts<kTiles>();
  meanwhile(0);
  LoadPartB(b, kM);
  DotParts<kTiles>();
  meanwhile(1);
  LoadPartA<kTiles>(a, kM);
  DotParts<kTiles>();
  meanwhile(2);
  LoadPartB(b, kH);
  DotParts<kTiles>();
  meanwhile(3);
  LoadPartA<kTiles>(a, kL);
  DotParts<kTiles>();
  meanwhile(4);
  LoadPartA<kTiles>(a, kH);
  DotParts<kTiles>();
  meanwhile(5);
}

ANCHORHOLD_AMX_INLINE void ZeroSums() {
  ZeroTile<0>();
  ZeroTile<1>();
  ZeroTile<2>();
  ZeroTile<3>();
}

// Where 32 x 32 sums are stored: two halves of 16 columns, rows `stride` floats apart.
struct SumsPlace {
  float* half[2] = {};
  std::size_t stride = 0;
};

// 32 x 32 floats.
inline SumsPlace PlaceInBuffer(float* buffer) { return {{buffer, buffer + kHalf}, kPanel}; }

template <TilesA kTiles = TilesA::kTwo>
ANCHORHOLD_AMX_INLINE void StoreSums(const SumsPlace& place) {
  const std::size_t bytes = place.stride * sizeof(float);
  StoreTile<0>(place.half[0], bytes);
  StoreTile<1>(place.half[1], bytes);
  if constexpr (kTiles == TilesA::kOne) return;
  StoreTile<2>(place.half[0] + kHalf * place.stride, bytes);
  StoreTile<3>(place.half[1] + kHalf * place.stride, bytes);
}

// Sums go on from what is there.
ANCHORHOLD_AMX_INLINE void LoadSums(const SumsPlace& place) {
  const std::size_t bytes = place.stride * sizeof(float);
  LoadTile<0>(place.half[0], bytes);
  LoadTile<1>(place.half[1], bytes);
  LoadTile<2>(place.half[0] + kHalf * place.stride, bytes);
  LoadTile<3>(place.half[1] + kHalf * place.stride, bytes);
}

// 32 x 32 sums over `steps`, or half of their rows, and in each step kSlots of `other`. They begin
// with zeros, or with LoadSums(*start).
template <TilesA kTiles = TilesA::kTwo, class Other>
ANCHORHOLD_AMX_APART void RunTiles(std::size_t steps, const char* a, const char* b, Other& other,
                                   const SumsPlace& place, const SumsPlace* start = nullptr) {
  if (start == nullptr) {
    ZeroSums();
  } else {
    LoadSums(*start);
  }
  for (std::size_t s = 0; s < steps; ++s, a += kStepBytes, b += kStepBytes) {
    DotStep<kTiles>(a, b, [&](std::size_t n) ANCHORHOLD_AMX_LAMBDA { other.Slot(n); });
  }
  StoreSums<kTiles>(place);
}

// The parts of the pairs (x, y), as one line of each part.
ANCHORHOLD_AMX_INLINE void StorePairs(__m512 x, __m512 y, char* line) {
  constexpr __mmask32 kUpper = 0xAAAAAAAA;
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  for (std::size_t part = 0; part < 3; ++part) {
    const __m512i bits_x = _mm512_castps_si512(x);
    const __m512i bits_y = _mm512_castps_si512(y);
    const __m512i pairs = _mm512_mask_mov_epi16(_mm512_srli_epi32(bits_x, 16), kUpper, bits_y);
    _mm512_store_si512(line + part * kPartBytes, pairs);
    if (part == 2) break;
    x = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_and_si512(bits_x, upper)));
    y = _mm512_sub_ps(y, _mm512_castsi512_ps(_mm512_and_si512(bits_y, upper)));
  }
}

// rows[i][j] <-> rows[j][i].
ANCHORHOLD_AMX_INLINE void Transpose(__m512 (&v)[16]) {
  __m512 t[16];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // 4 x 4 within blocks of 128 bits
    const __m512 a = _mm512_unpacklo_ps(v[i], v[i + 1]);
    const __m512 b = _mm512_unpackhi_ps(v[i], v[i + 1]);
    const __m512 c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]);
    const __m512 d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
    t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
    t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
    t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // and these blocks
    const __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
    const __m512 c = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
    const __m512 d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);
    v[i] = _mm512_shuffle_f32x4(a, b, 0x88);
    v[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
    v[i + 8] = _mm512_shuffle_f32x4(a, b, 0xDD);
    v[i + 12] = _mm512_shuffle_f32x4(c, d, 0xDD);
  }
}

}  // namespace anchorhold::simd::amx
