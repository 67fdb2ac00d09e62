#include "server/peer_feed.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/mark.h"

namespace cairn::server {

const consensus::Entry* PeerFeed::Find(NodeId to, Index index, const TailHub& hub) const {
  if (const TailHub::Slot* slot = hub.Find(index)) return &slot->entry;
  const auto load = loads_.find(to);
  if (load == loads_.end() || load->second.entries.empty()) return nullptr;
  const std::vector<consensus::Entry>& entries = load->second.entries;
  if (index < entries.front().index || index > entries.back().index) return nullptr;
  return &entries[index - entries.front().index];
}

bool PeerFeed::Fill(NodeId to, consensus::AppendRequest& append, const TailHub& hub,
                    consensus::RaftCore& core, std::vector<storage::ReadRequest>& reads) {
  if (append.last <= append.prev.index) return true;  // A probe carries nothing.
  const Index first = append.prev.index + 1;
  uint64_t bytes = 0;
  for (Index index = first; index <= append.last; ++index) {
    const consensus::Entry* entry = Find(to, index, hub);
    if (entry == nullptr) break;
    if (index > first && bytes + entry->payload.size() > message_bytes_) break;
    bytes += entry->payload.size();
    append.entries.push_back(*entry);
  }
  Load& load = loads_[to];
  load.entries.clear();
  if (append.entries.empty()) {
    core.OnAppendDeferred(to, append.prev.index);
    if (!load.in_flight) {
      load.in_flight = true;
      Hit(Mark::kColdPeer);
      reads.push_back({.group = group_,
                       .ticket = to.value(),
                       .first = first,
                       .seq = Seq(),
                       .timestamp_us = 0,
                       .last = append.last,
                       .max_bytes = message_bytes_});
    }
    return false;
  }
  append.last = append.entries.back().index;
  core.OnAppendSent(to, append.last, bytes);
  return true;
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
