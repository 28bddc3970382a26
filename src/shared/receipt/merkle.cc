#include "shared/receipt/merkle.h"

#include <algorithm>
#include <bit>

#include "shared/base/check.h"

namespace anchorhold::receipt {
namespace {

using crypto::Sha256Digest;

Sha256Digest NodeHash(const Sha256Digest& left, const Sha256Digest& right) {
  crypto::Sha256Hasher hasher;
  constexpr std::byte kNode{0x01};
  hasher.Update({&kNode, 1});
  hasher.Update(left.span());
  hasher.Update(right.span());
  return hasher.Finish();
}

// The k of section 2.1.1: the largest power of two below n > 1.
std::uint64_t SplitPoint(std::uint64_t n) { return std::bit_floor(n - 1); }

bool IsOdd(std::uint64_t n) { return (n & 1) != 0; }

Status Broken(std::string_view what) {
  return IntegrityError(std::string(what) + " does not hold: the log or its proof was changed");
}

}  // namespace

Sha256Digest LeafHash(ByteSpan entry) {
  crypto::Sha256Hasher hasher;
  constexpr std::byte kLeaf{0x00};
  hasher.Update({&kLeaf, 1});
  hasher.Update(entry);
  return hasher.Finish();
}

void MerkleTree::Append(const Sha256Digest& leaf) {
  Sha256Digest hash = leaf;
  for (std::size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    std::vector<Sha256Digest>& row = levels_[level];
    row.push_back(hash);
    if (IsOdd(row.size())) return;
    hash = NodeHash(row[row.size() - 2], row[row.size() - 1]);
  }
}

Sha256Digest MerkleTree::SubtreeHash(std::uint64_t begin, std::uint64_t count) const {
  if (std::has_single_bit(count)) {
    const auto level = static_cast<std::size_t>(std::countr_zero(count));
    return levels_[level][begin >> level];
  }
  const std::uint64_t k = SplitPoint(count);
  return NodeHash(SubtreeHash(begin, k), SubtreeHash(begin + k, count - k));
}

Sha256Digest MerkleTree::Root(std::uint64_t size) const {
  AH_CHECK(size <= this->size());
  return size == 0 ? crypto::Sha256({}) : SubtreeHash(0, size);
}

// PATH(m, D_n) goes down to the leaf and lists, from the leaf up, the siblings passed on the way.
std::vector<Sha256Digest> MerkleTree::InclusionPath(std::uint64_t index, std::uint64_t size) const {
  AH_CHECK(index < size);
  AH_CHECK(size <= this->size());
  std::vector<Sha256Digest> path;
  std::uint64_t begin = 0;
  while (size > 1) {
    const std::uint64_t k = SplitPoint(size);
    if (index < k) {
      path.push_back(SubtreeHash(begin + k, size - k));
      size = k;
    } else {
      path.push_back(SubtreeHash(begin, k));
      begin += k;
      index -= k;
      size -= k;
    }
  }
  std::reverse(path.begin(), path.end());
  return path;
}

// SUBPROOF(m, D_n, b): `whole` is b, true while the old tree is the left end of this subtree as the
// client knows it.
std::vector<Sha256Digest> MerkleTree::ConsistencyPath(std::uint64_t old_size,
                                                      std::uint64_t size) const {
  AH_CHECK(old_size > 0);
  AH_CHECK(old_size <= size);
  AH_CHECK(size <= this->size());
  std::vector<Sha256Digest> path;
  std::uint64_t begin = 0;
  bool whole = true;
  while (old_size < size) {
    const std::uint64_t k = SplitPoint(size);
    if (old_size <= k) {
      path.push_back(SubtreeHash(begin + k, size - k));
      size = k;
    } else {
      path.push_back(SubtreeHash(begin, k));
      begin += k;
      old_size -= k;
      size -= k;
      whole = false;
    }
  }
  if (!whole) path.push_back(SubtreeHash(begin, size));
  std::reverse(path.begin(), path.end());
  return path;
}

Status VerifyInclusion(const Sha256Digest& leaf, std::uint64_t index, std::uint64_t size,
                       std::span<const Sha256Digest> path, const Sha256Digest& root) {
  const auto broken = [] { return Broken("the inclusion proof"); };
  if (index >= size) return broken();
  std::uint64_t fn = index;  // the RFC's names
  std::uint64_t sn = size - 1;
  Sha256Digest r = leaf;
  for (const Sha256Digest& p : path) {
    if (sn == 0) return broken();
    if (IsOdd(fn) || fn == sn) {
      r = NodeHash(p, r);
      while (!IsOdd(fn) && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      r = NodeHash(r, p);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0 || r != root) return broken();
  return Ok();
}

Status VerifyConsistency(std::uint64_t old_size, const Sha256Digest& old_root,
                         std::uint64_t new_size, const Sha256Digest& new_root,
                         std::span<const Sha256Digest> path) {
  const auto broken = [] { return Broken("the consistency proof"); };
  if (old_size > new_size) return broken();
  if (old_size == 0 || old_size == new_size) {
    const Sha256Digest same = old_size == 0 ? crypto::Sha256({}) : new_root;
    return path.empty() && old_root == same ? Ok() : broken();
  }
  std::uint64_t fn = old_size - 1;  // the RFC's names
  std::uint64_t sn = new_size - 1;
  while (IsOdd(fn)) {
    fn >>= 1;
    sn >>= 1;
  }
  // An old tree that is complete is itself the first node; otherwise the path starts with one.
  Sha256Digest fr = old_root;
  if (!std::has_single_bit(old_size)) {
    if (path.empty()) return broken();
    fr = path.front();
    path = path.subspan(1);
  }
  Sha256Digest sr = fr;
  for (const Sha256Digest& c : path) {
    if (sn == 0) return broken();
    if (IsOdd(fn) || fn == sn) {
      fr = NodeHash(c, fr);
      sr = NodeHash(c, sr);
      while (!IsOdd(fn) && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      sr = NodeHash(sr, c);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0 || fr != old_root || sr != new_root) return broken();
  return Ok();
}

}  // namespace anchorhold::receipt
