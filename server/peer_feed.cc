#include "server/peer_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"

namespace cairn::server {

namespace {

// A new replica that lacks no more than this is as good as there.
constexpr uint64_t kNearBytes = 1 << 20;
// Bytes that may go for each one that the log grows by.
constexpr uint64_t kPerGrownByte = 2;

// What can be read here, and is never replaced.
Index OnDiskForGood(const consensus::RaftCore& core) {
  return std::min(core.persisted(), core.commit());
}

}  // namespace

const consensus::Entry* PeerFeed::FindLoaded(const Load& load, Index index) {
  const std::vector<consensus::Entry>& entries = load.entries;
  if (entries.empty() || index < entries.front().index || index > entries.back().index) {
    return nullptr;
  }
  return &entries[index - entries.front().index];
}

bool PeerFeed::OnlyFills(NodeId to, Index next, const TailHub& hub,
                         const consensus::RaftCore& core) const {
  return HoldsBack(to, core) && FarBehind(to, next, hub, core);
}

bool PeerFeed::FarBehind(NodeId to, Index next, const TailHub& hub,
                         const consensus::RaftCore& core) {
  if (hub.Find(next) == nullptr) return true;
  const auto peer = core.progress().find(to);
  const bool counts =
      core.membership().IsVoter(to) && peer != core.progress().end() && !peer->second.unsound();
  return !counts && next <= OnDiskForGood(core) && hub.BytesAfter(next.Previous()) > kNearBytes;
}

bool PeerFeed::Fill(NodeId to, consensus::AppendRequest& append, const TailHub& hub,
                    consensus::RaftCore& core, std::vector<storage::ReadRequest>& reads) {
  if (append.last <= append.prev.index) return true;  // A probe carries nothing.
  const Index first = append.prev.index + 1;
  Load& load = loads_[to];
  const bool only_fills = OnlyFills(to, first, hub, core);
  uint64_t bytes = 0;
  for (Index index = first; index <= append.last; ++index) {
    const consensus::Entry* entry = FindLoaded(load, index);
    if (const TailHub::Slot* slot = hub.Find(index); entry == nullptr && slot && !only_fills) {
      entry = &slot->entry;
    }
    if (entry == nullptr) break;
    if (index > first && bytes + entry->payload.size() > sizes_.message_bytes) break;
    bytes += entry->payload.size();
    append.entries.push_back(*entry);
  }
  load.entries.clear();
  if (append.entries.empty()) {
    core.OnAppendDeferred(to, append.prev.index);
    if (only_fills) append.last = std::min(append.last, OnDiskForGood(core));
    AskFor(to, append, only_fills, reads);
    return false;
  }
  append.last = append.entries.back().index;
  core.OnAppendSent(to, append.last, bytes);
  return true;
}

void PeerFeed::AskFor(NodeId to, const consensus::AppendRequest& append, bool only_fills,
                      std::vector<storage::ReadRequest>& reads) {
  Load& load = loads_[to];
  if (load.in_flight) return;
  load.in_flight = true;
  Hit(Mark::kColdPeer);
  storage::ReadRequest read{.group = group_,
                            .ticket = to.value(),
                            .first = append.prev.index + 1,
                            .seq = Seq(),
                            .timestamp_us = 0,
                            .last = append.last,
                            .max_bytes = sizes_.message_bytes};
  if (only_fills) {
    read.max_bytes = std::min(sizes_.message_bytes, sizes_.fill_bytes);
    read.paced = true;
    read.free_bytes = TakeGrowth(load);
  } else {
    load.grown_bytes.reset();
  }
  reads.push_back(read);
}

uint64_t PeerFeed::TakeGrowth(Load& load) const {
  const uint64_t grown = grown_bytes_ - load.grown_bytes.value_or(grown_bytes_);
  load.grown_bytes = grown_bytes_;
  return kPerGrownByte * grown;
}

uint64_t PeerFeed::FreeBytes(NodeId to, const consensus::RaftCore& core) {
  if (!core.CommitsWithout(to)) return kAllFree;
  return TakeGrowth(loads_[to]);
}

bool PeerFeed::OnLoaded(storage::ReadResult result, consensus::RaftCore& core,
                        std::vector<std::string>& alarms) {
  const NodeId to(result.ticket);
  Load& load = loads_[to];
  load.in_flight = false;
  load.entries.clear();
  if (result.status.ok()) {
    for (storage::StoredEntry& entry : result.entries) {
      load.entries.push_back({.index = entry.index,
                              .term = entry.term,
                              .kind = static_cast<consensus::EntryKind>(entry.kind),
                              .payload = std::move(entry.payload)});
    }
  } else if (result.status.code() == absl::StatusCode::kDataLoss) {
    // The peer cannot be served from here; it stays paused until another node leads.
    alarms.push_back(fmt::format("log {}: cannot replicate to node {}: {}", group_, to,
                                 std::string(result.status.message())));
    return false;
  }
  // kOutOfRange: trimmed meanwhile; the core sends its snapshot instead.
  core.OnAppendReady(to);
  return true;
}

}  // namespace cairn::server
