#include "shared/receipt/merkle.h"

#include <gtest/gtest.h>

namespace anchorhold::receipt {
namespace {

using crypto::Sha256Digest;
using Path = std::vector<Sha256Digest>;

Sha256Digest Hex(std::string_view text) { return Sha256Digest::FromHexText(text).value(); }

// RFC 9162, section 2.1.1 to 2.1.4, word for word and without any cleverness.
Sha256Digest Node(const Sha256Digest& left, const Sha256Digest& right) {
  Bytes bytes = {std::byte{1}};
  AppendBytes(bytes, left.span());
  AppendBytes(bytes, right.span());
  return crypto::Sha256(bytes);
}
std::size_t Split(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
Sha256Digest Mth(std::span<const Sha256Digest> d) {
  if (d.empty()) return crypto::Sha256({});
  if (d.size() == 1) return d[0];
  const std::size_t k = Split(d.size());
  return Node(Mth(d.first(k)), Mth(d.subspan(k)));
}
Path NaivePath(std::size_t m, std::span<const Sha256Digest> d) {
  if (d.size() == 1) return {};
  const std::size_t k = Split(d.size());
  Path path = m < k ? NaivePath(m, d.first(k)) : NaivePath(m - k, d.subspan(k));
  path.push_back(Mth(m < k ? d.subspan(k) : d.first(k)));
  return path;
}
Path NaiveSubproof(std::size_t m, std::span<const Sha256Digest> d, bool whole) {
  if (m == d.size()) return whole ? Path{} : Path{Mth(d)};
  const std::size_t k = Split(d.size());
  Path path =
      m <= k ? NaiveSubproof(m, d.first(k), whole) : NaiveSubproof(m - k, d.subspan(k), false);
  path.push_back(Mth(m <= k ? d.subspan(k) : d.first(k)));
  return path;
}

struct Tree {
  explicit Tree(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      leaves.push_back(LeafHash(AsBytes("entry " + std::to_string(i))));
      tree.Append(leaves.back());
    }
  }
  std::span<const Sha256Digest> first(std::size_t n) const { return {leaves.data(), n}; }
  std::vector<Sha256Digest> leaves;
  MerkleTree tree;
};

// The eight leaves, roots and proofs of Certificate Transparency's reference tests.
class KnownTree : public testing::Test {
 protected:
  KnownTree() {
    for (const char* leaf : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                             "606162636465666768696a6b6c6d6e6f"}) {
      leaves_.push_back(LeafHash(FromHex(leaf).value()));
      tree_.Append(leaves_.back());
    }
  }
  std::vector<Sha256Digest> leaves_;
  MerkleTree tree_;
};

TEST_F(KnownTree, Roots) {
  const char* roots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  for (std::size_t size = 0; size <= 8; ++size) EXPECT_EQ(tree_.Root(size), Hex(roots[size]));
}

TEST_F(KnownTree, InclusionPaths) {
  const Sha256Digest h1 = Hex("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
  const Sha256Digest h23 = Hex("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
  const Sha256Digest h4567 =
      Hex("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
  const Sha256Digest h4 = Hex("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
  const Sha256Digest h67 = Hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  EXPECT_EQ(tree_.InclusionPath(0, 1), Path{});
  EXPECT_EQ(tree_.InclusionPath(0, 8), (Path{h1, h23, h4567}));
  EXPECT_EQ(tree_.InclusionPath(5, 8), (Path{h4, h67, tree_.Root(4)}));
  EXPECT_EQ(tree_.InclusionPath(2, 3), (Path{tree_.Root(2)}));
  EXPECT_EQ(tree_.InclusionPath(1, 5), (Path{leaves_[0], h23, h4}));
  EXPECT_TRUE(VerifyInclusion(leaves_[5], 5, 8, tree_.InclusionPath(5, 8), tree_.Root()).ok());
}

TEST_F(KnownTree, ConsistencyPaths) {
  const Sha256Digest h1 = Hex("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
  const Sha256Digest h23 = Hex("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
  const Sha256Digest h45 = Hex("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
  const Sha256Digest h4567 =
      Hex("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
  const Sha256Digest h67 = Hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  EXPECT_EQ(tree_.ConsistencyPath(1, 1), Path{});
  EXPECT_EQ(tree_.ConsistencyPath(1, 8), (Path{h1, h23, h4567}));
  EXPECT_EQ(tree_.ConsistencyPath(6, 8), (Path{h45, h67, tree_.Root(4)}));
  EXPECT_EQ(tree_.ConsistencyPath(2, 5), (Path{h23, leaves_[4]}));
}

TEST(Merkle, AgreesWithTheDefinitionForEverySizeUpTo64) {
  const Tree t(64);
  for (std::size_t size = 1; size <= 64; ++size) {
    ASSERT_EQ(t.tree.Root(size), Mth(t.first(size))) << size;
    for (std::size_t index = 0; index < size; ++index) {
      const Path path = t.tree.InclusionPath(index, size);
      ASSERT_EQ(path, NaivePath(index, t.first(size))) << index << " of " << size;
      ASSERT_TRUE(VerifyInclusion(t.leaves[index], index, size, path, t.tree.Root(size)).ok());
    }
    for (std::size_t old = 1; old <= size; ++old) {
      const Path path = t.tree.ConsistencyPath(old, size);
      ASSERT_EQ(path, NaiveSubproof(old, t.first(size), true)) << old << " of " << size;
      ASSERT_TRUE(VerifyConsistency(old, t.tree.Root(old), size, t.tree.Root(size), path).ok());
    }
  }
}

// Every path that is one change away: an element flipped, dropped, repeated, swapped, appended.
std::vector<Path> WrongPaths(const Path& path) {
  std::vector<Path> out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    Path flipped = path;
    flipped[i].value[31] ^= std::byte{1};
    Path dropped = path;
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
    Path repeated = path;
    repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(i), path[i]);
    out.insert(out.end(), {flipped, dropped, repeated});
    if (i > 0) {
      Path swapped = path;
      std::swap(swapped[i - 1], swapped[i]);
      out.push_back(swapped);
    }
  }
  Path appended = path;
  appended.push_back(crypto::Sha256({}));
  out.push_back(appended);
  return out;
}

TEST(Merkle, RefusesEveryWrongInclusionProof) {
  const Tree t(20);
  for (std::size_t size = 1; size <= 20; ++size) {
    const Sha256Digest root = t.tree.Root(size);
    for (std::size_t index = 0; index < size; ++index) {
      const Path path = t.tree.InclusionPath(index, size);
      for (const Path& wrong : WrongPaths(path)) {
        ASSERT_FALSE(VerifyInclusion(t.leaves[index], index, size, wrong, root).ok());
      }
      for (std::size_t other = 0; other < size + 2; ++other) {
        if (other == index) continue;
        ASSERT_FALSE(VerifyInclusion(t.leaves[index], other, size, path, root).ok());
      }
      ASSERT_EQ(VerifyInclusion(t.leaves[(index + 1) % 20], index, size, path, root).error().code(),
                ErrorCode::kIntegrity);
      ASSERT_FALSE(VerifyInclusion(t.leaves[index], index, size, path, t.leaves[19]).ok() &&
                   root != t.leaves[19]);
    }
  }
  EXPECT_FALSE(VerifyInclusion(t.leaves[0], 0, 0, {}, t.tree.Root(0)).ok());
  EXPECT_FALSE(
      VerifyInclusion(t.leaves[0], ~std::uint64_t{0}, ~std::uint64_t{0}, {}, t.leaves[0]).ok());
}

TEST(Merkle, RefusesEveryWrongConsistencyProof) {
  const Tree t(20);
  for (std::size_t size = 1; size <= 20; ++size) {
    const Sha256Digest root = t.tree.Root(size);
    for (std::size_t old = 1; old <= size; ++old) {
      const Sha256Digest old_root = t.tree.Root(old);
      const Path path = t.tree.ConsistencyPath(old, size);
      for (const Path& wrong : WrongPaths(path)) {
        ASSERT_FALSE(VerifyConsistency(old, old_root, size, root, wrong).ok())
            << old << " " << size;
      }
      Sha256Digest forged = old_root;
      forged.value[0] ^= std::byte{1};
      ASSERT_FALSE(VerifyConsistency(old, forged, size, root, path).ok());
      ASSERT_FALSE(VerifyConsistency(old, old_root, size, forged, path).ok());
      ASSERT_FALSE(VerifyConsistency(size + 1, old_root, size, root, path).ok());
    }
  }
}

TEST(Merkle, TheEmptyTreeIsExtendedByAll) {
  const Tree t(3);
  EXPECT_TRUE(VerifyConsistency(0, t.tree.Root(0), 3, t.tree.Root(3), {}).ok());
  EXPECT_FALSE(VerifyConsistency(0, t.tree.Root(1), 3, t.tree.Root(3), {}).ok());
  EXPECT_FALSE(VerifyConsistency(0, t.tree.Root(0), 3, t.tree.Root(3), t.leaves).ok());
  EXPECT_TRUE(VerifyConsistency(3, t.tree.Root(3), 3, t.tree.Root(3), {}).ok());
  EXPECT_FALSE(VerifyConsistency(3, t.tree.Root(2), 3, t.tree.Root(3), {}).ok());
}

}  // namespace
}  // namespace anchorhold::receipt
