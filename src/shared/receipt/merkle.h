// The Merkle tree of RFC 9162, section 2: leaf hash SHA-256(0x00 || entry), node hash
// SHA-256(0x01 || left || right), inclusion and consistency proofs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shared/crypto/hash.h"

namespace anchorhold::receipt {

crypto::Sha256Digest LeafHash(ByteSpan entry);

// An append-only tree. It keeps the hashes of all leaves and of all complete subtrees (64 bytes a
// leaf), so that appending, roots and proofs cost O(log size) hashes or little more.
class MerkleTree {
 public:
  void Append(const crypto::Sha256Digest& leaf);
  std::uint64_t size() const { return levels_.empty() ? 0 : levels_[0].size(); }
  // MTH of the first `size` leaves (precondition: no more than there are); of 0 leaves the hash of
  // the empty string.
  crypto::Sha256Digest Root(std::uint64_t size) const;
  crypto::Sha256Digest Root() const { return Root(size()); }
  // PATH(index, D_size): section 2.1.3.1. Precondition: index < size <= size().
  std::vector<crypto::Sha256Digest> InclusionPath(std::uint64_t index, std::uint64_t size) const;
  // PROOF(old_size, D_size): section 2.1.4.1. Precondition: 0 < old_size <= size <= size().
  std::vector<crypto::Sha256Digest> ConsistencyPath(std::uint64_t old_size,
                                                    std::uint64_t size) const;

 private:
  // MTH(D[begin:begin + count]); count > 0, begin a multiple of the largest power of two <= count.
  crypto::Sha256Digest SubtreeHash(std::uint64_t begin, std::uint64_t count) const;

  // levels_[k][i] = MTH(D[i * 2^k : (i + 1) * 2^k]).
  std::vector<std::vector<crypto::Sha256Digest>> levels_;
};

// Section 2.1.3.2; kIntegrity if the proof does not hold.
Status VerifyInclusion(const crypto::Sha256Digest& leaf, std::uint64_t index, std::uint64_t size,
                       std::span<const crypto::Sha256Digest> path,
                       const crypto::Sha256Digest& root);
// Section 2.1.4.2; kIntegrity if the new tree is not an extension of the old one. Beyond the
// section: equal sizes need equal roots and an empty path; the empty tree, with its root, is
// extended by every tree with an empty path.
Status VerifyConsistency(std::uint64_t old_size, const crypto::Sha256Digest& old_root,
                         std::uint64_t new_size, const crypto::Sha256Digest& new_root,
                         std::span<const crypto::Sha256Digest> path);

}  // namespace anchorhold::receipt
