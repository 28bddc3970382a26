// model run and model grad: a model on arrays of one's own, on this machine.
#include <algorithm>
#include <memory>
#include <numeric>

#include "client/cli/loss_flags.h"
#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/core/files.h"
#include "client/core/messages.h"
#include "client/core/model_file.h"
#include "client/core/model_gradients.h"
#include "client/core/model_run.h"
#include "client/core/number.h"
#include "shared/base/limits.h"
#include "trusted/graph/freeze.h"
#include "trusted/graph/value_type.h"

namespace anchorhold::client {
namespace {

struct RunCommandOptions {
  std::string model;
  std::vector<std::string> inputs;
  std::string weights;
  std::string output;
  bool float64 = false;
};

struct GradOptions {
  std::string model;
  std::vector<std::string> inputs;
  std::string target;
  std::string weights;
  LossFlags loss;
  std::string max_grad_norm;
  std::string clipping;
  std::vector<std::string> freeze;
  std::string out;
  DimOptions dims;
  ThreadsOption threads;
};

Result<NamedArrays> ReadInputs(const std::vector<std::string>& options) {
  NamedArrays inputs;
  for (const std::string& option : options) {
    AH_ASSIGN_OR_RETURN(const auto named, ParseNamed("--input", option));
    AH_ASSIGN_OR_RETURN(Array array, ReadNpyFile(named.second));
    if (!inputs.emplace(named.first, std::move(array)).second) {
      return InvalidInput("--input " + named.first + ": is given twice");
    }
  }
  return inputs;
}

Result<Bytes> ReadWeights(const std::string& path) {
  if (path.empty()) return Bytes{};
  return ReadWholeFile(path, limits::kObjectBytesMax);
}

// The outputs' files; no two outputs have the same one.
Result<std::vector<std::string>> FileNames(const std::vector<NamedArray>& outputs) {
  std::vector<std::string> names;
  for (const NamedArray& output : outputs) {
    AH_ASSIGN_OR_RETURN(std::string name, OutputFileName(output.name));
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return InvalidInput("the model names one output twice");
    }
    names.push_back(std::move(name));
  }
  return names;
}

Status RunRun(const App& app, const RunCommandOptions& options) {
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  AH_ASSIGN_OR_RETURN(NamedArrays inputs, ReadInputs(options.inputs));
  AH_ASSIGN_OR_RETURN(const Bytes weights, ReadWeights(options.weights));
  const Result<std::vector<NamedArray>> outputs =
      RunModel(onnx, std::move(inputs), {.float64 = options.float64, .weights = weights});
  if (!outputs.ok()) return outputs.error().At(options.model);
  AH_ASSIGN_OR_RETURN(const std::vector<std::string> names, FileNames(*outputs));
  AH_RETURN_IF_ERROR(MakeFolder(options.output));
  Json json = Json::array();
  TextTable table({"OUTPUT", "TYPE", "SHAPE", "FILE"});
  bool narrow = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& [name, array] = (*outputs)[i];
    const std::string path = JoinPath(options.output, names[i]);
    AH_RETURN_IF_ERROR(WriteWholeFile(path, WriteNpy(array), IfExists::kReplace));
    const std::string element = graph::ElementName(array.element);
    json.push_back({{"name", name}, {"type", element}, {"shape", array.shape}, {"file", path}});
    table.AddRow({OneLine(name), element, graph::FormatShape(array.shape), path});
    narrow = narrow || array.element == graph::ElementType::kBFloat16;
  }
  if (app.json()) app.PrintJson({{"outputs", json}});
  app.Print(table.Text());
  if (narrow) app.Remark("note: NumPy has no bfloat16; such outputs are written as float32.\n");
  return Ok();
}

