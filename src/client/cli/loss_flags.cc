#include "client/cli/loss_flags.h"

#include "client/core/number.h"
#include "client/core/training_message.h"

namespace anchorhold::client {
namespace {

// A whole number with an optional minus.
Result<std::int64_t> ParseInteger(const std::string& text) {
  const bool negative = !text.empty() && text.front() == '-';
  AH_ASSIGN_OR_RETURN(const std::uint64_t size, ParseCount(negative ? text.substr(1) : text));
  if (size > static_cast<std::uint64_t>(INT64_MAX)) return InvalidInput("is too large");
  const auto value = static_cast<std::int64_t>(size);
  return negative ? -value : value;
}

Status CheckOwner(const char* option, const std::string& text, train::Loss loss,
                  train::Loss owner) {
  if (text.empty() || loss == owner) return Ok();
  return InvalidInput("is for --loss " + std::string(train::LossName(owner)) +
                      " only; leave it out")
      .At(option);
}

}  // namespace

void LossFlags::AddTo(CLI::App* command) {
  const auto add = [command](const char* name, std::string& value, const char* type,
                             const char* help) {
    return command->add_option(name, value, help)->type_name(type);
  };
  add("--loss", loss, "LOSS", "cross-entropy, binary-cross-entropy, mse, l1 or huber.")->required();
  add("--class-weights", class_weights, "W,W,..",
      "cross-entropy: each class's weight, from 0 to 1000000, in the order of the schema.");
  add("--label-smoothing", label_smoothing, "S",
      "cross-entropy: the share of a label that goes to all classes alike; 0 to below 1.");
  add("--ignore-index", ignore_index, "I", "cross-entropy: a class label that does not count.");
  add("--pos-weight", positive_weights, "W",
      "binary-cross-entropy: the weight of class 1, above 0; several, with commas, for several "
      "labels.");
  add("--huber-delta", huber_delta, "D", "huber: where it turns linear; above 0. Default: 1.");
}

Result<train::LossOptions> LossFlags::Read() const {
  using train::Loss;
  const auto kind = train::ParseLoss(loss);
  if (!kind.ok()) return kind.error().At("--loss");
  train::LossOptions options = *kind;
  AH_RETURN_IF_ERROR(CheckOwner("--class-weights", class_weights, *kind, Loss::kCrossEntropy));
  AH_RETURN_IF_ERROR(CheckOwner("--label-smoothing", label_smoothing, *kind, Loss::kCrossEntropy));
  AH_RETURN_IF_ERROR(CheckOwner("--ignore-index", ignore_index, *kind, Loss::kCrossEntropy));
  AH_RETURN_IF_ERROR(
      CheckOwner("--pos-weight", positive_weights, *kind, Loss::kBinaryCrossEntropy));
  AH_RETURN_IF_ERROR(CheckOwner("--huber-delta", huber_delta, *kind, Loss::kHuber));
  if (!class_weights.empty()) {
    auto weights = ParseNumbers(class_weights);
    if (!weights.ok()) return weights.error().At("--class-weights");
    options.class_weights = *std::move(weights);
  }
  if (!label_smoothing.empty()) {
    AH_ASSIGN_OR_RETURN(options.label_smoothing,
                        ParseNonNegative("--label-smoothing", label_smoothing));
  }
  if (!ignore_index.empty()) {
    const auto index = ParseInteger(ignore_index);
    if (!index.ok()) return index.error().At("--ignore-index");
    options.ignore_index = *index;
  }
  if (!positive_weights.empty()) {
    auto weights = ParseNumbers(positive_weights);
    if (!weights.ok()) return weights.error().At("--pos-weight");
    options.positive_weights = *std::move(weights);
  }
  if (!huber_delta.empty()) {
    AH_ASSIGN_OR_RETURN(options.huber_delta, ParsePositive("--huber-delta", huber_delta));
  }
  AH_RETURN_IF_ERROR(train::ValidateLoss(options));
  return options;
}

}  // namespace anchorhold::client
