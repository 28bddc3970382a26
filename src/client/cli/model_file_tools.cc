// model show and model fix: looking into a model's file, and mending it.
#include <sys/stat.h>

#include <memory>

#include "client/cli/model_options.h"
#include "client/cli/render.h"
#include "client/core/files.h"
#include "client/core/messages.h"
#include "client/core/model_fix.h"
#include "client/core/model_summary.h"
#include "client/core/number.h"
#include "shared/base/limits.h"

namespace anchorhold::client {
namespace {

struct ShowOptions {
  std::string model;
  DimOptions dims;
};

struct FixOptions {
  std::string model;
  std::string output;
  std::string groups;
  DimOptions dims;
};

std::string ShapeText(const std::vector<std::string>& shape) { return "[" + Join(shape) + "]"; }

std::vector<std::string> Sizes(const graph::Shape& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return sizes;
}

// Sizes as numbers, names as text.
Json ShapeJson(const std::vector<std::string>& shape) {
  Json json = Json::array();
  for (const std::string& size : shape) {
    const Result<std::uint64_t> number = ParseCount(size);
    json.push_back(number.ok() ? Json(*number) : Json(size));
  }
  return json;
}

Json ValuesJson(const std::vector<ValueSummary>& values) {
  Json json = Json::array();
  for (const ValueSummary& value : values) {
    json.push_back(
        {{"name", value.name}, {"type", value.element}, {"shape", ShapeJson(value.shape)}});
  }
  return json;
}

Json TrainableJson(Trainable trainable) {
  return trainable == Trainable::kUnknown ? Json(nullptr) : Json(trainable == Trainable::kYes);
}

const char* TrainableText(const ParameterSummary& parameter) {
  if (!parameter.carried) return "yes, without numbers";
  switch (parameter.trainable) {
    case Trainable::kYes:
      return "yes";
    case Trainable::kNo:
      return "no";
    case Trainable::kUnknown:
      break;
  }
  return "?";
}

struct Counts {
  std::size_t all = 0;
  std::size_t trainable = 0;
};

Counts CountNumbers(const ModelSummary& summary) {
  Counts counts;
  for (const ParameterSummary& parameter : summary.parameters) {
    counts.all += parameter.count;
    counts.trainable += parameter.trainable == Trainable::kYes ? parameter.count : 0;
  }
  return counts;
}

Json SummaryJson(const ModelSummary& summary) {
  Json parameters = Json::array();
  for (const ParameterSummary& parameter : summary.parameters) {
    parameters.push_back({{"name", parameter.name},
                          {"type", parameter.element},
                          {"shape", parameter.shape},
                          {"count", parameter.count},
                          {"trainable", TrainableJson(parameter.trainable)},
                          {"carried", parameter.carried}});
  }
  Json operators = Json::object();
  for (const auto& [name, count] : summary.operators) operators[name] = count;
  const Counts counts = CountNumbers(summary);
  const bool accepted = summary.accepted.ok();
  Json refusal = nullptr;
  if (!accepted) {
    refusal = {{"code", ErrorCodeName(summary.accepted.error().code())},
               {"message", summary.accepted.error().message()}};
  }
  return {{"opset", summary.opset},
          {"ir_version", summary.ir_version},
          {"producer", summary.producer},
          {"accepted", accepted},
          {"refusal", refusal},
          {"inputs", ValuesJson(summary.inputs)},
          {"outputs", ValuesJson(summary.outputs)},
          {"parameters", parameters},
          {"parameter_count", counts.all},
          {"trainable_count", accepted ? Json(counts.trainable) : Json(nullptr)},
          {"operators", operators},
          {"nodes", summary.nodes}};
}

std::string SummaryText(const ModelSummary& summary) {
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back("opset", std::to_string(summary.opset));
  facts.emplace_back("producer", summary.producer.empty() ? "not said" : OneLine(summary.producer));
  facts.emplace_back("verdict", summary.accepted.ok()
                                    ? "accepted: no node mixes examples"
                                    : "refused: " + OneLine(summary.accepted.error().message()));
  const auto add_values = [&](const char* what, const std::vector<ValueSummary>& values) {
    for (const ValueSummary& value : values) {
      facts.emplace_back(what,
                         OneLine(value.name + "  " + value.element + " " + ShapeText(value.shape)));
    }
  };
  add_values("input", summary.inputs);
  add_values("output", summary.outputs);
  std::vector<std::string> operators;
  for (const auto& [name, count] : summary.operators) {
    operators.push_back(OneLine(name) + " " + std::to_string(count));
  }
  facts.emplace_back("operators", Join(operators));
  const Counts counts = CountNumbers(summary);
  std::string text =
      std::to_string(counts.all) + " in " + std::to_string(summary.parameters.size()) + " tensors";
  if (summary.accepted.ok()) text += ", " + std::to_string(counts.trainable) + " trainable";
  facts.emplace_back("numbers", text);
  std::string out = FactLines(facts);
  if (summary.parameters.empty()) return out;
  TextTable table({"PARAMETER", "TYPE", "SHAPE", "NUMBERS", "TRAINABLE"});
  for (const ParameterSummary& parameter : summary.parameters) {
    table.AddRow({OneLine(parameter.name), parameter.element, ShapeText(Sizes(parameter.shape)),
                  std::to_string(parameter.count), TrainableText(parameter)});
  }
  return out + "\n" + table.Text();
}

Status RunShow(const App& app, const ShowOptions& options) {
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  const Result<ModelSummary> summary = SummariseModel(onnx, import);
  if (!summary.ok()) return summary.error().At(options.model);
  if (app.json()) app.PrintJson(SummaryJson(*summary));
  app.Print(SummaryText(*summary));
  return Ok();
}

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat first = {};
  struct stat second = {};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Json FixJson(const FixOptions& options, const FixedModel& fixed) {
  Json nodes = Json::array();
  for (const RewrittenNode& node : fixed.rewritten) {
    nodes.push_back({{"node", node.node}, {"channels", node.channels}, {"groups", node.groups}});
  }
  return {{"model", options.output},
          {"changed", !fixed.rewritten.empty()},
          {"rewritten", nodes},
          {"dropped", fixed.dropped}};
}

void PrintFix(const App& app, const FixOptions& options, const FixedModel& fixed) {
  if (fixed.rewritten.empty()) {
    app.Print("No BatchNormalization in " + options.model + ": wrote it unchanged as " +
              options.output + ".\n");
    return;
  }
  TextTable table({"BATCH NORMALIZATION", "CHANNELS", "GROUPS"});
  for (const RewrittenNode& node : fixed.rewritten) {
    table.AddRow({OneLine(node.node), std::to_string(node.channels), std::to_string(node.groups)});
  }
  app.Print(table.Text() + "Wrote " + options.output + ": " +
            std::to_string(fixed.rewritten.size()) + " BatchNormalization now " +
            "GroupNormalization, " + std::to_string(fixed.dropped.size()) +
            " running statistics dropped; no node mixes examples.\n");
}

Status RunFix(const App& app, const FixOptions& options) {
  AH_ASSIGN_OR_RETURN(const graph::ImportOptions import, options.dims.Read());
  auto groups = static_cast<std::uint64_t>(kGroupsDefault);
  if (!options.groups.empty()) {
    AH_ASSIGN_OR_RETURN(groups, ParsePositiveCount("--groups", options.groups));
    if (groups > limits::kTensorElementsMax) return InvalidInput("--groups: too many");
  }
  AH_ASSIGN_OR_RETURN(const Bytes onnx, ReadWholeFile(options.model, limits::kModelBytesMax));
  if (IsSameFile(options.model, options.output)) {
    return InvalidInput(
        "--output: is the model itself, which has the running statistics; give "
        "another file");
  }
  const Result<FixedModel> fixed =
      FixBatchNormalization(onnx, static_cast<std::int64_t>(groups), import);
  if (!fixed.ok()) return fixed.error().At(options.model);
  AH_RETURN_IF_ERROR(WriteWholeFile(options.output, fixed->onnx, IfExists::kReplace));
  if (app.json()) app.PrintJson(FixJson(options, *fixed));
  PrintFix(app, options, *fixed);
  if (!fixed->rewritten.empty()) {
    app.Remark(
        WarningText("weights that were trained with BatchNormalization do not fit "
                    "GroupNormalization: train the model again"));
  }
  return Ok();
}

}  // namespace

void AddShowCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<ShowOptions>();
  CLI::App* const show = app.AddCommand(
      model, "show", "Show what is in a model: inputs, outputs, parameters and operators.",
      "anchorhold model show resnet.onnx", [&app, options] { return RunShow(app, *options); });
  Required(show, "model", options->model, "FILE", "The model, ONNX.");
  options->dims.AddTo(show);
  app.AddJsonOption(show);
}

void AddFixCommand(App& app, CLI::App& model) {
  const auto options = std::make_shared<FixOptions>();
  CLI::App* const fix = app.AddCommand(
      model, "fix",
      "Rewrite BatchNormalization, whose statistics mix the examples of a batch, into "
      "GroupNormalization.",
      "anchorhold model fix resnet.onnx --output resnet-group.onnx",
      [&app, options] { return RunFix(app, *options); });
  Required(fix, "model", options->model, "FILE", "The model, ONNX.");
  Required(fix, "-o,--output,--out", options->output, "FILE",
           "Where to write the new model; a file that is there is replaced.");
  fix->add_option("--groups", options->groups,
                  "Groups of channels at most; each layer gets the largest number that divides its "
                  "channels. Default: 32.")
      ->type_name("N");
  options->dims.AddTo(fix);
  app.AddJsonOption(fix);
}

}  // namespace anchorhold::client
