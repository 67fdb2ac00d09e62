// Three replicas of one log in one thread, over stores in memory: messages go between those that
// can hear each other until nothing is left to do, and time passes for whom the test says.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "server/group.h"
#include "storage/mem_log_store.h"

namespace cairn::server {

class GroupTrio {
 public:
  static constexpr GroupId kGroup{7};

  explicit GroupTrio(bool lease_reads = false) {
    for (uint64_t id = 1; id <= 3; ++id) {
      GroupConfig config;
      config.raft.self = NodeId(id);
      config.raft.lease_reads = lease_reads;
      GroupStart start;
      start.group = kGroup;
      start.name = "log";
      start.initial_voters = {NodeId(1), NodeId(2), NodeId(3)};
      Replica& replica = At(id);
      auto group =
          Group::Create(config, std::move(start), &replica.budget, &replica.random, nullptr, now_);
      EXPECT_TRUE(group.ok()) << group.status();
      replica.group = *std::move(group);
    }
    Run();
  }

  // ---- What happens ------------------------------------------------------------------------
  // To one replica; then all that follows.
  void Post(uint64_t id, Event event) {
    At(id).group->Handle(std::move(event), now_, At(id).room, At(id).effects);
    Run();
  }
  void Tick(uint64_t id) {
    PassTime(50 * kMicrosPerMilli);
    Post(id, server::Tick{});
  }
  // By all clocks.
  void PassTime(int64_t us) {
    now_.mono += us;
    now_.wall += us;
  }
  // On the disk of one.
  void SetRoom(uint64_t id, storage::Room room) { At(id).room = room; }
  // Nobody hears `id`, and it hears nobody, until Heal.
  void CutOff(uint64_t id) { alone_.insert(NodeId(id)); }
  void Heal() { alone_.clear(); }
  // Lets time pass until those who can be heard have forgotten their leader, and `id` leads and may
  // judge requests.
  void Elect(uint64_t id) {
    for (uint64_t other = 1; other <= 3; ++other) {
      if (other == id || alone_.contains(NodeId(other))) continue;
      for (uint32_t i = 0; i < consensus::Config().election_ticks; ++i) Tick(other);
    }
    for (int i = 0; i < 100 && !group(id).state().leading(); ++i) Tick(id);
    ASSERT_TRUE(group(id).state().leading());
  }

  // ---- Requests ----------------------------------------------------------------------------
  // Returns the token of its reply.
  uint64_t Ask(uint64_t id, RequestBody body, bool* stream_broken = nullptr) {
    const uint64_t token = next_token_++;
    Post(id, Request{.reply_to = {nullptr, token, stream_broken},
                     .body = std::move(body),
                     .deadline = now_.mono + 3600 * kMicrosPerSecond});
    return token;
  }
  // Null: none yet.
  [[nodiscard]] const Reply* ReplyOf(uint64_t token) const {
    const auto found = replies_.find(token);
    return found == replies_.end() ? nullptr : &found->second;
  }
  // REASON_UNSPECIFIED: it was done, or is not answered.
  [[nodiscard]] cairn::v1::Reason RefusalOf(uint64_t token) const {
    const Reply* reply = ReplyOf(token);
    const auto* rejection = reply == nullptr ? nullptr : std::get_if<Rejection>(reply);
    return rejection == nullptr ? cairn::v1::REASON_UNSPECIFIED : rejection->info.reason();
  }
  // Of tails, by their tokens.
  [[nodiscard]] const std::map<uint64_t, TailEnd>& ends() const { return ends_; }

  Group& group(uint64_t id) { return *At(id).group; }
  [[nodiscard]] TurnTime now() const { return now_; }

 private:
  struct Replica {
    storage::MemLogStore store{1};
    CacheBudget budget;
    Random random{1};
    std::unique_ptr<Group> group;
    Effects effects;
    storage::Room room = storage::Room::kEnough;
  };

  Replica& At(uint64_t id) { return replicas_.at(id - 1); }

  void Run() {
    for (bool busy = true; busy;) {
      busy = false;
      for (uint64_t id = 1; id <= 3; ++id) {
        At(id).group->Finish(now_, /*gather=*/false, At(id).effects);
        busy = Carry(At(id)) || busy;
      }
      for (; !wire_.empty(); wire_.pop_front()) {
        Replica& to = At(wire_.front().to.value());
        to.group->Handle(PeerMessage{wire_.front()}, now_, to.room, to.effects);
        busy = true;
      }
    }
  }
  // False: there was nothing to do.
  bool Carry(Replica& from) {
    Effects effects = std::exchange(from.effects, {});
    EXPECT_TRUE(effects.reads.empty()) << "all of it fits into the cache";
    for (OutMessage& out : effects.messages) {
      const bool heard = !alone_.contains(out.message.from) && !alone_.contains(out.message.to);
      if (heard) wire_.push_back(std::move(out.message));
    }
    for (Effects::OutReply& reply : effects.replies) {
      EXPECT_TRUE(replies_.emplace(reply.to.token, std::move(reply.reply)).second)
          << "answered twice";
    }
    for (Effects::OutEnd& end : effects.ends) ends_[end.token] = std::move(end.end);
    if (effects.writes.empty()) return !wire_.empty();
    EXPECT_TRUE(from.store.Write({effects.writes}).ok());
    for (const uint64_t id : effects.write_ids) {
      from.group->Handle(Persisted{id}, now_, from.room, from.effects);
    }
    return true;
  }

  TurnTime now_{.mono = 1000 * kMicrosPerSecond, .wall = 1'790'000'000 * kMicrosPerSecond};
  std::array<Replica, 3> replicas_;
  std::deque<consensus::Message> wire_;
  std::set<NodeId> alone_;
  uint64_t next_token_ = 1;
  std::map<uint64_t, Reply> replies_;
  std::map<uint64_t, TailEnd> ends_;
};

}  // namespace cairn::server
