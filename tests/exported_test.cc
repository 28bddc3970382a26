// Networks as exporters write them (PyTorch's two, and tf2onnx): each passes the check, gives the
// outputs of the framework that wrote it and, for each example by itself, its gradients.
// tools/export_models.py and tools/export_keras.py wrote the files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "shared/wire/safetensors.h"
#include "tests/independence.h"
#include "trusted/graph/graph.h"
#include "trusted/train/executor.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(ANCHORHOLD_SOURCE_DIR) / "tests" / "exported";
constexpr std::size_t kExamples = 2;
constexpr std::size_t kModelsMin = 20;

// Both sides compute in float32, in different orders; relative to the largest number.
constexpr double kOutputBound = 2e-5;
constexpr double kGradientBound = 2e-4;

Bytes Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return CopyBytes(AsBytes(text.str()));
}

std::vector<float> Floats(const wire::TensorView& view) {
  std::vector<float> values;
  if (view.type == wire::TensorType::kF32) {
    values.resize(view.data.size() / sizeof(float));
    std::memcpy(values.data(), view.data.data(), view.data.size());
    return values;
  }
  std::vector<std::int64_t> integers(view.data.size() / sizeof(std::int64_t));
  std::memcpy(integers.data(), view.data.data(), view.data.size());
  for (const std::int64_t i : integers) values.push_back(static_cast<float>(i));
  return values;
}

// Example b of an array that has one after another.
std::span<const float> Row(const std::vector<float>& values, std::size_t b) {
  const std::size_t width = values.size() / kExamples;
  return std::span(values).subspan(b * width, width);
}

void ExpectNear(std::span<const float> got, std::span<const float> expected, double bound,
                const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double largest = 1e-2;
  for (const float x : expected) largest = std::max(largest, std::abs(static_cast<double>(x)));
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], bound * largest) << what << ", number " << i;
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".onnx") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The numbers of each example's inputs, in the model's order.
std::vector<std::vector<float>> Rows(const graph::Model& model, const wire::Safetensors& file) {
  std::vector<std::vector<float>> rows(kExamples);
  for (const graph::Port& port : model.inputs()) {
    const wire::TensorView* view = file.Find("input:" + port.name);
    if (view == nullptr) return {};
    const std::vector<float> values = Floats(*view);
    for (std::size_t b = 0; b < kExamples; ++b) {
      const std::span<const float> row = Row(values, b);
      rows[b].insert(rows[b].end(), row.begin(), row.end());
    }
  }
  return rows;
}

// How many of the file's gradients were compared; every one of them must have its parameter.
std::size_t ExpectGradients(const graph::Model& model, const wire::Safetensors& file, std::size_t b,
                            const std::vector<float>& gradient) {
  const std::string prefix = "gradient:" + std::to_string(b) + ":";
  std::size_t compared = 0;
  std::size_t at = 0;
  for (const graph::Parameter& parameter : model.parameters()) {
    const std::span<const float> part = std::span(gradient).subspan(at, parameter.values.size());
    at += part.size();
    const wire::TensorView* view = file.Find(prefix + parameter.name);
    if (view == nullptr) continue;  // an exporter's constant
    ExpectNear(part, Floats(*view), kGradientBound, parameter.name);
    ++compared;
  }
  std::size_t given = 0;
  for (const wire::TensorView& view : file.tensors) given += view.name.rfind(prefix, 0) == 0;
  EXPECT_EQ(compared, given) << "a trained tensor of the framework's is no parameter of the model";
  return compared;
}

class Exported : public ::testing::TestWithParam<std::string> {};

TEST_P(Exported, IsAcceptedAndComputesWhatItsFrameworkComputes) {
  const Bytes onnx = Read(kFolder / (GetParam() + ".onnx"));
  const Bytes tensors = Read(kFolder / (GetParam() + ".safetensors"));
  const Result<wire::Safetensors> file = wire::ParseSafetensors(tensors);
  ASSERT_TRUE(file.ok()) << file.error().message();
  const Result<graph::Model> model = graph::ImportOnnx(onnx);
  ASSERT_TRUE(model.ok()) << model.error().message();
  Result<train::Executor> executor =
      train::Executor::ForTraining(*model, train::Loss::kMeanSquaredError);
  ASSERT_TRUE(executor.ok()) << executor.error().message();

  std::vector<float> parameters;
  for (const graph::Parameter& parameter : model->parameters()) {
    parameters.insert(parameters.end(), parameter.values.begin(), parameter.values.end());
  }
  const std::vector<std::vector<float>> rows = Rows(*model, *file);
  ASSERT_EQ(rows.size(), kExamples) << "an input of the model is not in the file";
  const std::vector<float> outputs = Floats(*file->Find("output"));
  const std::vector<float> targets = Floats(*file->Find("target"));
  for (std::size_t b = 0; b < kExamples; ++b) {
    std::vector<float> output(executor->output_width());
    executor->Infer(parameters, rows[b], output);
    ExpectNear(output, Row(outputs, b), kOutputBound, "output");

    train::ExampleSet set;
    set.rows = 1;
    set.feature_width = rows[b].size();
    set.features = rows[b];
    set.target_width = output.size();
    set.targets.assign(Row(targets, b).begin(), Row(targets, b).end());
    std::vector<float> gradient(executor->parameter_count());
    executor->LossAndGradient(parameters, set, 0, gradient);
    EXPECT_GT(ExpectGradients(*model, *file, b, gradient), 0u);
  }
  const Independence verdict = CheckIndependence(onnx, *model, rows);
  EXPECT_TRUE(verdict.holds) << verdict.what;
  EXPECT_TRUE(verdict.compared) << verdict.what;
}

std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Exported, ::testing::ValuesIn(Names()), TestName);

TEST(Exported, ThereAreEnough) { EXPECT_GE(Names().size(), kModelsMin); }

}  // namespace
}  // namespace anchorhold::testing
