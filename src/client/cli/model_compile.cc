// model compile: a model as a static library for C programs.
#include <algorithm>
#include <memory>

#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/compile/compile_model.h"
#include "client/core/files.h"
#include "client/core/number.h"
#include "shared/base/limits.h"
#include "trusted/train/step.h"

namespace anchorhold::client {
namespace {

using engine::Mode;

constexpr std::pair<const char*, Mode> kModes[] = {
    {"infer", Mode::kInference}, {"train", Mode::kTraining}, {"dp-train", Mode::kPrivateTraining}};

struct Options {
  std::string model;
  std::string mode;
  std::string emit;
  std::string output;
  std::string batch;
  std::string clipping;
  LossFlags loss;
  DimOptions dims;

  Result<CompileOptions> Read() const;
};

Result<CompileOptions> Options::Read() const {
  CompileOptions compile;
  const auto* const found = std::find_if(std::begin(kModes), std::end(kModes),
                                         [this](const auto& known) { return mode == known.first; });
  if (found == std::end(kModes)) return InvalidInput("--mode: must be infer, train or dp-train");
  compile.mode = found->second;
  if (emit != "static-lib") return InvalidInput("--emit: must be static-lib");
  if (compile.mode != Mode::kInference) {
    if (loss.loss.empty()) return InvalidInput("--loss: is needed for --mode " + mode);
    AH_ASSIGN_OR_RETURN(compile.loss, loss.Read());
  } else if (!loss.loss.empty()) {
    return InvalidInput("--loss: is not for --mode infer, which computes the model's output");
  }
  if (!clipping.empty()) {
    if (compile.mode != Mode::kPrivateTraining) {
      return InvalidInput("--clipping: is for --mode dp-train alone");
    }
    AH_ASSIGN_OR_RETURN(const train::Clipping kind, train::ParseClipping(clipping));
    compile.clipping = train::KindOf(kind);
  }
  if (!batch.empty()) {
    AH_ASSIGN_OR_RETURN(compile.batch, ParsePositiveCount("--batch", batch));
  }
  return compile;
}

Status Run(const App& app, const Options& options) {
  AH_ASSIGN_OR_RETURN(const CompileOptions compile, options.Read());
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  const Result<graph::Model> model = graph::ImportOnnx(onnx, import);
  if (!model.ok()) return model.error().At(options.model);
  const Result<CompiledModel> compiled = CompileModel(*model, compile);
  if (!compiled.ok()) return compiled.error().At(options.model);
  AH_RETURN_IF_ERROR(MakeFolder(options.output));
  const std::string library = JoinPath(options.output, "libmodel.a");
  const std::string header = JoinPath(options.output, "model.h");
  AH_RETURN_IF_ERROR(WriteWholeFile(library, compiled->library, IfExists::kReplace));
  AH_RETURN_IF_ERROR(WriteWholeFile(header, AsBytes(compiled->header), IfExists::kReplace));
  if (app.json()) {
    app.PrintJson({{"library", library},
                   {"header", header},
                   {"library_bytes", compiled->library.size()},
                   {"mode", options.mode},
                   {"group", compiled->plan.group},
                   {"parameters", model->parameter_count()}});
  }
  app.Print("wrote " + library + " (" + std::to_string(compiled->library.size()) + " bytes) and " +
            header + "\n");
  return Ok();
}

}  // namespace

void AddCompileCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<Options>();
  CLI::App* const compile = app.AddCommand(
      model, "compile",
      "Write a model as a static library and a C header: DIR/libmodel.a and DIR/model.h. The "
      "library needs memcpy, memset and memmove alone. For dp-train it clips and sums; noise and "
      "its account are the caller's.",
      "anchorhold model compile lenet.onnx --mode train --loss cross-entropy\n"
      "    --emit static-lib -o lenet",
      [&app, options] { return Run(app, *options); });
  Required(compile, "model", options->model, "FILE", "The model, ONNX.");
  Required(compile, "--mode", options->mode, "MODE",
           "infer, train (losses, gradients and updates) or dp-train (gradients clipped example by "
           "example).");
  Required(compile, "--emit", options->emit, "KIND", "What to write: static-lib.");
  Required(compile, "-o,--output", options->output, "DIR", "The folder, made if need be.");
  compile
      ->add_option("--batch", options->batch,
                   "Examples of a call, about: how many are worked on together follows from it. "
                   "Default: 64.")
      ->type_name("N");
  AddClippingOption(compile, options->clipping);
  options->loss.AddTo(compile);
  compile->get_option("--loss")->required(false);
  options->dims.AddTo(compile);
  app.AddJsonOption(compile);
}

}  // namespace anchorhold::client
