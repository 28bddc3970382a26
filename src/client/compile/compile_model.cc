#include "client/compile/compile_model.h"

#include <string>
#include <utility>

#include "client/compile/image_builder.h"
#include "client/compile/model_header.h"
#include "client/compile/object_file.h"
#include "client/compile/runtime_object.h"
#include "shared/base/limits.h"
#include "trusted/graph/graph.h"
#include "trusted/train/executor_goal.h"
#include "trusted/train/trainer.h"
#include "trusted/train/training_engine.h"

namespace anchorhold::client {
namespace {

// A program's code and constants are within 2 GiB of each other.
constexpr std::size_t kImageBytesMax = limits::kGiB;

Result<train::TrainingEngine> Plan(const graph::Model& model, const CompileOptions& options) {
  engine::EngineOptions engine;
  engine.mode = options.mode;
  engine.batch = options.batch;
  if (options.mode == engine::Mode::kInference) {
    return train::TrainingEngine::ForInference(model, engine, nullptr);
  }
  return train::TrainingEngine::Create(model, options.loss, engine, nullptr);
}

// Class indices of cross-entropy: one for each position. Else a target for each result.
std::size_t LabelWidth(const graph::Model& model, const train::LossOptions& loss,
                       std::size_t results) {
  if (!train::NeedsClasses(loss.kind)) return results;
  return results / train::ClassCount(model.graph().type(model.graph().outputs()[0]).shape);
}

}  // namespace

Result<CompiledModel> CompileModel(const graph::Model& model, const CompileOptions& options) {
  if (simd::BestTarget() == simd::Target::kScalar) {
    return Unsupported("compiling needs a processor with SSE4.2, as compiled models do");
  }
  AH_ASSIGN_OR_RETURN(train::TrainingEngine engine, Plan(model, options));
  const bool trains = options.mode != engine::Mode::kInference;
  const std::size_t labels = trains ? LabelWidth(model, options.loss, engine.output_width()) : 0;
  const ImageSource source{options.mode,
                           options.clipping,
                           engine.engine().program(),
                           labels,
                           trains ? &options.loss : nullptr,
                           train::FlatParameters(model)};
  AH_ASSIGN_OR_RETURN(const Bytes image, BuildImage(source));
  if (image.size() > kImageBytesMax) {
    return LimitExceeded("the library would be of more than " +
                         std::to_string(kImageBytesMax / limits::kMiB) + " MiB");
  }
  AH_ASSIGN_OR_RETURN(const Bytes object,
                      ReplaceSection(RuntimeObject(), ".anchorhold_image", image));
  CompiledModel compiled;
  AH_ASSIGN_OR_RETURN(compiled.library, MakeArchive("model.o", object));
  compiled.plan = engine.report();
  HeaderFacts facts{model};
  facts.mode = options.mode;
  facts.clipping = options.clipping;
  facts.loss = trains ? &options.loss : nullptr;
  facts.results = engine.output_width();
  facts.labels = labels;
  facts.group = compiled.plan.group;
  compiled.header = ModelHeader(facts);
  return compiled;
}

}  // namespace anchorhold::client
