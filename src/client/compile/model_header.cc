#include "client/compile/model_header.h"

#include "trusted/graph/value_type.h"

namespace anchorhold::client {
namespace {

constexpr const char* kIntroduction =
    R"(/* A model, compiled by `anchorhold model compile`. Link libmodel.a; it needs memcpy, memset
   and memmove, and nothing else: it allocates nothing, prints nothing, and keeps no state.

   All numbers are floats, row-major, examples one after another. Parameters are one flat vector.
   A workspace is memory of the caller's, model_workspace_bytes() of it, opened once by model_open
   and then given to every call. It belongs to one thread at a time; threads that share the work
   have a workspace each, and add up their sums.

   The vector instructions are chosen when a workspace is opened. With the same instructions
   results repeat bit for bit; those of other instructions differ in rounding. */
#ifndef ANCHORHOLD_MODEL_H
#define ANCHORHOLD_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

)";

constexpr const char* kBasics = R"(
/* What functions return. After anything but MODEL_OK nothing was computed. */
#define MODEL_OK 0
#define MODEL_NO_KERNELS 1   /* this processor lacks the instructions */
#define MODEL_BAD_LABEL 2    /* a class out of range, or a label that is neither 0 nor 1 */
#define MODEL_WRONG_MODE 3   /* the library was compiled for something else */
#define MODEL_BAD_ARGUMENT 4 /* a number out of the range that the function states */

/* Vector instructions. */
#define MODEL_SSE4 1
#define MODEL_NEON 2
#define MODEL_AVX2 3
#define MODEL_AVX512 4

/* The bytes of a workspace, of any alignment; 0 if this processor has none of the instructions. */
size_t model_workspace_bytes(void);
/* MODEL_OK or MODEL_NO_KERNELS. With the best instructions that this processor has. */
int model_open(void *workspace);
/* The same with given ones, so that several processors compute the same bits. */
int model_open_with(void *workspace, int instructions);

/* The numbers in the model's file, into parameters [MODEL_PARAMETERS]. */
void model_init_parameters(float *parameters);

/* inputs [examples][MODEL_INPUTS] to results [examples][MODEL_RESULTS]. */
int model_forward(void *workspace, const float *parameters, size_t examples, const float *inputs,
                  float *results);
)";

constexpr const char* kTraining = R"(
/* The losses of the examples, into losses [examples] (or NULL), and the sum of their gradients,
   into gradient_sum [MODEL_PARAMETERS]. For the mean, divide by the examples. */
int model_loss_and_gradient_sum(void *workspace, const float *parameters, size_t examples,
                                const float *inputs, const model_label *labels, float *losses,
                                float *gradient_sum);
)";

constexpr const char* kPrivateTraining = R"(
/* THIS LIBRARY ALONE IS NOT PRIVATE: it clips and sums, exactly, and adds no noise. Which
   examples take part, the noise and the account of what is spent are the caller's duty.

   A sum is made in whole numbers, of the unit clip_norm noise_multiplier / MODEL_NOISE_DEVIATION:
   each example's clipped gradient is rounded to them by itself, and then is no longer than
   clip_norm, so that the sum has exactly that sensitivity. From a sum to a step:

     1  model_clipped_gradient_sum. Sums of several workspaces may be added.
     2  The caller adds to EVERY number of the sum an independent draw of the discrete Gaussian
        N_Z(0, MODEL_NOISE_DEVIATION^2) from a generator fit for cryptography: whole numbers, once
        a step, whatever the number of workspaces. That is noise of noise_multiplier clip_norm.
     3  model_release turns the noised sum into a gradient, divided by a number of examples that
        is public: the expected one, where examples are sampled.

   What was not noised (the sum, norms, losses) is as private as the examples. */
#define MODEL_NOISE_DEVIATION 16777216 /* 2^24 */

/* The sum of the clipped gradients, into gradient_sum [MODEL_PARAMETERS]. Lengths before clipping
   go to norms [examples] (or NULL), losses to losses [examples] (or NULL).
   MODEL_BAD_ARGUMENT: noise_multiplier is not in [2^-6, 2^20] or clip_norm not in [2^-40, 2^40];
   the model has so many parameters that at this noise_multiplier rounding would take more than
   half of clip_norm; or examples is not below 2^32. */
int model_clipped_gradient_sum(void *workspace, const float *parameters, size_t examples,
                               const float *inputs, const model_label *labels, double clip_norm,
                               double noise_multiplier, float *losses, float *norms,
                               int64_t *gradient_sum);
/* noised_sum [MODEL_PARAMETERS] to gradient [MODEL_PARAMETERS]. MODEL_BAD_ARGUMENT: as above, or
   expected_examples is not positive and finite. */
int model_release(const int64_t *noised_sum, double clip_norm, double noise_multiplier,
                  double expected_examples, float *gradient);
)";

constexpr const char* kUpdates = R"(
/* g <- gradient + weight_decay w;  velocity <- momentum velocity + g;  w <- w - rate velocity, with
   velocity [MODEL_PARAMETERS], zeros at first. velocity = NULL: without momentum. `gradient` is
   whatever is to be followed: a sum divided by the examples, and noised where it is to be. */
