#include "client/c/event.h"

#include <utility>

#include "client/c/status.h"

namespace cairn::c {

Event::Event(int32_t event_kind, const absl::Status& why) : cairn_event{} {
  kind = event_kind;
  Fill(why, &status);
}

void Event::SetAppended(const AppendResult& result) {
  first_seq = result.first_seq.value();
  last_seq = result.last_seq.value();
  timestamp_us = result.timestamp_us;
  chain = result.chain;
}

void Event::SetRecords(TailEvent brought) {
  tail = std::move(brought);
  size_t metadata = 0;
  for (const RecordBatch& batch : tail.batches) {
    record_count += batch.records.size();
    for (const Record& record : batch.records) metadata += record.metadata.size();
  }
  views_.reserve(record_count);
  metadata_.reserve(metadata);  // It must not move: the views point into it.
  for (const RecordBatch& batch : tail.batches) {
    for (const Record& record : batch.records) View(record);
    chain = batch.chain;
    next_seq = batch.last_seq().value() + 1;
  }
  records = views_.data();
  if (tail.caught_up) {
    caught_up = 1;
    caught_up_seq = tail.caught_up->seq.value();
  }
  if (tail.heartbeat) stale = tail.heartbeat->stale ? 1 : 0;
}

void Event::View(const Record& record) {
  cairn_record view = {};
  view.seq = record.seq.value();
  view.timestamp_us = record.timestamp_us;
  view.kind = static_cast<int32_t>(record.kind);
  view.payload = record.payload.data();
  view.payload_size = record.payload.size();
  view.metadata = metadata_.data() + metadata_.size();
  view.metadata_count = record.metadata.size();
  for (const auto& [key, value] : record.metadata) {
    metadata_.push_back({key.c_str(), value.c_str()});
  }
  if (record.lease) {
    view.lease_name = record.lease->name.c_str();
    view.lease_holder = record.lease->holder.c_str();
  }
  views_.push_back(view);
}

EventTable& EventTable::Get() {
  static auto* const kTable = new EventTable;
  return *kTable;
}

const cairn_event* EventTable::Add(std::unique_ptr<Event> event) {
  const cairn_event* const key = event.get();
  absl::MutexLock lock(&mutex_);
  taken_.emplace(key, std::move(event));
  return key;
}

std::unique_ptr<Event> EventTable::Remove(const cairn_event* event) {
  absl::MutexLock lock(&mutex_);
  auto node = taken_.extract(event);
  return node.empty() ? nullptr : std::move(node.mapped());
}

std::unique_ptr<TailEvent> EventTable::CopyTail(const cairn_event* event) {
  absl::MutexLock lock(&mutex_);
  const auto found = taken_.find(event);
  if (found == taken_.end() || found->second->kind != CAIRN_EVENT_RECORDS) return nullptr;
  return std::make_unique<TailEvent>(found->second->tail);
}

}  // namespace cairn::c
