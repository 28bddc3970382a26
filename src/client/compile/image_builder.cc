#include "client/compile/image_builder.h"

#include <algorithm>
#include <set>
#include <string>
#include <type_traits>

#include "client/compile/fold.h"
#include "client/compile/image_fields.h"

namespace anchorhold::client {
namespace {

using engine::Step;
using runtime::Image;

// `to` is zeroed memory, aligned for T.
template <typename T>
void CopyEntry(const T& entry, std::byte* to) {
  static_assert(std::is_trivially_copyable_v<T>);
  CopyFields(entry, *reinterpret_cast<T*>(to));
}

class ImageWriter {
 public:
  ImageWriter() : bytes_(sizeof(Image)) {}

  template <typename T>
  runtime::Table<T> Put(std::span<const T> entries) {
    bytes_.resize((bytes_.size() + runtime::kImageAlignment - 1) / runtime::kImageAlignment *
                  runtime::kImageAlignment);
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + entries.size() * sizeof(T));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      CopyEntry(entries[i], bytes_.data() + offset + i * sizeof(T));
    }
    return {offset, entries.size()};
  }
  template <typename T>
  runtime::Table<T> Put(const std::vector<T>& entries) {
    return Put(std::span<const T>(entries));
  }

  Bytes Finish(const Image& image) {
    CopyEntry(image, bytes_.data());
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
};

void PutInputs(const engine::LoweredProgram& program, ImageWriter& writer, Image& image) {
  std::vector<runtime::InputPlan> inputs;
  for (const engine::LoweredProgram::Input& input : program.inputs) {
    inputs.push_back({input.real ? 1U : 0U, input.used ? 1U : 0U, input.operand});
    image.input_width += input.operand.size;
  }
  image.inputs = writer.Put(inputs);
}

void PutLoss(const train::LossOptions& loss, ImageWriter& writer, Image& image) {
  runtime::LossPlan& plan = image.loss;
  plan.kind = loss.kind;
  plan.ignores = loss.ignore_index.has_value();
  plan.ignored = loss.ignore_index.value_or(0);
  plan.label_smoothing = loss.label_smoothing;
  plan.huber_delta = loss.huber_delta;
  const bool classes = loss.kind == train::Loss::kCrossEntropy;
  plan.weights = writer.Put(classes ? loss.class_weights : loss.positive_weights);
}

// kUnsupported if a step is left that reference kernels run.
Status CheckSteps(const engine::LoweredProgram& program, const FoldedProgram& folded) {
  std::set<std::string> names;
  for (const std::vector<Step>* steps : {&folded.prologue, &folded.forward, &folded.backward}) {
    for (const Step& step : *steps) {
      if (step.kind != engine::StepKind::kNaive) continue;
      names.insert(program.naive[step.index]->primitive->name);
    }
  }
  if (names.empty()) return Ok();
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return Unsupported(
      "the model cannot be compiled: only the reference kernels, which a library "
      "does not carry, run its " +
      list);
}

runtime::ImageMode ModeOf(engine::Mode mode) {
  switch (mode) {
    case engine::Mode::kInference:
      break;
    case engine::Mode::kTraining:
      return runtime::ImageMode::kTrain;
    case engine::Mode::kPrivateTraining:
      return runtime::ImageMode::kPrivateTrain;
  }
  return runtime::ImageMode::kInfer;
}

}  // namespace

Result<Bytes> BuildImage(const ImageSource& source) {
  const engine::LoweredProgram& program = source.program;
  const FoldedProgram folded = Fold(program);
  AH_RETURN_IF_ERROR(CheckSteps(program, folded));
  ImageWriter writer;
  Image image;
  image.mode = ModeOf(source.mode);
  image.clipping = source.clipping;
  image.group = program.group;
  image.parameter_count = source.parameters.size();
  image.label_width = source.label_width;
  image.arena_bytes = program.arena_bytes;
  image.shared_bytes = program.shared_bytes;
  image.result = program.result;
  image.seed = program.seed;
  image.prologue = writer.Put(folded.prologue);
  image.forward = writer.Put(folded.forward);
  image.backward = writer.Put(folded.backward);
  image.points = writer.Put(program.points);
  image.point_inputs = writer.Put(program.point_inputs);
  image.point_operands = writer.Put(program.point_operands);
  image.instructions = writer.Put(program.instructions);
  image.output_registers = writer.Put(program.output_registers);
  image.output_operands = writer.Put(program.output_operands);
  PutInputs(program, writer, image);
  image.sums = writer.Put(program.sums);
  image.reals = writer.Put(program.reals);
  image.integers = writer.Put(folded.integers);
  image.shared = writer.Put(folded.shared);
  image.parameters = writer.Put(source.parameters);
  if (source.loss != nullptr) PutLoss(*source.loss, writer, image);
  return writer.Finish(image);
}

}  // namespace anchorhold::client
