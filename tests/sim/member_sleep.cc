// What happens to logs of a MemberWorld that hibernate.
#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/member_world.h"

namespace cairn::sim {

// Meanwhile nodes come and go, and logs move: the wishes are the catalog's.
void MemberWorld::BeginLull() {
  lull_ends_ = events_.now() + random_.Between(100'000, 3'000'000);
  Note("nobody asks for anything");
}

// A leader that sleeps is cut off, and the others elect another, and take its replica away perhaps;
// then it is asked, by those who read, while the log goes on elsewhere.
void MemberWorld::CutASleeper() {
  if (InLull() || logs_.size() <= kLogs) return;
  constexpr int kPatience = 30;
  quiet_ends_ = lull_ends_ = events_.now() + 4 * kMicrosPerSecond;
  CutWhenAsleep(logs_[1 + random_.Below(kLogs)].id, kPatience);
}

void MemberWorld::CutWhenAsleep(GroupId id, int patience) {
  if (over_) return;
  const SimNode* leader = LeaderOf(id);
  const bool asleep = leader != nullptr && leader->group(id)->View().hibernating;
  if (!asleep && patience > 0) {
    events_.After(50'000, [=, this] { CutWhenAsleep(id, patience - 1); });
    return;
  }
  if (!asleep) {
    quiet_ends_ = lull_ends_ = 0;
    return;
  }
  const NodeId old = leader->id();
  Note(fmt::format("log {}: node {}, which leads and sleeps, is cut off", id, old));
  for (const auto& other : nodes_) {
    network_->Cut(old, other->id());
    network_->Cut(other->id(), old);
  }
  events_.After(random_.Between(600'000, 1'500'000), [this] { network_->Heal(); });
  const server::Catalog* catalog = CatalogNow();
  const server::CatalogLog* log = catalog != nullptr ? catalog->Find(id) : nullptr;
  if (log != nullptr && random_.Chance(0.5)) Move(*log, old, AnyTaker(*catalog, *log));
  AskWhenDeposed(id, old);
}

// Until the old one knows.
void MemberWorld::AskWhenDeposed(GroupId id, NodeId old) {
  if (over_) return;
  const server::Group* group = NodeOf(old).group(id);
  if (group == nullptr || group->core().role() != consensus::Role::kLeader) {
    quiet_ends_ = lull_ends_ = 0;
    return;
  }
  const SimNode* leader = LeaderOf(id);
  if (leader != nullptr && leader->id() != old) {
    lull_ends_ = 0;
    TurnClients(id, old, leader->id());
  }
  events_.After(5'000, [=, this] { AskWhenDeposed(id, old); });
}

void MemberWorld::TurnClients(GroupId id, NodeId reads_at, NodeId appends_at) {
  for (const Asker& asker : clients_) {
    if (asker.log == id) asker.client->TurnTo(asker.reads ? reads_at : appends_at);
  }
}

}  // namespace cairn::sim
