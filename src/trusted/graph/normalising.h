// What the normalisation operators share.
#pragma once

#include <vector>

#include "trusted/graph/node_context.h"
#include "trusted/kernels/normalise.h"

namespace anchorhold::graph {

// The attribute `epsilon`; kInvalidInput unless it is finite and not negative.
Result<float> Epsilon(NodeContext& node, float absent);

// `value` normalised over `axes`, ascending and not empty: kernels/normalise.h has the maths.
// kPrivacyRefused if the example axis is among them.
struct Normalisation {
  std::vector<int> axes;
  kernels::NormaliseMode mode = kernels::NormaliseMode::kMeanVariance;
  double epsilon = 0;
};
Result<ValueId> NormaliseOver(NodeContext& node, ValueId value, const Normalisation& over);

// The mean over `axes`, which stay with size 1.
Result<ValueId> MeanOver(NodeContext& node, ValueId value, const std::vector<int>& axes);

// The mean, and the mean of (value - mean)^2.
struct Moments {
  ValueId mean = kNoValue;
  ValueId variance = kNoValue;
};
Result<Moments> MomentsOver(NodeContext& node, ValueId value, const std::vector<int>& axes);

// 1 / sqrt(variance + epsilon)
Result<ValueId> InverseDeviation(NodeContext& node, ValueId variance, float epsilon);

// A scalar of the element type of `like`.
Result<ValueId> ScalarLike(NodeContext& node, ValueId like, float number);

// Input i, of `channels` numbers, with the channels at axis 1 of values of rank `rank`.
Result<ValueId> ChannelInput(NodeContext& node, std::size_t i, std::int64_t channels, int rank);

// The axes from `first` on.
std::vector<int> AxesFrom(int first, int rank);

// In operators_batch_normalisation.cc.
Status BatchNormalization(NodeContext& node);

}  // namespace anchorhold::graph
