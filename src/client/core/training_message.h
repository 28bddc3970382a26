// How a training is configured, as a message to the enclave and as the text that people read and
// write. The text of a learning-rate schedule is
//
//   KIND[:KEY=NUMBER[,KEY=NUMBER]...]     cosine:min=0.001,warmup=50
//
//   constant, step, exponential, cosine, linear   kinds (train/schedule.h)
//   every=N    step: steps between two falls; required
//   gamma=G    step, exponential: the factor; required
//   min=R      cosine, linear: the rate at the end; 0 without it
//   warmup=N   any kind: steps in which the rate rises to its full height; 0 without it
//
// without spaces, each key at most once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/wire/session.pb.h"
#include "trusted/train/trainer.h"

namespace anchorhold::client {

// The schedule that `text` names, for a training of `steps` steps. kInvalidInput for another text;
// ranges are train::ValidateSchedule's question.
Result<train::LearningRateSchedule> ParseSchedule(std::string_view text, std::uint64_t steps);

// The shortest text that ParseSchedule reads back as the same schedule.
std::string ScheduleText(const train::LearningRateSchedule& schedule);
// The same for a message; what it holds need not make sense.
std::string ScheduleText(const wire::proto::LearningRateSchedule& schedule);

// Numbers with commas between them: "1,0.5,2". kInvalidInput for another text; kLimitExceeded for
// more than train::kLossWeightsMax.
Result<std::vector<double>> ParseNumbers(std::string_view text);

// Loss, optimizer, schedule and clipping as the enclave expects them: what belongs to another loss,
// optimizer or schedule stays unset, and so does flat clipping. Precondition: the configuration is
// valid.
void WriteConfig(const train::TrainerConfig& config, wire::proto::TrainingOptions& options);

}  // namespace anchorhold::client
