#include "adapter/holder_names.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace cairn::adapter {

HolderNames::HolderNames(const std::string& agent, const std::string& incarnation,
                         const std::string& address)
    : agent_(agent + "/"), incarnation_(agent_ + incarnation), address_("@" + address) {
  CHECK(!agent.empty() && agent.find_first_of("/@") == std::string::npos);
  CHECK(!incarnation.empty() && incarnation.find_first_of("/@") == std::string::npos);
}

std::string HolderNames::incarnation() const { return incarnation_ + address_; }

std::string HolderNames::ForAttempt(uint64_t attempt) const {
  return fmt::format("{}/{}{}", incarnation_, attempt, address_);
}

LeaseOwner HolderNames::OwnerOf(std::string_view holder) const {
  if (holder.empty()) return LeaseOwner::kNobody;
  if (!holder.starts_with(agent_)) return LeaseOwner::kOther;
  const bool mine = holder.starts_with(incarnation_) && holder.size() > incarnation_.size() &&
                    (holder[incarnation_.size()] == '/' || holder[incarnation_.size()] == '@');
  return mine ? LeaseOwner::kMine : LeaseOwner::kMyPast;
}

std::string_view HolderNames::AddressOf(std::string_view holder) {
  const size_t at = holder.find('@');
  return at == std::string_view::npos ? std::string_view() : holder.substr(at + 1);
}

}  // namespace cairn::adapter
