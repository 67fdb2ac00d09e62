#include "tests/support/raft_node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::consensus {
namespace {

constexpr size_t kRememberedDisks = 8;

// Puts `entries` where they belong, replacing what stands there and behind.
void Put(Position before, std::vector<Entry>& log, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    CHECK_GT(entry.index, before.index);
    const size_t place = entry.index - before.index - 1;
    CHECK_LE(place, log.size());
    log.resize(place);
    log.push_back(entry);
  }
}

}  // namespace

InitialState RaftDisk::Load() const {
  InitialState state{.hard_state = hard_state,
                     .terms = TermMap(before),
                     .memberships = {{before.index, membership}},
                     .applied = before.index};
  for (const Entry& entry : entries) {
    state.terms.Append(entry.index, entry.term);
    if (entry.kind != EntryKind::kConfig) continue;
    state.memberships.emplace_back(entry.index, DecodeMembership(entry.payload.view()).value());
  }
  return state;
}

RaftNode::RaftNode(const Config& config, RaftDisk disk, uint64_t seed, MonoMicros now)
    : config_(config),
      random_(seed),
      disk_(std::move(disk)),
      core_(std::make_unique<RaftCore>(config_, disk_.Load(), &random_)),
      log_before_(disk_.before),
      log_(disk_.entries) {
  SetTime(now);
}

void RaftNode::SetTime(MonoMicros now) {
  now_us_ = now;
  core_->SetTime(now);
}

RaftNode::Outcome RaftNode::Collect() {
  Outcome outcome;
  while (core_->HasReady()) {
    Ready ready = core_->TakeReady();
    if (ready.write) {
      TakeIn(*ready.write);
      outcome.writes.push_back(*ready.write);
      writes_.push_back(*std::move(ready.write));
    }
    for (Message& message : ready.messages) {
      SaySomethingOfRuns(message);
      if (Fill(message)) outcome.messages.push_back(std::move(message));
    }
    if (ready.fetch && !fetch_) outcome.fetch = fetch_ = ready.fetch;
    for (Index i = core_->applied() + 1; i <= core_->commit(); ++i) {
      outcome.applied.push_back(log_.at(i - log_before_.index - 1));
    }
    core_->OnApplied(core_->commit());
    outcome.reads.insert(outcome.reads.end(), ready.read_states.begin(), ready.read_states.end());
    outcome.role_changed |= ready.role_changed;
  }
  return outcome;
}

void RaftNode::Step(Message message) {
  auto* append = std::get_if<AppendRequest>(&message.body);
  if (append != nullptr && refuses_from && core_->terms().Matches(append->prev)) {
    const auto first =
        std::find_if(append->entries.begin(), append->entries.end(),
                     [&](const Entry& entry) { return entry.index >= refuses_from; });
    if (first != append->entries.end()) {
      append->refused = {first->term, first->index};
      append->entries.erase(first, append->entries.end());
    }
  }
  core_->Step(std::move(message));
}

void RaftNode::TakeIn(const Write& write) {
  if (write.install) {
    log_.clear();
    log_before_ = write.install->position;
  }
  Put(log_before_, log_, write.entries);
}

// The state machine of these tests is the log itself, so a snapshot is the membership.
bool RaftNode::Fill(Message& message) {
  if (auto* snapshot = std::get_if<SnapshotRequest>(&message.body)) {
    snapshot->snapshot = Bytes(EncodeMembership(snapshot->membership));
    return true;
  }
  auto* append = std::get_if<AppendRequest>(&message.body);
  if (append == nullptr || append->last == append->prev.index) return true;
  if (OfferRun(message)) return true;
  if (defer_fills) {
    core_->OnAppendDeferred(message.to, append->prev.index);
    return false;
  }
  if (fill_entries > 0) append->last = std::min(append->last, append->prev.index + fill_entries);
  uint64_t bytes = 0;
  for (Index i = append->prev.index + 1; i <= append->last; ++i) {
    append->entries.push_back(log_.at(i - log_before_.index - 1));
    bytes += append->entries.back().payload.size();
  }
  core_->OnAppendSent(message.to, append->last, bytes);
  return true;
}

bool RaftNode::OfferRun(Message& message) {
  if (run_entries == 0 || !core_->MayOfferRun(message.to)) return false;
  const Position prev = std::get<AppendRequest>(message.body).prev;
  const Index through = std::min(core_->commit(), core_->persisted());
  if (through < prev.index + run_entries) return false;
  core_->OnRunOffered(message.to, through);
  message.body = RunOffer{.prev = prev, .through = {core_->terms().At(through).value(), through}};
  return true;
}

void RaftNode::SaySomethingOfRuns(Message& message) const {
  if (auto* answer = std::get_if<HeartbeatResponse>(&message.body)) {
    answer->fetching = fetch_.has_value();
  } else if (auto* response = std::get_if<AppendResponse>(&message.body)) {
    response->takes_runs = run_entries > 0;
  }
}

void RaftNode::EndFetch(const RaftNode* from) {
  CHECK(fetch_.has_value());
  const Fetch done = *std::exchange(fetch_, std::nullopt);
  if (from == nullptr || core_->last() != done.prev) return;
  AppendRequest append{.prev = done.prev, .last = done.through.index, .commit = done.through.index};
  for (Index i = done.prev.index + 1; i <= done.through.index; ++i) {
    append.entries.push_back(from->log_.at(i - from->log_before_.index - 1));
  }
  Step({done.from, config_.self, done.term, std::move(append)});
}

bool RaftNode::PersistNext() {
  if (writes_.empty()) return false;
  history_.push_back(disk_);
  if (history_.size() > kRememberedDisks) history_.pop_front();
  const Write write = std::move(writes_.front());
  writes_.pop_front();
  if (write.install) {
    disk_.entries.clear();
    disk_.before = write.install->position;
    disk_.membership = DecodeMembership(write.install->snapshot.view()).value();
  }
  if (write.hard_state) disk_.hard_state = *write.hard_state;
  Put(disk_.before, disk_.entries, write.entries);
  core_->OnPersisted(write.id);
  return true;
}

const RaftDisk& RaftNode::disk(size_t lost) const {
  CHECK_LE(lost, history_.size());
  return lost == 0 ? disk_ : history_[history_.size() - lost];
}

void RaftNode::Trim(Index index) {
  CHECK_LE(index, core_->applied());
  CHECK_LE(index, core_->persisted());
  const Position before{core_->terms().At(index).value(), index};
  disk_.membership = core_->MembershipAt(index);
  const auto dropped = static_cast<std::ptrdiff_t>(index - log_before_.index);
  log_.erase(log_.begin(), log_.begin() + dropped);
  disk_.entries.erase(disk_.entries.begin(), disk_.entries.begin() + dropped);
  log_before_ = before;
  disk_.before = before;
  core_->OnTrimmed(before);
}

}  // namespace cairn::consensus
