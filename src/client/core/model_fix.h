// Rewrites BatchNormalization, which in training takes its statistics from the whole batch and so
// mixes examples, into GroupNormalization (Wu & He, "Group Normalization", ECCV 2018), which takes
// them from groups of one example's channels.
//
// For each BatchNormalization of C channels, with G groups, and by operators that every accepted
// opset has:
//
//   x [N, C, ...] -> Reshape [N, G, -1] -> InstanceNormalization -> Reshape [N, C, -1]
//                 -> Mul scale [C, 1] -> Add bias [C, 1] -> Reshape to the shape of x
//
// Scale and bias stay the initializers that they were; the running statistics are dropped. The
// weights were trained for other statistics, so the model has to be trained again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "trusted/graph/model.h"

namespace anchorhold::client {

inline constexpr std::int64_t kGroupsDefault = 32;

struct RewrittenNode {
  std::string node;  // the node's name, or "#3" when it has none
  std::int64_t channels = 0;
  std::int64_t groups = 0;
};

struct FixedModel {
  Bytes onnx;                            // the input's bytes if there was nothing to rewrite
  std::vector<RewrittenNode> rewritten;  // in the file's order
  std::vector<std::string> dropped;      // initializers that nothing reads any longer
};

// The number of groups is the largest divisor of C that is at most `groups_max`. Where a group
// would be one number or two, of which nothing or an order alone is left (features without spatial
// axes), it is the largest that leaves kGroupSizeMin channels a group, or 1. Errors: those of
// graph::ReadOnnx; kUnsupported for a BatchNormalization whose scale is computed, or whose
// statistics are read; and, if the rewritten model is not accepted by graph::CheckOnnx, its
// refusal.
Result<FixedModel> FixBatchNormalization(ByteSpan onnx, std::int64_t groups_max,
                                         const graph::ImportOptions& options);

inline constexpr std::int64_t kGroupSizeMin = 8;

}  // namespace anchorhold::client
