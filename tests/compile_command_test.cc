// `anchorhold model compile` as a command: what it refuses and how it says so, that the same model
// gives the same bytes, and that a library refuses calls that do not fit it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "client/core/files.h"
#include "client/core/test_folder.h"
#include "shared/base/limits.h"
#include "tests/compiled_model_support.h"
#include "trusted/graph/onnx_builder_for_test.h"

namespace anchorhold::testing {
namespace {

namespace fs = std::filesystem;
using graph::testing::OnnxBuilder;

class CompileCommand : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, ByteSpan bytes) {
    EXPECT_TRUE(client::WriteWholeFile(folder_ / name, bytes, client::IfExists::kReplace).ok());
    return folder_ / name;
  }

  // Refused in one line that has all of `words`, with nothing written.
  void ExpectRefusal(const Outcome& outcome, int status, const std::vector<std::string>& words) {
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    for (const std::string& word : words) {
      EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " not in " << outcome.err;
    }
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }

  Outcome Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {ANCHORHOLD_BINARY_DIR "/bin/anchorhold", "model",
                                        "compile"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunCommand(command);
  }

  // A C program of the given statements, in which `m` is an open workspace; its exit status.
  int RunStatements(const std::string& statements);

  client::TestFolder folder_;
};

constexpr int kBadUsage = 2;
constexpr int kTooMuch = 2;

TEST_F(CompileCommand, SaysWhichOptionIsMissingOrWrong) {
  const std::string model = Exported("mlp-ts17");
  const std::string out = folder_ / "out";
  ExpectRefusal(Run({model, "--mode", "infer", "--emit", "static-lib"}), kBadUsage, {"--output"});
  ExpectRefusal(Run({model, "--emit", "static-lib", "-o", out}), kBadUsage, {"--mode"});
  ExpectRefusal(Run({model, "--mode", "infer", "-o", out}), kBadUsage, {"--emit"});
  ExpectRefusal(CompileModel(model, out, {"--mode", "fit"}), kBadUsage,
                {"--mode", "infer, train or dp-train"});
  ExpectRefusal(Run({model, "--mode", "infer", "--emit", "source", "-o", out}), kBadUsage,
                {"--emit", "static-lib"});
  ExpectRefusal(CompileModel(model, out, {"--mode", "train"}), kBadUsage, {"--loss"});
  ExpectRefusal(CompileModel(model, out, {"--mode", "infer", "--loss", "mse"}), kBadUsage,
                {"--loss", "infer"});
  ExpectRefusal(
      CompileModel(model, out, {"--mode", "train", "--loss", "mse", "--clipping", "flat"}),
      kBadUsage, {"--clipping", "dp-train"});
  ExpectRefusal(
      CompileModel(model, out, {"--mode", "dp-train", "--loss", "mse", "--clipping", "none"}),
      kBadUsage, {"none", "automatic"});
  ExpectRefusal(CompileModel(model, out, {"--mode", "infer", "--batch", "0"}), kBadUsage,
                {"--batch"});
}

TEST_F(CompileCommand, RefusesWhatIsNoModel) {
  ExpectRefusal(CompileModel(folder_ / "absent.onnx", folder_ / "out", {"--mode", "infer"}),
                kBadUsage, {"absent.onnx"});
  const std::string noise = Write("noise.onnx", AsBytes("this is not a model"));
  ExpectRefusal(CompileModel(noise, folder_ / "out", {"--mode", "infer"}), kBadUsage,
                {"noise.onnx"});
}

TEST_F(CompileCommand, RefusesTooLargeModels) {
  const std::string path = folder_ / "large.onnx";
  WriteText(path, "");
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(limits::kModelBytesMax + 1)), 0);
  ExpectRefusal(CompileModel(path, folder_ / "out", {"--mode", "infer"}), kBadUsage,
                {"large.onnx", std::to_string(limits::kModelBytesMax)});
  // Small in its file, with values of more than 2 GiB for one example.
  OnnxBuilder b({1 << 14, 1});
  b.Weight("s", {1, 1 << 15}, std::vector<float>(1 << 15, 2)).Node("MatMul", {"x", "s"}, {"h"});
  b.Node("Softmax", {"h"}, {"y"});
  const std::string wide = Write("wide.onnx", b.Output("y").Write());
  ExpectRefusal(CompileModel(wide, folder_ / "out", {"--mode", "infer"}), kTooMuch,
                {"wide.onnx", "MiB"});
}

