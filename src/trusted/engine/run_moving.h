// Steps that put numbers into other places, or add some of them up there. Internal to engine/.
#pragma once

#include "trusted/engine/program.h"

namespace anchorhold::engine {

// kPermute, kTake, kSumRows, kPut, kConcat, kPad, kFold and kMove.
void RunMoving(const Step& step, const StepTables& tables, const Kernels& kernels,
               const Frame& frame);

}  // namespace anchorhold::engine