void model_sgd_step(void *workspace, float *parameters, const float *gradient,
                    double learning_rate, double weight_decay, double momentum, float *velocity);
/* AdamW (Loshchilov and Hutter 2019); Adam if weight_decay is 0. step counts from 1; first and
   second [MODEL_PARAMETERS], zeros at first. */
void model_adamw_step(void *workspace, float *parameters, const float *gradient,
                      double learning_rate, double beta1, double beta2, double epsilon,
                      double weight_decay, unsigned long long step, float *first, float *second);
)";

constexpr const char* kEnd = R"(
#ifdef __cplusplus
}
#endif

#endif
)";

// A name from the model's file, fit for a comment in C.
std::string Harmless(const std::string& name) {
  constexpr std::size_t kMost = 200;
  std::string out = name.substr(0, kMost);
  for (char& c : out) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view("_.:-/ ").find(c) == std::string_view::npos) c = '?';
  }
  // "/" and "?" remain: neither ends a comment nor, in pairs, begins a line of one or a trigraph
  // that changes it.
  return out;
}

std::string Define(const char* name, std::size_t value, const std::string& comment) {
  return std::string("#define ") + name + " " + std::to_string(value) + "  /* " + comment + " */\n";
}

std::string Row(std::size_t offset, const std::string& name, const graph::Shape& shape,
                const char* element) {
  return "     " + std::to_string(offset) + "  " + Harmless(name) + "  " +
         graph::FormatShape(shape) + (*element == '\0' ? "" : " ") + element + "\n";
}

std::string InputTable(const graph::Model& model) {
  std::string text =
      "\n/* Where the inputs lie in an example's numbers; integers are given as floats.\n\n";
  std::size_t offset = 0;
  for (const graph::Port& input : model.inputs()) {
    text += Row(offset, input.name, input.shape, graph::ElementName(input.element));
    offset += graph::ElementCount(input.shape);
  }
  return text + "*/\n";
}

std::string ParameterTable(const graph::Model& model) {
  std::string text = "\n/* Where the parameters lie in the flat vector.\n\n";
  std::size_t offset = 0;
  for (const graph::Parameter& parameter : model.parameters()) {
    text += Row(offset, parameter.name, parameter.shape, "");
    offset += parameter.values.size();
  }
  return text + "*/\n";
}

std::string LabelText(const HeaderFacts& facts) {
  const bool classes = train::NeedsClasses(facts.loss->kind);
  std::string text = Define("MODEL_LABELS", facts.labels, "of one example");
  text += "\n/* The loss is " + std::string(train::LossName(facts.loss->kind)) + ". A label is ";
  text += classes ? "the index of a class" : "a number for each result";
  if (facts.loss->kind == train::Loss::kBinaryCrossEntropy) text += ", 0 or 1";
  text += ". */\ntypedef ";
  return text + (classes ? "int64_t" : "float") + " model_label;\n";
}

// What becomes of an example's gradient g.
std::string ClippingText(engine::ClippingKind kind) {
  std::string text = "\n/* Of an example's gradient g, clipping leaves ";
  switch (kind) {
    case engine::ClippingKind::kFlat:
      text += "g min(1, clip_norm / |g|), |g| over all parameters";
      break;
    case engine::ClippingKind::kPerLayer:
      text +=
          "g min(1, c / |g|) of each of the L parameter tensors\n   that the loss depends on, by "
          "itself, with c = clip_norm / sqrt(L)";
      break;
    case engine::ClippingKind::kAutomatic:
      text += "g clip_norm / (|g| + 0.01), |g| over all parameters";
      break;
  }
  return text + ".\n   A gradient that is not finite counts as 0. */\n";
}

const char* ModeName(engine::Mode mode) {
  switch (mode) {
    case engine::Mode::kInference:
      break;
    case engine::Mode::kTraining:
      return "MODEL_TRAIN";
    case engine::Mode::kPrivateTraining:
      return "MODEL_DP_TRAIN";
  }
  return "MODEL_INFER";
}

}  // namespace

std::string ModelHeader(const HeaderFacts& facts) {
  std::string text = kIntroduction;
  text += std::string("#define ") + ModeName(facts.mode) + "  /* what it was compiled for */\n";
  text += Define("MODEL_PARAMETERS", facts.model.parameter_count(), "in the flat vector");
  text += Define("MODEL_INPUTS", facts.model.input_width(), "numbers of one example");
  text += Define("MODEL_RESULTS", facts.results,
                 facts.loss == nullptr ? "of one example: the model's first output"
                                       : "of one example: what the loss is computed from");
  text += Define("MODEL_GROUP", facts.group, "examples worked on together");
  if (facts.loss != nullptr) text += LabelText(facts);
  text += InputTable(facts.model) + ParameterTable(facts.model) + kBasics;
  if (facts.mode == engine::Mode::kTraining) text += kTraining;
  if (facts.mode == engine::Mode::kPrivateTraining) {
    text += ClippingText(facts.clipping) + kPrivateTraining;
  }
  if (facts.mode != engine::Mode::kInference) text += kUpdates;
  return text + kEnd;
}

}  // namespace anchorhold::client