// The model to differentiate: with the numbers of the weights' file, if one is given, and without
// the parameters that are frozen.
Result<graph::Model> ReadModel(const GradOptions& options) {
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  Result<graph::Model> model = graph::ImportOnnx(onnx, import);
  if (!model.ok()) return model.error().At(options.model);
  if (!options.weights.empty()) {
    AH_ASSIGN_OR_RETURN(const Bytes file, ReadWeights(options.weights));
    const Result<std::vector<float>> parameters = ParseWeights(file, *model);
    if (!parameters.ok()) return parameters.error().At(options.weights);
    model = WithParameters(*model, *parameters);
  }
  if (options.freeze.empty()) return model;
  Result<graph::Model> rest = graph::Freeze(*model, options.freeze);
  if (!rest.ok()) return rest.error().At("--freeze");
  return rest;
}

// The model's own numbers, one parameter after another.
Result<std::vector<float>> StartFrom(const graph::Model& model) {
  std::vector<float> flat;
  for (const graph::Parameter& parameter : model.parameters()) {
    if (!parameter.carried) {
      return InvalidInput("the model has no numbers for its parameter '" + OneLine(parameter.name) +
                          "'; give them with --weights");
    }
    flat.insert(flat.end(), parameter.values.begin(), parameter.values.end());
  }
  return flat;
}

struct NormSummary {
  double smallest = 0;
  double median = 0;
  double mean = 0;
  double largest = 0;
};

NormSummary Summarise(std::vector<float> norms) {
  std::sort(norms.begin(), norms.end());
  const std::size_t half = norms.size() / 2;
  const double median = norms.size() % 2 == 1
                            ? norms[half]
                            : (static_cast<double>(norms[half - 1]) + norms[half]) / 2;
  const double total = std::accumulate(norms.begin(), norms.end(), 0.0);
  return {norms.front(), median, total / static_cast<double>(norms.size()), norms.back()};
}

void PresentGradients(const App& app, const GradOptions& options, const graph::Model& model,
                      const GradientSums& sums) {
  const NormSummary norms = Summarise(sums.norms);
  if (app.json()) {
    app.PrintJson({{"gradients", options.out},
                   {"rows", sums.rows},
                   {"parameters", model.parameter_count()},
                   {"mean_loss", sums.mean_loss},
                   {"norms",
                    {{"min", norms.smallest},
                     {"median", norms.median},
                     {"mean", norms.mean},
                     {"max", norms.largest}}},
                   {"clipping", sums.clipping.empty() ? Json(nullptr) : Json(sums.clipping)},
                   {"clipped", sums.clipped ? Json(*sums.clipped) : Json(nullptr)}});
    return;
  }
  std::vector<std::pair<std::string, std::string>> facts = {
      {"rows", std::to_string(sums.rows)},
      {"mean loss", ShortNumber(sums.mean_loss)},
      {"gradient norms", "smallest " + ShortNumber(norms.smallest) + ", median " +
                             ShortNumber(norms.median) + ", mean " + ShortNumber(norms.mean) +
                             ", largest " + ShortNumber(norms.largest)}};
  if (!sums.clipping.empty()) facts.emplace_back("clipping", sums.clipping);
  if (sums.clipped) facts.emplace_back("clipped", std::to_string(*sums.clipped) + " rows");
  app.Print(FactLines(facts) + "Wrote " + options.out + ": the gradient of " +
            std::to_string(model.parameter_count()) +
            " parameters, summed over the rows WITHOUT noise: it is not private.\n");
}

Result<GradientOptions> ReadGradientOptions(const GradOptions& options) {
  GradientOptions how;
  if (!options.max_grad_norm.empty()) {
    AH_ASSIGN_OR_RETURN(how.max_grad_norm, ParsePositive("--max-grad-norm", options.max_grad_norm));
  }
  if (!options.clipping.empty()) {
    const auto clipping = train::ParseClipping(options.clipping);
    if (!clipping.ok()) return clipping.error().At("--clipping");
    if (!how.max_grad_norm) {
      return InvalidInput("says how to clip, and --max-grad-norm is missing, which says to what")
          .At("--clipping");
    }
    how.clipping = *clipping;
  }
  AH_ASSIGN_OR_RETURN(how.pool, options.threads.MakePool());
  return how;
}

