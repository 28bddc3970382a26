#include <algorithm>
#include <string>

#include "trusted/engine/lowering.h"
#include "trusted/engine/operands.h"

namespace anchorhold::engine {
namespace {

// A stretch of the arena that one step wrote and nothing has overwritten since.
struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Follows what each stretch holds, step by step: a read must find the whole of what one step wrote,
// and a write over something ends its life.
class Follower {
 public:
  explicit Follower(std::size_t group) : group_(group) {}

  void Write(const Operand& operand) {
    if (operand.space != Space::kArena || operand.size == 0) return;
    const Stretch mine{operand.offset, operand.offset + operand.stride * group_};
    live_.erase(std::remove_if(live_.begin(), live_.end(),
                               [&](const Stretch& other) {
                                 return other.begin < mine.end && mine.begin < other.end;
                               }),
                live_.end());
    live_.push_back(mine);
  }

  bool Read(const Operand& operand) const {
    if (operand.space != Space::kArena || operand.size == 0) return true;
    const std::size_t end = operand.offset + operand.stride * group_;
    return std::any_of(live_.begin(), live_.end(), [&](const Stretch& other) {
      return other.begin == operand.offset && other.end == end;
    });
  }

 private:
  std::size_t group_;
  std::vector<Stretch> live_;
};

Error Unwritten(std::size_t at, const char* what) {
  return InternalError("step " + std::to_string(at) + " of the plan reads " + what +
                       " that another value has overwritten");
}

}  // namespace

Status CheckProgram(const LoweredProgram& program) {
  Follower follower(program.group);
  for (const LoweredProgram::Input& input : program.inputs) {
    if (input.used) follower.Write(input.operand);
  }
  if (program.seed.size > 0) follower.Write(program.seed);
  for (const GradientSum& sum : program.sums) {
    if (sum.raw.size > 0) follower.Write(sum.gradient);
  }
  std::size_t at = 0;
  for (const std::vector<Step>* steps : {&program.forward, &program.backward}) {
    for (const Step& step : *steps) {
      ++at;
      bool whole = true;
      std::vector<const Operand*> results;
      ForOperands(program, step, [&](const Operand& operand, bool written) {
        if (written) {
          results.push_back(&operand);
        } else {
          whole = whole && follower.Read(operand);
        }
      });
      if (!whole) return Unwritten(at, "an operand");
      for (const Operand* result : results) {
        if (result->space == Space::kArena &&
            result->offset + result->stride * program.group > program.arena_bytes) {
          return InternalError("a step writes beyond the arena");
        }
        follower.Write(*result);
      }
    }
    if (steps == &program.forward && !follower.Read(program.result)) {
      return Unwritten(at, "the result");
    }
  }
  for (const GradientSum& sum : program.sums) {
    if (sum.method == Method::kNone) continue;
    if (!follower.Read(sum.gradient) || !follower.Read(sum.other) || !follower.Read(sum.raw) ||
        !follower.Read(sum.squares)) {
      return Unwritten(at, "a gradient");
    }
  }
  return Ok();
}

}  // namespace anchorhold::engine
