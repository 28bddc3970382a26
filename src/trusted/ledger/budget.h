// A budget's ledger side: the list of events that bear on it, and their composition. One belongs to
// every dataset, and one to every researcher on it, because a contract limits both.
#pragma once

#include <map>
#include <vector>

#include "trusted/dp/rdp.h"

namespace anchorhold::ledger {

class Budget {
 public:
  // Preconditions: a job reserves once, and charges or gives back only what it has reserved.
  void Reserve(std::uint64_t job, const dp::DpEvent& event);
  void Charge(std::uint64_t job);
  void GiveBack(std::uint64_t job);

  // Composition of all events, reservations included; 0 of none.
  Result<Epsilon> SpentAt(Delta delta) const;
  // Composition of what is charged for good.
  Result<Epsilon> ChargedAt(Delta delta) const;
  // SpentAt, if `event` were added.
  Result<Epsilon> SpentWith(const dp::DpEvent& event, Delta delta) const;

 private:
  Result<const dp::RdpAccountant*> Charged() const;
  Result<dp::RdpAccountant> Spent() const;

  std::map<std::uint64_t, dp::DpEvent> reserved_;
  std::vector<dp::DpEvent> charged_;
  // Has composed the first `accounted_` of charged_: charged events only ever grow in number, and
  // composing them afresh for every question would cost as much as all of them together.
  mutable dp::RdpAccountant accountant_;
  mutable std::size_t accounted_ = 0;
};

}  // namespace anchorhold::ledger