Status RunGrad(const App& app, const GradOptions& options) {
  AH_ASSIGN_OR_RETURN(const train::LossOptions loss, options.loss.Read());
  AH_ASSIGN_OR_RETURN(GradientOptions how, ReadGradientOptions(options));
  AH_ASSIGN_OR_RETURN(const graph::Model model, ReadModel(options));
  AH_ASSIGN_OR_RETURN(const std::vector<float> parameters, StartFrom(model));
  AH_ASSIGN_OR_RETURN(const NamedArrays inputs, ReadInputs(options.inputs));
  AH_ASSIGN_OR_RETURN(const Array target, ReadNpyFile(options.target));
  AH_ASSIGN_OR_RETURN(const train::ExampleSet examples,
                      AsExamples(model, loss.kind, inputs, target));
  AH_ASSIGN_OR_RETURN(const GradientSums sums,
                      SumGradients(model, loss, examples, parameters, how));
  AH_ASSIGN_OR_RETURN(const Bytes file, SerializeGradients(model, sums));
  AH_RETURN_IF_ERROR(WriteWholeFile(options.out, file, IfExists::kReplace));
  PresentGradients(app, options, model, sums);
  return Ok();
}

void AddInputOption(CLI::App* command, std::vector<std::string>& inputs, const char* help) {
  command->add_option("--input", inputs, help)
      ->type_name("NAME=FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
}

}  // namespace

void AddRunCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<RunCommandOptions>();
  CLI::App* const run =
      app.AddCommand(model, "run", "Run a model on arrays of your own, on this machine.",
                     "anchorhold model run resnet.onnx --input image=images.npy --output outputs",
                     [&app, options] { return RunRun(app, *options); });
  Required(run, "model", options->model, "FILE", "The model, ONNX.");
  AddInputOption(run, options->inputs,
                 "An input of the model and the array for it, a NumPy file (.npy). Repeatable: one "
                 "for each input.");
  run->add_option("--weights", options->weights,
                  "Weights to use in place of the model's own, safetensors.")
      ->type_name("FILE");
  Required(run, "--output,--out", options->output, "DIR",
           "Folder for the outputs, one NAME.npy each; files that are there are replaced.");
  run->add_flag("--float64", options->float64,
                "Compute in float64, as a reference; real outputs are then float64.");
  app.AddJsonOption(run);
}

void AddGradCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<GradOptions>();
  CLI::App* const grad = app.AddCommand(
      model, "grad",
      "Compute the clipped gradients that private training would add up, on arrays of your own, "
      "without noise.",
      "anchorhold model grad mlp.onnx --input x=rows.npy --target labels.npy\n"
      "    --loss cross-entropy --max-grad-norm 1 --out grads.safetensors",
      [&app, options] { return RunGrad(app, *options); });
  Required(grad, "model", options->model, "FILE", "The model, ONNX.");
  AddInputOption(grad, options->inputs,
                 "An input of the model and the array for it, a NumPy file (.npy) with an example "
                 "a row. Repeatable: one for each input.");
  Required(grad, "--target", options->target, "FILE",
           "Labels or targets, a NumPy file with an example a row.");
  options->loss.AddTo(grad);
  grad->add_option("--weights", options->weights,
                   "Weights to use in place of the model's own, safetensors.")
      ->type_name("FILE");
  grad->add_option("--max-grad-norm", options->max_grad_norm,
                   "Clip each example's gradient to this norm. Default: no clipping.")
      ->type_name("C");
  AddClippingOption(grad, options->clipping);
  grad->add_option("--freeze", options->freeze,
                   "Parameters that are not trained, by name; * and ? stand for others. "
                   "Repeatable.")
      ->type_name("PATTERN")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  Required(grad, "--out,--output", options->out, "FILE",
           "Where to write, safetensors: the sum for each parameter, and per_example_norms. A file "
           "that is there is replaced.");
  options->dims.AddTo(grad);
  options->threads.AddTo(grad);
  app.AddJsonOption(grad);
}

}  // namespace anchorhold::client
