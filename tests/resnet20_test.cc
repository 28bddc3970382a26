// A trained network on real images: ResNet-20 (He et al. 2016) with published weights classifies
// the first 2,000 test images of CIFAR-10 at the accuracy that was measured with another runtime,
// and gives that runtime's logits. Needs the folder of shared data beside the source tree.
//
// All images take about a minute of processor time in an optimised build. In others, and under
// sanitizers, the first kImagesInSlowBuilds are run, unless ANCHORHOLD_ALL_IMAGES is set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "client/core/files.h"
#include "shared/wire/safetensors.h"
#include "tests/support/command.h"
#include "trusted/graph/onnx_builder_for_test.h"
#include "trusted/train/executor.h"

namespace anchorhold::testing {
namespace {

using graph::testing::Int;
using graph::testing::Ints;
using graph::testing::OnnxBuilder;

constexpr const char* kWeights =
    ANCHORHOLD_SOURCE_DIR "/../shared/data/resnet20-cifar10/resnet20.safetensors";
constexpr const char* kLogits =
    ANCHORHOLD_SOURCE_DIR "/../shared/data/resnet20-cifar10/logits_16.csv";
constexpr const char* kImages =
    ANCHORHOLD_SOURCE_DIR "/../shared/data/cifar10-subset/test_first2000.bin";

constexpr std::size_t kPixels = 3 * 32 * 32;
constexpr std::size_t kClasses = 10;
constexpr std::size_t kCorrect = 1833;  // of 2,000: 91.65 %
constexpr std::size_t kImagesInSlowBuilds = 100;
constexpr std::size_t kCorrectInSlowBuilds = 94;  // by the same computation in NumPy
#if defined(__OPTIMIZE__) && !defined(ANCHORHOLD_SANITIZED)
constexpr bool kSlowBuild = false;
#else
constexpr bool kSlowBuild = true;
#endif
constexpr unsigned kThreads = 2;

// The network as an ONNX model for a batch of any size.
class ResNet20 {
 public:
  explicit ResNet20(const wire::Safetensors& weights) : weights_(weights), b_({3, 32, 32}, 13) {
    std::string x = ConvBatchNormRelu("x", "conv1", "bn1", 1);
    int channels = 16;
    for (int stage = 1; stage <= 3; ++stage) {
      for (int block = 0; block < 3; ++block) {
        const bool widens = stage > 1 && block == 0;
        const std::string prefix =
            "layer" + std::to_string(stage) + "." + std::to_string(block) + ".";
        x = Block(x, prefix, widens, channels);
        if (widens) channels *= 2;
      }
    }
    b_.Node("GlobalAveragePool", {x}, {"pooled"}).Node("Flatten", {"pooled"}, {"features"});
    b_.Node("Gemm", {"features", Weight("linear.weight"), Weight("linear.bias")}, {"logits"},
            {Int("transB", 1)});
    onnx_ = b_.Output("logits").Write();
  }
  const Bytes& onnx() const { return onnx_; }

 private:
  std::string Weight(const std::string& name) {
    const wire::TensorView* tensor = weights_.Find(name);
    EXPECT_NE(tensor, nullptr) << name;
    std::vector<float> values(tensor->data.size() / sizeof(float));
    std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
    b_.Weight(name, tensor->shape, values);
    return name;
  }
  std::string ConvBatchNorm(const std::string& x, const std::string& conv, const std::string& norm,
                            int stride) {
    b_.Node("Conv", {x, Weight(conv + ".weight")}, {conv},
            {Ints("kernel_shape", {3, 3}), Ints("pads", {1, 1, 1, 1}),
             Ints("strides", {stride, stride})});
    b_.Node("BatchNormalization",
            {conv, Weight(norm + ".weight"), Weight(norm + ".bias"), Weight(norm + ".running_mean"),
             Weight(norm + ".running_var")},
            {norm});
    return norm;
  }
  std::string ConvBatchNormRelu(const std::string& x, const std::string& conv,
                                const std::string& norm, int stride) {
    ConvBatchNorm(x, conv, norm, stride);
    b_.Node("Relu", {norm}, {norm + ".relu"});
    return norm + ".relu";
  }
  // The shortcut of a block that widens ("option A"): every second pixel, and channels of zeros.
  std::string Shortcut(const std::string& x, const std::string& prefix, int channels) {
    const std::int64_t zeros = channels / 2;
    b_.Integers(prefix + "starts", {0, 0}).Integers(prefix + "ends", {32, 32});
    b_.Integers(prefix + "axes", {2, 3}).Integers(prefix + "steps", {2, 2});
    b_.Node("Slice", {x, prefix + "starts", prefix + "ends", prefix + "axes", prefix + "steps"},
            {prefix + "sliced"});
    b_.Integers(prefix + "pads", {0, zeros, 0, 0, 0, zeros, 0, 0});
    b_.Node("Pad", {prefix + "sliced", prefix + "pads"}, {prefix + "shortcut"});
    return prefix + "shortcut";
  }
  std::string Block(const std::string& x, const std::string& prefix, bool widens, int channels) {
    const std::string inner =
        ConvBatchNormRelu(x, prefix + "conv1", prefix + "bn1", widens ? 2 : 1);
    const std::string outer = ConvBatchNorm(inner, prefix + "conv2", prefix + "bn2", 1);
    const std::string shortcut = widens ? Shortcut(x, prefix, channels) : x;
    b_.Node("Add", {outer, shortcut}, {prefix + "sum"});
    b_.Node("Relu", {prefix + "sum"}, {prefix + "out"});
    return prefix + "out";
  }

