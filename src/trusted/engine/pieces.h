// How threads share the passes over a flat vector of parameters. It is cut into pieces of one size,
// and each thread has a block of neighbouring ones, the same in every pass, so that it finds in its
// own cache what it wrote there in the pass before.
#pragma once

#include <algorithm>
#include <cstddef>

namespace anchorhold::engine {

inline constexpr std::size_t kPieceMin = std::size_t{1} << 14;
inline constexpr std::size_t kPieceMax = std::size_t{1} << 18;

// A multiple of kPieceMin, which depends on the number of parameters alone: some sixteen pieces
// where that is within the bounds.
constexpr std::size_t PieceSize(std::size_t parameters) {
  constexpr std::size_t kPieces = 16;
  const std::size_t least = (parameters / kPieces + kPieceMin - 1) / kPieceMin * kPieceMin;
  return std::clamp(least, kPieceMin, kPieceMax);
}

// Of whole pieces: thread k has the parameters from k BlockSize to (k + 1) BlockSize.
constexpr std::size_t BlockSize(std::size_t parameters, std::size_t threads) {
  const std::size_t piece = PieceSize(parameters);
  const std::size_t pieces = (parameters + piece - 1) / piece;
  return std::max<std::size_t>((pieces + threads - 1) / threads, 1) * piece;
}

}  // namespace anchorhold::engine
