// model show, fix, run and grad as a data scientist uses them: ONNX and NumPy files in; NumPy and
// safetensors files, tables and JSON out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "client/core/files.h"
#include "client/core/npy.h"
#include "client/core/test_folder.h"
#include "shared/wire/safetensors.h"
#include "tests/support/command.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {
namespace {

using client::Array;
using graph::ElementType;
using graph::testing::OnnxBuilder;

class ModelTools : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ / name; }
  void Write(const std::string& name, const Bytes& bytes) {
    ASSERT_TRUE(client::WriteWholeFile(Path(name), bytes, client::IfExists::kReplace).ok());
  }
  void WriteArray(const std::string& name, const Array& array) {
    Write(name, client::WriteNpy(array));
  }
  Array ReadArray(const std::string& name) {
    const auto array = client::ReadNpyFile(Path(name));
    EXPECT_TRUE(array.ok()) << array.error().message();
    return array.ok() ? *array : Array{};
  }
  Outcome Model(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ANCHORHOLD_BINARY_DIR "/bin/anchorhold", "model"});
    return RunCommand(arguments);
  }
  nlohmann::json ModelJson(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Outcome outcome = Model(std::move(arguments));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  // One line on standard error that holds `says`.
  void ExpectError(const std::vector<std::string>& arguments, int status, const std::string& says) {
    const Outcome outcome = Model(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
  }

  // y = x w, and an output with a name that is a path.
  void WriteLinear() {
    OnnxBuilder b({2});
    b.Weight("w", {2, 1}, {1, 1}).Node("MatMul", {"x", "w"}, {"y"});
    b.Node("Relu", {"y"}, {"../up"});
    Write("linear.onnx", b.Output("y").Output("../up").Write());
    WriteArray("x.npy", {ElementType::kFloat64, {2, 2}, {3, 4, 1, 0}, {}});
    WriteArray("target.npy", {ElementType::kFloat32, {2, 1}, {6, 3}, {}});
  }
  // A BatchNormalization over [N, 4, 3].
  void WriteNormalising() {
    OnnxBuilder b({4, 3});
    b.Weight("scale", {4}, {1, 2, 3, 4}).Weight("bias", {4}, {0, 0, 0, 1});
    b.Weight("mean", {4}, {0, 0, 0, 0}).Weight("variance", {4}, {1, 1, 1, 1});
    b.Node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"y"});
    Write("norm.onnx", b.Output("y").Write());
  }

  client::TestFolder folder_;
};

