#include "trusted/ledger/budget.h"

namespace anchorhold::ledger {

void Budget::Reserve(std::uint64_t job, const dp::DpEvent& event) {
  const bool added = reserved_.emplace(job, event).second;
  AH_CHECK(added);
}

void Budget::Charge(std::uint64_t job) {
  const auto found = reserved_.find(job);
  AH_CHECK(found != reserved_.end());
  charged_.push_back(found->second);
  reserved_.erase(found);
}

void Budget::GiveBack(std::uint64_t job) {
  const std::size_t removed = reserved_.erase(job);
  AH_CHECK(removed == 1);
}

Result<const dp::RdpAccountant*> Budget::Charged() const {
  for (; accounted_ < charged_.size(); ++accounted_) {
    AH_RETURN_IF_ERROR(accountant_.Add(charged_[accounted_]));
  }
  return &accountant_;
}

Result<dp::RdpAccountant> Budget::Spent() const {
  AH_ASSIGN_OR_RETURN(const dp::RdpAccountant* const charged, Charged());
  dp::RdpAccountant all = *charged;
  for (const auto& [job, event] : reserved_) AH_RETURN_IF_ERROR(all.Add(event));
  return all;
}

Result<Epsilon> Budget::SpentAt(Delta delta) const {
  if (charged_.empty() && reserved_.empty()) return Epsilon(0);
  AH_ASSIGN_OR_RETURN(const dp::RdpAccountant all, Spent());
  return all.EpsilonAt(delta);
}

Result<Epsilon> Budget::ChargedAt(Delta delta) const {
  if (charged_.empty()) return Epsilon(0);
  AH_ASSIGN_OR_RETURN(const dp::RdpAccountant* const charged, Charged());
  return charged->EpsilonAt(delta);
}

Result<Epsilon> Budget::SpentWith(const dp::DpEvent& event, Delta delta) const {
  AH_ASSIGN_OR_RETURN(dp::RdpAccountant all, Spent());
  AH_RETURN_IF_ERROR(all.Add(event));
  return all.EpsilonAt(delta);
}

}  // namespace anchorhold::ledger
