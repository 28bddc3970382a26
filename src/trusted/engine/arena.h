// Assigns places in an arena to buffers that live for a while: first fit in the free gaps.
#pragma once

#include <cstddef>
#include <map>

namespace anchorhold::engine {

class ArenaPlanner {
 public:
  // The offset of a place for `size` bytes, apart from all places not yet released. Places start at
  // multiples of kAlignment.
  std::size_t Take(std::size_t size);
  void Release(std::size_t offset, std::size_t size);
  // Bytes that the arena needs.
  std::size_t size() const { return size_; }

  static constexpr std::size_t kAlignment = 64;  // a cache line

 private:
  std::map<std::size_t, std::size_t> gaps_;  // offset to size; never adjacent to each other
  std::size_t size_ = 0;
};

}  // namespace anchorhold::engine
