#include "trusted/engine/arena.h"

#include <iterator>

namespace anchorhold::engine {
namespace {

std::size_t Rounded(std::size_t size) {
  constexpr std::size_t kAlignment = ArenaPlanner::kAlignment;
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

std::size_t ArenaPlanner::Take(std::size_t size) {
  const std::size_t needed = Rounded(size);
  for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
    if (gap->second < needed) continue;
    const std::size_t offset = gap->first;
    const std::size_t left = gap->second - needed;
    gaps_.erase(gap);
    if (left > 0) gaps_.emplace(offset + needed, left);
    return offset;
  }
  const std::size_t offset = size_;
  size_ += needed;
  return offset;
}

void ArenaPlanner::Release(std::size_t offset, std::size_t size) {
  auto gap = gaps_.emplace(offset, Rounded(size)).first;
  const auto next = std::next(gap);
  if (next != gaps_.end() && gap->first + gap->second == next->first) {
    gap->second += next->second;
    gaps_.erase(next);
  }
  if (gap == gaps_.begin()) return;
  const auto previous = std::prev(gap);
  if (previous->first + previous->second == gap->first) {
    previous->second += gap->second;
    gaps_.erase(gap);
  }
}

}  // namespace anchorhold::engine