TEST_F(ModelTools, RunWritesAFileForEachOutput) {
  WriteLinear();
  const auto json = ModelJson(
      {"run", Path("linear.onnx"), "--input", "x=" + Path("x.npy"), "--output", Path("out/deep")});
  ASSERT_EQ(json["outputs"].size(), 2u);
  EXPECT_EQ(json["outputs"][0]["name"], "y");
  EXPECT_EQ(json["outputs"][0]["type"], "float32");
  EXPECT_EQ(json["outputs"][0]["shape"], (std::vector<int>{2, 1}));
  EXPECT_EQ(ReadArray("out/deep/y.npy"), (Array{ElementType::kFloat32, {2, 1}, {7, 1}, {}}));
  EXPECT_EQ(json["outputs"][1]["file"], Path("out/deep/%2E.%2Fup.npy"));
  EXPECT_EQ(ReadArray("out/deep/%2E.%2Fup.npy").reals, (std::vector<double>{7, 1}));
  EXPECT_FALSE(client::PathExists(Path("out/up.npy")));
  // Again, as float64, with the other name of the option.
  const Outcome again = Model({"run", Path("linear.onnx"), "--input", "x=" + Path("x.npy"), "--out",
                               Path("out/deep"), "--float64"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(ReadArray("out/deep/y.npy").element, ElementType::kFloat64);
}

TEST_F(ModelTools, RunSaysWhatIsWrongWithTheInputs) {
  WriteLinear();
  WriteArray("integers.npy", {ElementType::kInt64, {1, 2}, {}, {1, 2}});
  const std::string model = Path("linear.onnx");
  const std::string out = Path("out");
  ExpectError({"run", model, "--output", out}, 2, "no file is given for the model's input 'x'");
  ExpectError({"run", model, "--input", "z=" + Path("x.npy"), "--output", out}, 2,
              "no input 'z' to be given; its input is 'x'");
  ExpectError({"run", model, "--input", "x=" + Path("integers.npy"), "--output", out}, 2,
              "astype('float32')");
  ExpectError({"run", model, "--input", "x=" + Path("target.npy"), "--output", out}, 2,
              "axis 1 of the file's array has size 1");
  ExpectError({"run", model, "--input", "x", "--output", out}, 2, "--input: must be a name");
  ExpectError({"run", model, "--input", "x=" + model, "--output", out}, 2, "not a .npy file");
  ExpectError({"run", model, "--input", "x=/nowhere.npy", "--output", out}, 2, "/nowhere.npy");
  EXPECT_FALSE(client::PathExists(out));
}

TEST_F(ModelTools, GradSumsClippedGradients) {
  WriteLinear();
  const std::vector<std::string> base = {
      "grad",     Path("linear.onnx"),      "--input", "x=" + Path("x.npy"),
      "--target", Path("target.npy"),       "--loss",  "mse",
      "--out",    Path("grads.safetensors")};
  // The examples' gradients are (6, 8) and (-4, 0).
  auto json = ModelJson(base);
  EXPECT_EQ(json["rows"], 2);
  EXPECT_EQ(json["mean_loss"], 2.5);
  EXPECT_EQ(json["norms"]["max"], 10);
  EXPECT_EQ(json["norms"]["median"], 7);
  EXPECT_TRUE(json["clipped"].is_null());
  std::vector<std::string> clipped = base;
  clipped.insert(clipped.end(), {"--max-grad-norm", "5"});
  json = ModelJson(clipped);
  EXPECT_EQ(json["clipped"], 1);
  const auto bytes = client::ReadWholeFile(Path("grads.safetensors"), 1 << 20);
  ASSERT_TRUE(bytes.ok());
  const auto file = wire::ParseSafetensors(*bytes);
  ASSERT_TRUE(file.ok());
  ASSERT_NE(file->Find("w"), nullptr);
  float sum[2];
  std::memcpy(sum, file->Find("w")->data.data(), sizeof sum);
  EXPECT_FLOAT_EQ(sum[0], -1);
  EXPECT_FLOAT_EQ(sum[1], 4);
  ASSERT_NE(file->Find("per_example_norms"), nullptr);
  EXPECT_EQ(file->Find("per_example_norms")->shape, (std::vector<std::int64_t>{2}));
  std::vector<std::string> automatic = clipped;
  automatic.insert(automatic.end(), {"--clipping", "automatic", "--threads", "3"});
  json = ModelJson(automatic);
  EXPECT_EQ(json["clipping"], "automatic");
  EXPECT_TRUE(json["clipped"].is_null());
  automatic[automatic.size() - 3] = "layers";
  ExpectError(automatic, 2, "--clipping");
  std::vector<std::string> no_norm = base;
  no_norm.insert(no_norm.end(), {"--clipping", "flat"});
  ExpectError(no_norm, 2, "--max-grad-norm");
  clipped.back() = "0";
  ExpectError(clipped, 2, "--max-grad-norm");
}

TEST_F(ModelTools, GradLeavesFrozenParametersOut) {
  OnnxBuilder b({2});
  b.Weight("body.w", {2, 1}, {1, 1}).Weight("head.b", {1}, {0});
  b.Node("MatMul", {"x", "body.w"}, {"z"}).Node("Add", {"z", "head.b"}, {"y"});
  WriteLinear();
  Write("two.onnx", b.Output("y").Write());
  std::vector<std::string> arguments = {
      "grad",     Path("two.onnx"),          "--input",  "x=" + Path("x.npy"),
      "--target", Path("target.npy"),        "--loss",   "mse",
      "--output", Path("grads.safetensors"), "--freeze", "body.*"};
  // The bias alone: gradients 2 and -4.
  const auto json = ModelJson(arguments);
  EXPECT_EQ(json["parameters"], 1);
  EXPECT_EQ(json["norms"]["max"], 4);
  const auto bytes = client::ReadWholeFile(Path("grads.safetensors"), 1 << 20);
  ASSERT_TRUE(bytes.ok());
  const auto file = wire::ParseSafetensors(*bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->Find("body.w"), nullptr);
  EXPECT_NE(file->Find("head.b"), nullptr);
  arguments.back() = "tail.*";
  ExpectError(arguments, 2, "--freeze");
}

TEST_F(ModelTools, GradTakesOtherWeights) {
  WriteLinear();
  const float values[] = {2, 0};
  wire::Safetensors weights;
  weights.tensors.push_back(
      {"w", wire::TensorType::kF32, {2, 1}, std::as_bytes(std::span(values))});
  Write("w.safetensors", wire::WriteSafetensors(weights));
  // z = 6, 2: residuals 0 and -1.
  const auto json = ModelJson({"grad", Path("linear.onnx"), "--input", "x=" + Path("x.npy"),
                               "--target", Path("target.npy"), "--loss", "mse", "--weights",
                               Path("w.safetensors"), "--out", Path("g.safetensors")});
  EXPECT_EQ(json["mean_loss"], 0.5);
  EXPECT_EQ(json["norms"]["min"], 0);
  EXPECT_EQ(json["norms"]["max"], 2);
}

TEST_F(ModelTools, GradRefusesAModelThatMixesExamples) {
  OnnxBuilder b({2});
  b.Weight("w", {2}, {1, 1}).Integers("axis", {0});
  b.Node("Mul", {"x", "w"}, {"m"}).Node("CumSum", {"m", "axis"}, {"y"});
  Write("mixing.onnx", b.Output("y").Write());
  WriteLinear();
  ExpectError({"grad", Path("mixing.onnx"), "--input", "x=" + Path("x.npy"), "--target",
               Path("x.npy"), "--loss", "mse", "--out", Path("g.safetensors")},
              3, "CumSum");
  EXPECT_FALSE(client::PathExists(Path("g.safetensors")));
}

TEST_F(ModelTools, FixMakesAModelThatCheckAccepts) {
  WriteNormalising();
  const auto json =
      ModelJson({"fix", Path("norm.onnx"), "--output", Path("fixed.onnx"), "--groups", "2"});
  EXPECT_EQ(json["changed"], true);
  ASSERT_EQ(json["rewritten"].size(), 1u);
  EXPECT_EQ(json["rewritten"][0]["groups"], 2);
  EXPECT_EQ(json["dropped"], (std::vector<std::string>{"mean", "variance"}));
  EXPECT_EQ(ModelJson({"check", Path("fixed.onnx")})["accepted"], true);
  EXPECT_EQ(ModelJson({"show", Path("fixed.onnx")})["operators"].count("BatchNormalization"), 0u);
  const Outcome again = Model({"fix", Path("fixed.onnx"), "-o", Path("again.onnx")});
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.out.find("unchanged"), std::string::npos) << again.out;
  EXPECT_EQ(ReadText(Path("again.onnx")), ReadText(Path("fixed.onnx")));
  const Outcome warned = Model({"fix", Path("norm.onnx"), "--out", Path("fixed.onnx")});
  EXPECT_NE(warned.out.find("warning: weights that were trained"), std::string::npos) << warned.out;
  const std::string before = ReadText(Path("norm.onnx"));
  ExpectError({"fix", Path("norm.onnx"), "--output", Path("norm.onnx")}, 2, "another file");
  ExpectError({"fix", Path("norm.onnx"), "--output", Path("n"), "--groups", "0"}, 2, "--groups");
  EXPECT_EQ(ReadText(Path("norm.onnx")), before);
}

TEST_F(ModelTools, CheckSaysWhatItFoundOfARefusedModelToo) {
  OnnxBuilder b({4});
  b.Node("Relu", {"x"}, {"r"}).Node("Softmax", {"r"}, {"s"}, {graph::testing::Int("axis", 0)});
  Write("mixes.onnx", b.Node("Exp", {"s"}, {"y"}).Output("y").Write());
  const Outcome outcome = Model({"check", Path("mixes.onnx"), "--json"});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
  const auto json = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(json["accepted"], false);
  EXPECT_EQ(json["error"]["code"], "privacy-refused");
  EXPECT_NE(outcome.err.find(json["error"]["message"].get<std::string>()), std::string::npos);
  ASSERT_EQ(json["nodes"].size(), 2u);  // up to the refused one
  EXPECT_EQ(json["nodes"][0]["verdict"], "per example");
  EXPECT_EQ(json["nodes"][0]["accepted"], true);
  EXPECT_EQ(json["nodes"][1]["op"], "Softmax");
  EXPECT_EQ(json["nodes"][1]["accepted"], false);
  // A model that could not be read has no nodes, and a file that is not there is no model.
  Write("text.onnx", CopyBytes(AsBytes("no model")));
  const auto text = nlohmann::json::parse(Model({"check", Path("text.onnx"), "--json"}).out);
  EXPECT_EQ(text["accepted"], false);
  EXPECT_TRUE(text["nodes"].empty());
  const auto none = nlohmann::json::parse(Model({"check", Path("none.onnx"), "--json"}).out);
  EXPECT_EQ(none.size(), 1u) << none;
}

TEST_F(ModelTools, ShowListsParametersAndOperators) {
  WriteNormalising();
  const auto json = ModelJson({"show", Path("norm.onnx")});
  EXPECT_EQ(json["opset"], 17);
  EXPECT_EQ(json["parameter_count"], 16);
  EXPECT_EQ(json["inputs"][0]["shape"], (nlohmann::json{"N", 4, 3}));
  EXPECT_EQ(json["operators"]["BatchNormalization"], 1);
  EXPECT_EQ(json["parameters"][0]["name"], "scale");
  const Outcome text = Model({"show", Path("norm.onnx")});
  EXPECT_NE(text.out.find("x  float32 [N, 4, 3]"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("variance"), std::string::npos) << text.out;
  ExpectError({"show", Path("none.onnx")}, 2, "none.onnx");
}

TEST_F(ModelTools, DimNamesTheSizeOfAnOpenAxis) {
  OnnxBuilder b({2, 3});
  b.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("words");
  b.Weight("w", {3}, {1, 1, 1}).Node("Mul", {"x", "w"}, {"y"});
  Write("open.onnx", b.Output("y").Write());
  ExpectError({"check", Path("open.onnx")}, 2, "--dim");
  EXPECT_EQ(ModelJson({"check", Path("open.onnx"), "--dim", "words=5"})["accepted"], true);
  ExpectError({"check", Path("open.onnx"), "--dim", "words=none"}, 2, "--dim words");
  ExpectError({"check", Path("open.onnx"), "--dim", "words"}, 2, "--dim");
}

}  // namespace
}  // namespace anchorhold::testing