TEST_F(CompileCommand, SaysWhereItCannotWrite) {
  WriteText(folder_ / "file", "in the way");
  const Outcome outcome =
      CompileModel(Exported("mlp-ts17"), folder_ / "file/out", {"--mode", "infer"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.err.find("file/out"), std::string::npos) << outcome.err;
  // Root may write anywhere but here.
  const Outcome process = CompileModel(Exported("mlp-ts17"), "/proc/out", {"--mode", "infer"});
  EXPECT_NE(process.status, 0);
  EXPECT_NE(process.err.find("/proc/out"), std::string::npos) << process.err;
}

TEST_F(CompileCommand, RefusesByNameWhatOnlyReferenceKernelsRun) {
  OnnxBuilder b({6});
  b.Weight("w", {6, 2}, std::vector<float>(12, 0.5F)).Node("MatMul", {"x", "w"}, {"h"});
  b.Node("Sin", {"h"}, {"y"});
  const std::string sine = Write("sine.onnx", b.Output("y").Write());
  ExpectRefusal(CompileModel(sine, folder_ / "out", {"--mode", "infer"}), kBadUsage,
                {"reference kernels", "Sin"});
}

// A running sum has no fast kernel.
TEST_F(CompileCommand, RefusesWhatOnlyTheReferenceKernelsRun) {
  OnnxBuilder b({6});
  b.Weight("w", {6, 3}, std::vector<float>(18, 0.5F)).Node("MatMul", {"x", "w"}, {"h"});
  b.Integers("axis", {1}, true).Node("CumSum", {"h", "axis"}, {"y"});
  const std::string model = Write("sums.onnx", b.Output("y").Write());
  ExpectRefusal(CompileModel(model, folder_ / "out", {"--mode", "infer"}), kBadUsage, {"CumSum"});
}

TEST_F(CompileCommand, RefusesToTrainWithoutParameters) {
  OnnxBuilder b({6});
  const std::string model = Write("plain.onnx", b.Node("Tanh", {"x"}, {"y"}).Output("y").Write());
  for (const char* mode : {"train", "dp-train"}) {
    ExpectRefusal(CompileModel(model, folder_ / "out", {"--mode", mode, "--loss", "mse"}),
                  kBadUsage, {"no trainable parameter"});
  }
}

TEST_F(CompileCommand, TellsWhatItWrote) {
  const Outcome text = CompileModel(Exported("mlp-ts17"), folder_ / "a/b", {"--mode", "infer"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("a/b/libmodel.a"), std::string::npos) << text.out;
  EXPECT_TRUE(fs::exists(folder_ / "a/b/model.h"));
  const Outcome json =
      CompileModel(Exported("mlp-ts17"), folder_ / "a/b", {"--mode", "infer", "--json"});
  EXPECT_EQ(json.status, 0) << json.err;
  EXPECT_NE(json.out.find("\"library_bytes\""), std::string::npos) << json.out;
}

// Also where memory holds other things from run to run.
TEST_F(CompileCommand, TheSameModelGivesTheSameBytes) {
  for (const char* name : {"mlp-ts17", "resnet-gn-ts17", "mean-of-words-ex18"}) {
    for (const char* mode : {"train", "dp-train"}) {
      std::string libraries[2];
      std::string headers[2];
      for (const int k : {0, 1}) {
        const Outcome outcome =
            CompileModel(Exported(name), folder_.path(), {"--mode", mode, "--loss", "mse"},
                         {{"MALLOC_PERTURB_", k == 0 ? "85" : "170"}});
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        libraries[k] = ReadText(folder_ / "libmodel.a");
        headers[k] = ReadText(folder_ / "model.h");
      }
      EXPECT_TRUE(libraries[0] == libraries[1]) << name << ", " << mode;
      EXPECT_TRUE(headers[0] == headers[1]) << name << ", " << mode;
    }
  }
}

int CompileCommand::RunStatements(const std::string& statements) {
  WriteText(folder_ / "calls.c",
            "#include <stdlib.h>\n"
            "#include \"model.h\"\n"
            "int main(void) {\n"
            "  static float w[MODEL_PARAMETERS], g[MODEL_PARAMETERS], x[2 * MODEL_INPUTS];\n"
            "  static int64_t s[MODEL_PARAMETERS];\n"
            "  model_label label[2 * MODEL_LABELS] = {0};\n"
            "  void *m = malloc(model_workspace_bytes());\n"
            "  if (m == 0 || model_open(m) != MODEL_OK) return 99;\n"
            "  model_init_parameters(w);\n"
            "  (void)s;\n"
            "  (void)g;\n" +
                statements +
                "  free(m);\n"
                "  return 0;\n"
                "}\n");
  const Outcome built = BuildCProgram(folder_ / "calls.c", folder_.path(), folder_ / "calls");
  EXPECT_EQ(built.status, 0) << built.err;
  return RunCommand({folder_ / "calls"}).status;
}

TEST_F(CompileCommand, ALibraryRefusesLabelsAndInstructionsThatDoNotFit) {
  const Outcome compiled = CompileModel(Exported("lenet-ts13"), folder_.path(),
                                        {"--mode", "train", "--loss", "cross-entropy"});
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  EXPECT_EQ(RunStatements("  g[0] = 7;\n"
                          "  label[0] = MODEL_RESULTS;\n"
                          "  if (model_loss_and_gradient_sum(m, w, 1, x, label, 0, g) != "
                          "MODEL_BAD_LABEL) return 1;\n"
                          "  label[0] = -1;\n"
                          "  if (model_loss_and_gradient_sum(m, w, 1, x, label, 0, g) != "
                          "MODEL_BAD_LABEL) return 2;\n"
                          "  if (g[0] != 7) return 3;\n"
                          "  label[0] = 0;\n"
                          "  if (model_loss_and_gradient_sum(m, w, 1, x, label, 0, g) != "
                          "MODEL_OK) return 4;\n"
                          "  if (g[0] == 7) return 5;\n"
                          "  if (model_loss_and_gradient_sum(m, w, 0, x, label, 0, g) != "
                          "MODEL_OK) return 6;\n"
                          "  if (g[0] != 0) return 7;\n"
                          "  if (model_open_with(m, 0) != MODEL_NO_KERNELS) return 8;\n"
                          "  if (model_open_with(m, 257) != MODEL_NO_KERNELS) return 9;\n"),
            0);
}

TEST_F(CompileCommand, APrivateLibraryRefusesNoiseAndNormsThatDoNotFit) {
  const Outcome compiled =
      CompileModel(Exported("mlp-ts17"), folder_.path(), {"--mode", "dp-train", "--loss", "mse"});
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  const std::string call = "model_clipped_gradient_sum(m, w, 2, x, label, ";
  const std::string rest = ", 0, 0, s) != ";
  std::string statements = "  s[0] = 7;\n";
  int code = 0;
  for (const char* bad : {"0.0, 1.0", "-1.0, 1.0", "1.0, 0.0", "1.0, 0.015", "1.0, 1048577.0",
                          "0.0 / 0.0, 1.0", "1.0, 0.0 / 0.0", "1e13, 1.0"}) {
    statements += "  if (" + call + bad + rest + "MODEL_BAD_ARGUMENT) return " +
                  std::to_string(++code) + ";\n";
  }
  statements += "  if (s[0] != 7) return 20;\n";
  statements += "  if (" + call + "1.0, 1.0" + rest + "MODEL_OK) return 21;\n";
  statements += "  if (s[0] == 7) return 22;\n";
  statements +=
      "  if (model_release(s, 1.0, 1.0, 0.0, g) != MODEL_BAD_ARGUMENT) return 23;\n"
      "  if (model_release(s, 1.0, 2e6, 1.0, g) != MODEL_BAD_ARGUMENT) return 24;\n"
      "  if (model_release(s, 1.0, 1.0, 2.0, g) != MODEL_OK) return 25;\n"
      "  if (model_clipped_gradient_sum(m, w, 0, x, label, 1.0, 1.0, 0, 0, s) != MODEL_OK) "
      "return 26;\n"
      "  if (s[0] != 0) return 27;\n";
  EXPECT_EQ(RunStatements(statements), 0);
  // So much noise on so many parameters that rounding to whole numbers would take too much.
  const Outcome larger = CompileModel(Exported("lenet-ts13"), folder_.path(),
                                      {"--mode", "dp-train", "--loss", "cross-entropy"});
  ASSERT_EQ(larger.status, 0) << larger.err;
  EXPECT_EQ(
      RunStatements("  if (" + call + "1.0, 1048576.0" + rest + "MODEL_BAD_ARGUMENT) return 1;\n"),
      0);
}

TEST_F(CompileCommand, ALibraryHasNoOtherModesFunctions) {
  const Outcome compiled = CompileModel(Exported("mlp-ts17"), folder_.path(), {"--mode", "infer"});
  ASSERT_EQ(compiled.status, 0) << compiled.err;
  const std::string header = ReadText(folder_ / "model.h");
  EXPECT_EQ(header.find("gradient"), std::string::npos);
  EXPECT_NE(header.find("MODEL_INFER"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::testing
