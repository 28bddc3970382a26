// Rounds of one group each; the arithmetic is engine/group_sums.cc.
#include <algorithm>

#include "client/runtime/workspace.h"
#include "trusted/engine/pieces.h"

namespace anchorhold::runtime {

StepSum::StepSum(Workspace& workspace, const Request& request)
    : workspace_(workspace), request_(request) {
  task_.sums = Entries(TheImage().sums);
  task_.kernels = workspace.kernels;
  task_.group = TheImage().group;
  task_.block = engine::BlockSize(TheImage().parameter_count, 1);
  task_.clipping = request.clipping;
  task_.target = request.target;
}

std::size_t StepSum::group() const {
  return task_.target.grid == nullptr ? task_.group : std::min(task_.group, task_.target.capacity);
}

void StepSum::Add(std::size_t first) {
  engine::SumGroup& group = workspace_.group;
  const std::size_t examples = group.frame.examples;
  engine::MeasureGroup(task_, group);
  for (std::size_t e = 0; e < examples && request_.norms != nullptr; ++e) {
    const double squares = engine::SquaredNorm(task_, group, e);
    request_.norms[first + e] = static_cast<float>(__builtin_sqrt(squares));
  }
  const bool on_grid = task_.target.grid != nullptr;
  const bool flushes = on_grid && fill_.Take(examples, task_.target.capacity);
  std::fill_n(workspace_.contributions, examples, 0.0);
  engine::ForItems(task_.sums, task_.block, [&](const engine::SumItem& item, double) {
    const bool accumulate = engine::PrepareItem(task_, item, fresh_, flushes, true);
    engine::AddGroup(task_, item, group, 0, examples, 1, accumulate, workspace_.contributions,
                     group.frame.scratch);
  });
  fresh_ = false;
  for (std::size_t e = 0; e < examples && on_grid; ++e) {
    engine::MendExample(task_, group, e, workspace_.contributions[e], group.frame.scratch);
  }
}

void StepSum::Finish() {
  engine::ForItems(task_.sums, task_.block, [&](const engine::SumItem& item, double) {
    if (fresh_) engine::PrepareItem(task_, item, true, false, false);
    engine::FinishItem(task_, item, fresh_);
  });
}

}  // namespace anchorhold::runtime
