// A training's options as the request and the receipt state them, for people and for programs. What
// a receipt holds was written by others: text from it is made safe to print.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/cli/app.h"
#include "client/cli/render.h"
#include "client/core/messages.h"
#include "client/core/training_message.h"
#include "shared/wire/receipt.pb.h"

namespace anchorhold::client {

using Facts = std::vector<std::pair<std::string, std::string>>;

// "optimizer", "schedule", "loss", "clipping" and "frozen", as far as they say more than the
// defaults.
void AddDetailFacts(const wire::proto::OptimizerOptions& optimizer,
                    const wire::proto::LearningRateSchedule& schedule,
                    const wire::proto::LossOptions& loss, Facts& facts);
// "per-layer" or "automatic"; empty, which is flat, says nothing.
void AddClippingFact(const std::string& clipping, Facts& facts);
void AddFrozenFact(const std::vector<std::string>& patterns, Facts& facts);

// The same for programs, with all numbers: "optimizer_options", "lr_schedule", "loss_options".
void AddDetailJson(const wire::proto::OptimizerOptions& optimizer,
                   const wire::proto::LearningRateSchedule& schedule,
                   const wire::proto::LossOptions& loss, Json& json);

// The line "terms" and what follows from it. Terms is wire::proto::TrainingOptions or
// TrainingTerms.
template <typename Terms>
Facts TermsFacts(const Terms& terms) {
  Facts facts = {{"terms", OneLine(terms.loss()) + ", " + OneLine(terms.optimizer()) +
                               ", learning rate " + ShortNumber(terms.learning_rate()) +
                               ", momentum " + ShortNumber(terms.momentum()) + ", " +
                               std::to_string(terms.steps()) + " steps at sampling probability " +
                               ShortNumber(terms.sampling_probability())}};
  AddDetailFacts(terms.optimizer_options(), terms.schedule(), terms.loss_options(), facts);
  AddClippingFact(terms.clipping(), facts);
  AddFrozenFact({terms.frozen().begin(), terms.frozen().end()}, facts);
  return facts;
}

Json TermsJson(const wire::proto::TrainingTerms& terms);

}  // namespace anchorhold::client