  const wire::Safetensors& weights_;
  OnnxBuilder b_;
  Bytes onnx_;
};

struct Image {
  std::size_t label = 0;
  std::vector<float> pixels;
};

// Records of a label and the planes red, green, blue; normalised as in training.
std::vector<Image> ReadImages(const std::string& file, std::size_t count) {
  constexpr float kMean[] = {0.485F, 0.456F, 0.406F};
  constexpr float kDeviation[] = {0.229F, 0.224F, 0.225F};
  std::vector<Image> images;
  for (std::size_t i = 0; i < count; ++i) {
    const char* record = file.data() + i * (kPixels + 1);
    Image image{static_cast<unsigned char>(record[0]), {}};
    for (std::size_t p = 0; p < kPixels; ++p) {
      const std::size_t channel = p / (32 * 32);
      const float value = static_cast<float>(static_cast<unsigned char>(record[p + 1])) / 255;
      image.pixels.push_back((value - kMean[channel]) / kDeviation[channel]);
    }
    images.push_back(std::move(image));
  }
  return images;
}

// The known logits of the first images, a row each.
std::vector<std::vector<float>> ReadLogits() {
  std::ifstream in(kLogits);
  std::vector<std::vector<float>> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    std::vector<float> row;
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(std::stof(cell));
    rows.emplace_back(row.begin() + 2, row.end());  // after the index and the label
  }
  return rows;
}

// The logits of every image, worked out by several threads.
std::vector<std::vector<float>> Classify(const graph::Model& model,
                                         const std::vector<Image>& images) {
  auto executor = train::Executor::ForInference(model);
  EXPECT_TRUE(executor.ok()) << executor.error().message();
  std::vector<float> parameters;
  for (const auto& parameter : model.parameters()) {
    parameters.insert(parameters.end(), parameter.values.begin(), parameter.values.end());
  }
  std::vector<std::vector<float>> logits(images.size(), std::vector<float>(kClasses));
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t, mine = executor->Clone()]() mutable {
      for (std::size_t i = t; i < images.size(); i += kThreads) {
        mine.Infer(parameters, images[i].pixels, logits[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return logits;
}

TEST(ResNet20, ClassifiesRealImagesAsPublished) {
  for (const char* path : {kWeights, kLogits, kImages}) {
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  }
  const auto file = client::ReadWholeFile(kWeights, 1 << 24);
  ASSERT_TRUE(file.ok());
  const auto weights = wire::ParseSafetensors(*file);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  const auto model = graph::ImportOnnx(ResNet20(*weights).onnx());
  ASSERT_TRUE(model.ok()) << model.error().message();

  const std::string bytes = ReadText(kImages);
  const std::size_t there = bytes.size() / (kPixels + 1);
  const bool all = !kSlowBuild || std::getenv("ANCHORHOLD_ALL_IMAGES") != nullptr;
  ASSERT_EQ(there, 2000u);
  const std::vector<Image> images = ReadImages(bytes, all ? there : kImagesInSlowBuilds);
  const auto logits = Classify(*model, images);

  std::size_t correct = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto best = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
    correct += static_cast<std::size_t>(best) == images[i].label ? 1 : 0;
  }
  EXPECT_EQ(correct, all ? kCorrect : kCorrectInSlowBuilds);
  const auto known = ReadLogits();
  ASSERT_EQ(known.size(), 16u);
  for (std::size_t i = 0; i < known.size(); ++i) {
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_NEAR(logits[i][c], known[i][c], 1e-4 + 1e-4 * std::abs(known[i][c])) << i << " " << c;
    }
  }
}

}  // namespace
}  // namespace anchorhold::testing
